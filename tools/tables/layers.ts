/** @file The layers of tools/layers.ts as docs/architecture.md shows them: a picture of all packages, and a table per package. */
import { PACKAGES, type Package } from "../layers.ts";
import { table } from "./markdown.ts";

/** Folders in rows: each row uses only rows below it. */
function rows({ folders }: Package): string[][] {
  const heights = new Map<string, number>();
  for (const [name, { uses }] of Object.entries(folders)) heights.set(name, Math.max(-1, ...uses.map((used) => heights.get(used) as number)) + 1);
  const top = Math.max(-1, ...heights.values());
  return Array.from({ length: top + 1 }, (_, i) => [...heights].filter(([, height]) => height === top - i).map(([name]) => name));
}

/** All packages and their folders, users above what they use. */
function picture(): string {
  const width = Math.max(...PACKAGES.map(({ path }) => path.length));
  const blocks = PACKAGES.toReversed().map((entry) => {
    const lines = rows(entry).map((row) => row.join("  "));
    return (lines.length > 0 ? lines : ["src"]).map((line, i) => `${(i === 0 ? entry.path : "").padEnd(width)} │ ${line}`).join("\n");
  });
  const rule = `${"─".repeat(width + 1)}┼${"─".repeat(44)}`;
  return `\`\`\`\n${blocks.join(`\n${rule}\n`)}\n\`\`\``;
}

/** The packages, from the top down, with what each may know of the others. */
function packageTable(): string {
  return table(
    ["package", "what it is", "what it may know"],
    PACKAGES.toReversed().map(({ name, path, what, knows }) => [`[${path}](/${path}) (\`${name}\`)`, what, knows]),
  );
}

/** A package's folders with what each may use. */
function folderTable(path: string): string {
  const found = PACKAGES.find((entry) => entry.path === path);
  if (!found) throw new Error(`tools/layers.ts has no package ${path}`);
  return table(
    ["folder", "what is in it", "may use"],
    Object.entries(found.folders)
      .toReversed()
      .map(([name, { what, uses }]) => [`[${name}/](/${path}/src/${name})`, what, uses.join(", ") || "nothing"]),
  );
}

/** What a page may draw of the layers: `picture`, `packages`, or the path of a package. */
export function layersRegion([what = ""]: readonly string[]): string {
  return what === "picture" ? picture() : what === "packages" ? packageTable() : folderTable(what);
}
