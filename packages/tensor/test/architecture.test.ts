/** @file The rules of the source tree, checked on the files themselves: imports run one way and in no circle, what runs in browsers
 * stays free of Node, every file says what it is. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const packages = fileURLToPath(new URL("../../", import.meta.url));

interface Source {
  /** Path from the package's `src`, with forward slashes. */
  readonly path: string;
  readonly text: string;
  /** Imported files of the same package, likewise. */
  readonly local: readonly string[];
  /** Other imported modules. */
  readonly outside: readonly string[];
}

const IMPORT = /(?:^|\n)\s*(?:import|export)\b[^"';]*?\bfrom\s*"([^"]+)"|(?:^|\n)\s*import\s*"([^"]+)"|\bimport\(\s*"([^"]+)"\s*\)/g;

function readPackage(folder: string): Source[] {
  const root = join(folder, "src");
  return readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => {
      const text = readFileSync(join(root, file), "utf8");
      const targets = [...text.matchAll(IMPORT)].map((match) => match[1] ?? match[2] ?? match[3]!);
      return {
        path: file.replaceAll("\\", "/"),
        text,
        local: targets.filter((target) => target.startsWith(".")).map((target) => relative(root, resolve(root, dirname(file), target)).replaceAll("\\", "/")),
        outside: targets.filter((target) => !target.startsWith(".")),
      };
    });
}

const sources = {
  tensor: readPackage(join(packages, "tensor")),
  formats: readPackage(join(packages, "formats")),
  robustness: readPackage(join(packages, "robustness")),
  runs: readPackage(join(packages, "runs")),
  experiments: readPackage(join(packages, "../experiments")),
  gradalign: readPackage(join(packages, "gradalign")),
};
const folderOf = (path: string): string => (path.includes("/") ? path.slice(0, path.indexOf("/")) : ".");

/** `file → target` for every import of a folder that its own folder may not use. */
function violations(files: readonly Source[], allowed: Readonly<Record<string, readonly string[]>>): string[] {
  return files.flatMap(({ path, local }) => {
    const from = folderOf(path);
    const may = allowed[from];
    if (!may) return [`${path}: folder without a rule`];
    return local.filter((target) => folderOf(target) !== from && !may.includes(folderOf(target))).map((target) => `${path} → ${target}`);
  });
}

/** What each folder of `packages/runs` may use. */
const RUNS = {
  words: [],
  run: [],
  serve: [],
  settings: ["words"],
  folder: ["run", "settings"],
  figures: ["run", "words"],
  pages: ["run", "words", "settings", "figures"],
  perform: ["run", "settings", "folder", "figures", "pages"],
};

/** What each folder of `packages/gradalign` may use. */
const COMMAND = {
  terminal: [],
  settings: [],
  run: ["terminal"],
  reproduce: ["terminal", "run"],
  commands: ["terminal", "settings", "run", "reproduce"],
};

/** The folders as if they were files; a file of the root, such as an index or a leaf, stands for itself. */
function foldersOf(files: readonly Source[]): Source[] {
  const room = (path: string): string => (path.includes("/") ? folderOf(path) : path);
  return [...new Set(files.map(({ path }) => room(path)))].map((path) => {
    const local = files.filter((file) => room(file.path) === path).flatMap((file) => file.local.map(room));
    return { path, text: "", local: local.filter((target) => target !== path), outside: [] };
  });
}

/** A circle of imports, as the paths along it; empty if there is none. */
function findCycle(files: readonly Source[]): string[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const done = new Set<string>();
  const walk = (path: string, trail: readonly string[]): string[] => {
    if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path];
    if (done.has(path)) return [];
    for (const target of byPath.get(path)?.local ?? []) {
      const cycle = walk(target, [...trail, path]);
      if (cycle.length > 0) return cycle;
    }
    done.add(path);
    return [];
  };
  for (const { path } of files) {
    const cycle = walk(path, []);
    if (cycle.length > 0) return cycle;
  }
  return [];
}

describe("imports", () => {
  test("inside the compiler run from base to index", () => {
    const below = ["base", "ir", "ops"];
    expect(
      violations(sources.tensor, {
        base: [],
        ir: ["base"],
        ops: ["base", "ir"],
        autodiff: below,
        passes: below,
        codegen: ["base", "ir"],
        runtime: [...below, "passes", "codegen"],
        frontend: [...below, "autodiff", "passes", "codegen", "runtime"],
        ".": [...below, "autodiff", "frontend", "runtime"],
      }),
    ).toEqual([]);
  });

  test("inside the library run from threat over attacks and methods to train", () => {
    const order = ["threat", "attacks", "methods", "train"];
    const wrong = sources.robustness.flatMap(({ path, local }) => {
      const from = order.indexOf(folderOf(path));
      return from < 0 ? [] : local.filter((target) => order.indexOf(folderOf(target)) > from).map((target) => `${path} → ${target}`);
    });
    expect(wrong).toEqual([]);
  });

  test("of runs and of the command run as this table says", () => {
    expect(violations(sources.runs, { ...RUNS, ".": Object.keys(RUNS) })).toEqual([]);
    expect(violations(sources.gradalign, { ...COMMAND, ".": ["commands", "terminal"] })).toEqual([]);
  });

  test("go through packages' indexes, never upwards", () => {
    const foreign = (files: readonly Source[], pattern: RegExp): string[] =>
      files.flatMap(({ path, outside }) => outside.filter((target) => pattern.test(target)).map((target) => `${path} → ${target}`));
    expect(foreign(sources.tensor, /./)).toEqual([]);
    expect(foreign(sources.formats, /^(?!@gradalign\/tensor$)/)).toEqual([]);
    expect(foreign(sources.robustness, /^@gradalign\/(?!tensor$|formats$)|^gradalign|^\.\.\/\.\.\/\.\./)).toEqual([]);
    expect(foreign(sources.runs, /^@gradalign\/(?!tensor$|formats$|robustness(\/node)?$)|^gradalign/)).toEqual([]);
    expect(foreign(sources.experiments, /^@gradalign\/(?!tensor$|robustness$|runs$)|^gradalign/)).toEqual([]);
    for (const files of Object.values(sources)) for (const { path, local } of files) for (const target of local) expect(target, path).not.toMatch(/^\.\./);
  });

  test.each(Object.entries(sources))("of %s have no cycle among files nor among folders, and every imported file exists", (_, files) => {
    expect(findCycle(files)).toEqual([]);
    expect(findCycle(foldersOf(files))).toEqual([]);
    const known = new Set(files.map(({ path }) => path));
    for (const { path, local } of files) for (const target of local) expect(known.has(target), `${path} → ${target}`).toBe(true);
  });

  test("of Node's modules stand only in the library's node-* files and in the command line", () => {
    const users = [...sources.tensor, ...sources.formats, ...sources.robustness, ...sources.runs, ...sources.experiments].filter(({ outside }) =>
      outside.some((target) => target.startsWith("node:")),
    );
    for (const { path } of users) expect(path).toMatch(/(^|\/)node-[a-z0-9-]+\.ts$|^node\.ts$/);
  });

  test("are found by this test's pattern", () => {
    const all = sources.tensor.flatMap(({ local }) => local);
    expect(all.length).toBeGreaterThan(200);
    expect(sources.robustness.flatMap(({ outside }) => outside)).toContain("@gradalign/tensor");
    const sample = 'import {\n  a,\n  b,\n} from "./x.ts";\nexport * from "./y.ts";\nimport "./z.ts";\nimport type { Q } from "q";\nawait import("./w.ts");';
    expect([...sample.matchAll(IMPORT)].map((match) => match[1] ?? match[2] ?? match[3])).toEqual(["./x.ts", "./y.ts", "./z.ts", "q", "./w.ts"]);
  });
});

describe.each(Object.entries(sources))("files of %s", (_, files) => {
  test("begin with what they are", () => {
    expect(files.filter(({ text }) => !/^(#!.*\n)?\/\*\*\s+(\*\s+)?@file /.test(text)).map(({ path }) => path)).toEqual([]);
  });

  test("have kebab-case names", () => {
    expect(files.filter(({ path }) => !/^([a-z0-9]+(-[a-z0-9]+)*\/)*[a-z0-9]+(-[a-z0-9]+)*(\.d)?\.ts$/.test(path)).map(({ path }) => path)).toEqual([]);
  });
});

test("an operation's file has the operation's name", () => {
  const shared = ["build", "convolution", "definition", "elementwise", "index", "leaves", "reduce", "view"];
  const files = sources.tensor.filter(({ path }) => path.startsWith("ops/")).map(({ path }) => path.slice(4, -3));
  for (const file of files.filter((name) => !shared.includes(name))) {
    const { text } = sources.tensor.find(({ path }) => path === `ops/${file}.ts`)!;
    expect(text, file).toMatch(new RegExp(`(name: |\\()"${file}"`));
  }
});
