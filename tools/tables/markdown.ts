/** @file Markdown as the pages have it: aligned tables, lines of bounded length, and regions that a program writes. */

/** Longest line of prose, with room for links to grow by a `../`. */
const WIDTH = 112;

/** A table; {@link linked} aligns it. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (row: readonly string[]): string => `| ${row.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** A paragraph in lines; those after the first begin with `indent`. Links are not broken. */
export function paragraph(text: string, indent = ""): string {
  const lines = [""];
  // Not inside of a link's text, nor between a number and its %.
  for (const word of text.split(/ (?!%|[^[\]]*\]\()/)) {
    const last = lines.at(-1) as string;
    if (last.trim() === "") lines[lines.length - 1] = last + word;
    else if ([...last].length + 1 + [...word].length <= WIDTH) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(indent + word);
  }
  return lines.join("\n");
}

/** A list with a bullet per entry. */
export function list(entries: readonly string[]): string {
  return entries.map((entry) => paragraph(`- ${entry}`, "  ")).join("\n");
}

const REGION = /^<!-- (measured|drawn): (.+?) -->$[\s\S]*?^<!-- end \1 -->$/gm;

/** A page with every measured or drawn region written anew by `write`, which gets the kind and the words after it. */
export function withRegions(page: string, write: (kind: "measured" | "drawn", words: readonly string[]) => string): string {
  return page.replace(REGION, (_, kind: "measured" | "drawn", words: string) => {
    return `<!-- ${kind}: ${words} -->\n\n${write(kind, words.split(" "))}\n\n<!-- end ${kind} -->`;
  });
}

/** A text whose links begin at the repository's root (`/docs/cli.md`), for a page of the repository, its tables aligned. */
export function linked(page: string, text: string): string {
  const up = "../".repeat(page.split("/").length - 1);
  return text.replaceAll("](/", `](${up}`).replace(/^\|.*\|(\n\|.*\|)+$/gm, aligned);
}

function aligned(text: string): string {
  const rows = text.split("\n").map((line) =>
    line
      .slice(1, -1)
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim()),
  );
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  return rows.map((row, i) => `| ${widths.map((width, column) => (row[column] ?? "").padEnd(width, i === 1 ? "-" : " ")).join(" | ")} |`).join("\n");
}
