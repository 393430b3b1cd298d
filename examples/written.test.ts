/** @file Parts of the pages that a program writes: what was measured, from the committed results, and the layers, from their table. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { attacksRegion } from "../tools/tables/attacks.ts";
import { benchRegion } from "../tools/tables/bench.ts";
import { demoRegion, pictureDigest, readDemo } from "../tools/tables/demo.ts";
import { earlierSeedsRegion } from "../tools/tables/earlier-seeds.ts";
import { experimentRegion, isOfExperiments } from "../tools/tables/experiments.ts";
import { guardRegion } from "../tools/tables/guard.ts";
import { layersRegion } from "../tools/tables/layers.ts";
import { linked, paragraph, table, withRegions } from "../tools/tables/markdown.ts";
import { methodsRegion } from "../tools/tables/methods.ts";
import { pages, ROOT, readText } from "./support/code-blocks.ts";

function region(kind: "measured" | "drawn", words: readonly string[]): string {
  if (kind === "drawn") return words[0] === "attacks" ? attacksRegion() : words[0] === "methods" ? methodsRegion(words) : layersRegion(words);
  if (words[0] === "demo") return demoRegion();
  if (isOfExperiments(words)) return experimentRegion(words);
  if (words[0] === "guard") return guardRegion();
  if (words[0] === "earlier-seeds") return earlierSeedsRegion();
  const bench = benchRegion(words);
  if (bench !== undefined) return bench;
  throw new Error(`nothing is measured under the name ${words.join(" ")}`);
}

const written = pages().filter((page) => /^<!-- end (measured|drawn) -->$/m.test(readText(page)));

test.each(written)("%s says what its sources say", async (page) => {
  const text = withRegions(readText(page), (kind, words) => linked(page, region(kind, words)));
  await expect(text, `${page} is not what its sources say; to write it anew: npm run tables`).toMatchFileSnapshot(join(ROOT, page));
});

test("regions are found and closed", () => {
  expect(written).toEqual(
    expect.arrayContaining(["README.md", "docs/architecture.md", "docs/benchmarks.md", "docs/collapse-by-seed.md", "docs/reproduction.md"]),
  );
  for (const page of written) {
    const text = readText(page);
    let regions = 0;
    withRegions(text, () => String(regions++));
    expect([text.match(/^<!-- (measured|drawn): /gm)?.length, text.match(/^<!-- end (measured|drawn)/gm)?.length], page).toEqual([regions, regions]);
  }
});

test("the demo's picture is of the run whose numbers are shown", () => {
  expect(pictureDigest(), "docs/images/demo.png is not the picture that experiments/results/demo.json names; npm run measure:demo makes both").toBe(
    readDemo().picture,
  );
});

test("a changed number changes the page", () => {
  const page = "a\n\n<!-- measured: x y -->\n\n1\n\n<!-- end measured -->\n\nb\n";
  expect(withRegions(page, (kind, words) => `${kind} ${words.join("+")}`)).toBe(page.replace("1", "measured x+y"));
  expect(linked("docs/a.md", table(["a", "b"], [["[1](/x.md)", "22|3"]]))).toBe(
    "| a            | b     |\n| ------------ | ----- |\n| [1](../x.md) | 22\\|3 |",
  );
  const lines = paragraph(`${"word ".repeat(21)}and [a link of some words](to/a/file.md) behind`).split("\n");
  expect(lines).toEqual([`${"word ".repeat(21)}and`, "[a link of some words](to/a/file.md) behind"]);
});
