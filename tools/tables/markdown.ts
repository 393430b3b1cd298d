/** @file Markdown as the pages have it: aligned tables, lines of bounded length, and regions that a program writes. */

/** Longest line of prose, with room for links to grow by a `../`. */
const WIDTH = 112;

/** An aligned table. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [head, ...rows].map((row) => row.map((cell) => cell.replaceAll("|", "\\|")));
  const widths = head.map((_, column) => Math.max(3, ...cells.map((row) => [...(row[column] ?? "")].length)));
  const line = (row: readonly string[]): string => `| ${row.map((cell, i) => cell + " ".repeat((widths[i] as number) - [...cell].length)).join(" | ")} |`;
  const [first, ...rest] = cells as [string[], ...string[][]];
  return [line(first), `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...rest.map(line)].join("\n");
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

const REGION = /^<!-- measured: (.+?) -->$[\s\S]*?^<!-- end measured -->$/gm;

/** A page with every measured region written anew by `write`, which gets the words after `measured:`. */
export function withRegions(page: string, write: (words: readonly string[]) => string): string {
  return page.replace(REGION, (_, words: string) => `<!-- measured: ${words} -->\n\n${write(words.split(" "))}\n\n<!-- end measured -->`);
}

/** A text whose links begin at the repository's root (`/docs/cli.md`), for a page of the repository. */
export function linksFrom(page: string, text: string): string {
  const up = "../".repeat(page.split("/").length - 1);
  return text.replaceAll("](/", `](${up}`);
}
