/** @file The rules of the source tree, checked on the files themselves: imports run one way and in no circle, what runs in browsers
 * stays free of Node, every file says what it is. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { ENTRIES, PACKAGES, type Package } from "../../../tools/layers.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));

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
    .filter((file) => /\.tsx?$/.test(file))
    .map((file) => {
      const text = readFileSync(join(root, file), "utf8");
      // Vite takes what follows the question mark.
      const targets = [...text.matchAll(IMPORT)].map((match) => (match[1] ?? match[2] ?? match[3]!).replace(/\?worker$/, ""));
      return {
        path: file.replaceAll("\\", "/"),
        text,
        local: targets.filter((target) => target.startsWith(".")).map((target) => relative(root, resolve(root, dirname(file), target)).replaceAll("\\", "/")),
        outside: targets.filter((target) => !target.startsWith(".")),
      };
    });
}

const sources: Readonly<Record<string, readonly Source[]>> = Object.fromEntries(PACKAGES.map(({ name, path }) => [name, readPackage(join(root, path))]));
const sourcesOf = ({ name }: Package): readonly Source[] => sources[name]!;
const folderOf = (path: string): string => (path.includes("/") ? path.slice(0, path.indexOf("/")) : ".");

/** `file → target` for every import that the table of layers does not allow. */
function violations({ folders, imports, others, node }: Package, files: readonly Source[]): string[] {
  return files.flatMap(({ path, local, outside }) => {
    const from = folderOf(path);
    const isEntry = ENTRIES.includes(path);
    const folder = folders[from];
    if (from !== "." && !folder) return [`${path}: tools/layers.ts has no folder ${from}`];
    const mayUse = (target: string): boolean => {
      const to = folderOf(target);
      if (to === ".") return isEntry || !ENTRIES.includes(target);
      return to === from || isEntry || (folder?.uses.includes(to) ?? false);
    };
    const mayImport = (module: string): boolean => {
      if (module.startsWith("node:")) return node === "everywhere" || (node === "node-* files" && /(^|\/)node(-[a-z0-9-]+)?\.ts$/.test(path));
      return /^(@gradalign\/|gradalign(\/|$))/.test(module) ? imports.includes(module) : others;
    };
    return [...local.filter((target) => !mayUse(target)), ...outside.filter((module) => !mayImport(module))].map((target) => `${path} → ${target}`);
  });
}

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
  test.each(PACKAGES.map((entry) => [entry.name, entry] as const))("of %s are those that its layers allow", (_, entry) => {
    expect(violations(entry, sourcesOf(entry))).toEqual([]);
    for (const { path, local } of sourcesOf(entry)) for (const target of local) expect(target, path).not.toMatch(/^\.\./);
  });

  test("that layers do not allow are found", () => {
    const folders = { low: { what: "", uses: [] }, high: { what: "", uses: ["low"] } };
    const entry: Package = { name: "x", path: "x", what: "", knows: "", imports: ["@gradalign/tensor"], others: false, node: "node-* files", folders };
    const file = (path: string, local: readonly string[], outside: readonly string[] = []): Source => ({ path, text: "", local, outside });
    const allowed = [
      file("index.ts", ["high/a.ts", "leaf.ts"]),
      file("high/a.ts", ["low/b.ts", "leaf.ts"], ["@gradalign/tensor"]),
      file("low/node-c.ts", [], ["node:fs"]),
    ];
    expect(violations(entry, allowed)).toEqual([]);
    const refused = [
      file("low/a.ts", ["high/b.ts", "index.ts"], ["node:fs", "zod", "@gradalign/tensor/inner", "gradalign"]),
      file("leaf.ts", ["low/b.ts"]),
      file("new/a.ts", []),
    ];
    expect(violations(entry, refused)).toEqual([
      ...["high/b.ts", "index.ts", "node:fs", "zod", "@gradalign/tensor/inner", "gradalign"].map((target) => `low/a.ts → ${target}`),
      "leaf.ts → low/b.ts",
      "new/a.ts: tools/layers.ts has no folder new",
    ]);
  });

  test.each(Object.entries(sources))("of %s have no cycle among files nor among folders, and every imported file exists", (_, files) => {
    expect(findCycle(files)).toEqual([]);
    expect(findCycle(foldersOf(files))).toEqual([]);
    const known = new Set(files.map(({ path }) => path));
    for (const { path, local } of files) for (const target of local) expect(known.has(target), `${path} → ${target}`).toBe(true);
  });

  test("are found by this test's pattern", () => {
    const all = sources["@gradalign/tensor"]!.flatMap(({ local }) => local);
    expect(all.length).toBeGreaterThan(200);
    expect(sources["@gradalign/robustness"]!.flatMap(({ outside }) => outside)).toContain("@gradalign/tensor");
    const sample = 'import {\n  a,\n  b,\n} from "./x.ts";\nexport * from "./y.ts";\nimport "./z.ts";\nimport type { Q } from "q";\nawait import("./w.ts");';
    expect([...sample.matchAll(IMPORT)].map((match) => match[1] ?? match[2] ?? match[3])).toEqual(["./x.ts", "./y.ts", "./z.ts", "q", "./w.ts"]);
  });
});

describe("the table of layers", () => {
  test("names packages and folders that are there, from the bottom up", () => {
    const names = PACKAGES.map(({ name }) => name);
    for (const [i, { path, folders, imports, ...entry }] of PACKAGES.entries()) {
      const there = readdirSync(join(root, path, "src"), { withFileTypes: true }).filter((file) => file.isDirectory());
      expect(Object.keys(folders).sort(), path).toEqual(there.map(({ name }) => name).sort());
      expect(names.slice(0, i), entry.name).toEqual(expect.arrayContaining(imports.map((module) => module.replace(/\/node$/, ""))));
      for (const [k, [name, { uses }]] of Object.entries(folders).entries()) {
        expect(Object.keys(folders).slice(0, k), `${path}: ${name}`).toEqual(expect.arrayContaining([...uses]));
      }
    }
    const workspaces = [...readdirSync(join(root, "packages")).map((folder) => `packages/${folder}`), "experiments", "apps/studio"];
    expect(PACKAGES.map(({ path }) => path).sort()).toEqual(workspaces.sort());
  });
});

describe.each(Object.entries(sources))("files of %s", (_, files) => {
  test("begin with what they are", () => {
    expect(files.filter(({ text }) => !/^(#!.*\n)?\/\*\*\s+(\*\s+)?@file /.test(text)).map(({ path }) => path)).toEqual([]);
  });

  test("have kebab-case names", () => {
    expect(files.filter(({ path }) => !/^([a-z0-9]+(-[a-z0-9]+)*\/)*[a-z0-9]+(-[a-z0-9]+)*(\.d)?\.tsx?$/.test(path)).map(({ path }) => path)).toEqual([]);
  });
});

test("an operation's file has the operation's name", () => {
  const shared = ["build", "convolution", "definition", "elementwise", "index", "leaves", "pooling", "reduce", "view"];
  const operations = sources["@gradalign/tensor"]!;
  const files = operations.filter(({ path }) => path.startsWith("ops/")).map(({ path }) => path.slice(4, -3));
  for (const file of files.filter((name) => !shared.includes(name))) {
    const { text } = operations.find(({ path }) => path === `ops/${file}.ts`)!;
    expect(text, file).toMatch(new RegExp(`(name: |\\()"${file}"`));
  }
});
