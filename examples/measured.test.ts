/** @file Measured parts of the pages say what the committed results say: `npm run tables` writes them anew from there. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { experimentRegion, isOfExperiments } from "../tools/tables/experiments.ts";
import { linksFrom, paragraph, table, withRegions } from "../tools/tables/markdown.ts";
import { pages, ROOT, readText } from "./support/code-blocks.ts";

function region(words: readonly string[]): string {
  if (isOfExperiments(words)) return experimentRegion(words);
  throw new Error(`nothing is measured under the name ${words.join(" ")}`);
}

const measured = pages().filter((page) => readText(page).includes("<!-- end measured -->"));

test.each(measured)("%s says what was measured", async (page) => {
  const written = withRegions(readText(page), (words) => linksFrom(page, region(words)));
  await expect(written, `${page} is not what the results it names say; to write it anew: npm run tables`).toMatchFileSnapshot(join(ROOT, page));
});

test("regions are found and closed", () => {
  expect(measured).toEqual(expect.arrayContaining(["docs/reproduction.md"]));
  for (const page of measured) {
    const text = readText(page);
    let regions = 0;
    withRegions(text, () => String(regions++));
    expect([text.match(/^<!-- measured/gm)?.length, text.match(/^<!-- end measured/gm)?.length], page).toEqual([regions, regions]);
  }
});

test("a changed number changes the page", () => {
  const page = "a\n\n<!-- measured: x y -->\n\n1\n\n<!-- end measured -->\n\nb\n";
  expect(withRegions(page, (words) => words.join("+"))).toBe(page.replace("1", "x+y"));
  expect(table(["a", "b"], [["1", "22|3"]])).toBe("| a   | b     |\n| --- | ----- |\n| 1   | 22\\|3 |");
  const lines = paragraph(`${"word ".repeat(21)}and [a link of some words](to/a/file.md) behind`).split("\n");
  expect(lines).toEqual([`${"word ".repeat(21)}and`, "[a link of some words](to/a/file.md) behind"]);
});
