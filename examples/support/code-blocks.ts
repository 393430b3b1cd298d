/** @file Code blocks of Markdown pages: found by what their fence says, and imported as modules. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's folder. */
export const ROOT: string = fileURLToPath(new URL("../..", import.meta.url));

/** Every file below a folder with one of these endings; what is generated or installed is left out. */
export function files(folder: string, ...endings: string[]): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return ["node_modules", "dist", "runs", ".git"].includes(entry.name) ? [] : files(path, ...endings);
    return endings.some((ending) => entry.name.endsWith(ending)) ? [path] : [];
  });
}

/** The Markdown pages. */
export const pages = (): string[] => files(".", ".md");

/** A fenced block. */
export interface CodeBlock {
  readonly page: string;
  readonly language: "ts" | "js";
  /** What follows the language on the opening fence, e.g. `run` or `file=packages/tensor/src/ops/abs.ts`. */
  readonly info: string;
  readonly code: string;
}

/** The text of a file of the repository. */
export function readText(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

/** The TypeScript and JavaScript blocks of a page. */
export function codeBlocks(page: string): CodeBlock[] {
  return [...readText(page).matchAll(/^```(ts|js) *(.*)\n([\s\S]*?)^```$/gm)].map(([, language, info = "", code = ""]) => ({
    page,
    language: language as "ts" | "js",
    info: info.trim(),
    code,
  }));
}

/** The block of a page that stands for the file at `path`. */
export function blockOfFile(page: string, path: string): CodeBlock {
  const block = codeBlocks(page).find(({ info }) => info === `file=${path}`);
  if (!block) throw new Error(`${page} has no block with file=${path}`);
  return block;
}

// Ignored by git and by the linter; inside the repository, so that package names resolve as they do for its own files.
const SCRATCH = join(ROOT, "examples", "dist");

/** Imports a block as a module. Relative imports are those of the file that the block stands for. */
export async function importBlock<Module>({ page, info, code }: CodeBlock): Promise<Module> {
  const path = /^file=(\S+)$/.exec(info)?.[1];
  const resolved = path ? code.replace(/(from ")(\.\.?\/[^"]+)(")/g, (_, open, to, close) => `${open}${posix.join("../..", dirname(path), to)}${close}`) : code;
  mkdirSync(SCRATCH, { recursive: true });
  const file = join(SCRATCH, `${basename(page, ".md").toLowerCase()}-${process.pid}-${imported++}.ts`);
  writeFileSync(file, resolved);
  try {
    return (await import(file)) as Module;
  } finally {
    rmSync(file);
  }
}

let imported = 0;
