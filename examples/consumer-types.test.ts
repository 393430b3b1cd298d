/** @file Programs that use the published types compile in a strict project of someone else's, without casts: the examples, and the code of the pages. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { afterAll, expect, test } from "vitest";
import { type CodeBlock, codeBlocks, pages, ROOT } from "./support/code-blocks.ts";

// Inside the repository, so that the packages resolve as they do where they are installed: to what is built in `dist`.
const FOLDER = join(ROOT, "examples", "dist", `consumer-${process.pid}`);
afterAll(() => rmSync(FOLDER, { recursive: true, force: true }));

/** A consumer's project: strict, and the declarations of the packages are checked too. */
const OWN = { target: "es2023", lib: ["es2023", "dom", "dom.iterable"], strict: true, skipLibCheck: false, noEmit: true };

/** What the compiler says of files put into a folder with these settings; empty if nothing. */
function errors(name: string, compilerOptions: object, sources: ReadonlyMap<string, string>): string[] {
  const folder = join(FOLDER, name);
  mkdirSync(folder, { recursive: true });
  for (const [file, text] of sources) writeFileSync(join(folder, file), text);
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: [...sources.keys()] }));
  try {
    execFileSync(process.execPath, [join(ROOT, "node_modules", "typescript", "bin", "tsc"), "-p", folder], { encoding: "utf8" });
    return [];
  } catch (failure) {
    return (failure as { stdout: string }).stdout.split("\n").filter((line) => line.includes("error TS"));
  }
}

const examples = new Map(
  readdirSync(join(ROOT, "examples"), { recursive: true, encoding: "utf8" })
    .filter((file) => /^[\w-]+[/\\]main\.ts$/.test(file))
    .map((file) => [file.replaceAll(/[/\\]/g, "-").replace(/\.ts$/, ".mts"), readFileSync(join(ROOT, "examples", file), "utf8")]),
);

test.each(["nodenext", "bundler"])("the examples in TypeScript, moduleResolution %s", (moduleResolution) => {
  expect(examples.size).toBeGreaterThan(0);
  const module = moduleResolution === "bundler" ? "esnext" : "nodenext";
  expect(errors(moduleResolution, { ...OWN, module, moduleResolution, types: [] }, examples)).toEqual([]);
});

const blocks = pages().flatMap(codeBlocks);
const fileOf = ({ info }: CodeBlock): string | undefined => /^file=(\S+)$/.exec(info)?.[1];
const named = (kind: string, own: readonly CodeBlock[], extension: string, text = (block: CodeBlock): string => block.code): Map<string, string> =>
  new Map(own.map((block, i) => [`${kind}-${i}-${block.page.replaceAll(/\W/g, "-")}.${extension}`, text(block)]));

test("whole programs in the pages", () => {
  const programs = blocks.filter((block) => fileOf(block) === undefined && /^import .*"(gradalign|@gradalign)/m.test(block.code));
  const typed = named(
    "typed",
    programs.filter(({ language }) => language === "ts"),
    "mts",
  );
  const plain = named(
    "plain",
    programs.filter(({ language }) => language === "js"),
    "mjs",
  );
  expect(typed.size).toBeGreaterThan(0);
  expect(plain.size).toBeGreaterThan(0);
  const settings = { ...OWN, module: "nodenext", types: ["node"], allowJs: true, checkJs: true };
  expect(errors("typed", settings, typed)).toEqual([]);
  // JavaScript says nothing of its parameters' types.
  expect(errors("plain", { ...settings, noImplicitAny: false }, plain)).toEqual([]);
});

test("files of the library in the pages", () => {
  const files = blocks.filter((block) => fileOf(block) !== undefined);
  expect(files.length).toBeGreaterThan(0);
  const sources = named("file", files, "ts", (block) =>
    block.code.replace(/(from ")(\.\.?\/[^"]+)(")/g, (_, open, to, close) => `${open}${posix.join("../../../..", dirname(fileOf(block)!), to)}${close}`),
  );
  const base = JSON.parse(readFileSync(join(ROOT, "tsconfig.base.json"), "utf8")) as { compilerOptions: object };
  const settings = {
    ...base.compilerOptions,
    composite: false,
    declaration: false,
    noEmit: true,
    customConditions: ["source"],
    rewriteRelativeImportExtensions: false,
  };
  expect(errors("files", { ...settings, types: ["node"] }, sources)).toEqual([]);
});
