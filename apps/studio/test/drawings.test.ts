/** @file The page's drawings, in a browser: what a collapse and a bump in the loss look like. */
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BrowserModule, openInBrowser } from "../../../tools/browser.ts";

describe("a drawing", () => {
  let opened: BrowserModule;
  beforeAll(async () => {
    opened = await openInBrowser(fileURLToPath(new URL("draw-collapse.ts", import.meta.url)));
  });
  afterAll(() => opened?.close());

  test("marks a collapse in every panel, at its epoch, and where it is looked back at", async () => {
    const panels = await opened.call("page", "drawCollapse");
    const panel = { words: ["overfits, epoch 12.3"], dashed: 1, cursors: 1 };
    expect(panels).toEqual([
      { ...panel, lines: 3 },
      { ...panel, lines: 2 },
    ]);
  });

  test("of an attack has its shares in full beside it", async () => {
    expect(await opened.call("page", "drawAxis")).toEqual([0, 20, 40, 60, 80, 100].map((share) => ({ words: `${share} %`, cut: 0 })));
  });

  test("of a loss that is the same everywhere is not empty", async () => {
    expect(await opened.call("page", "drawFlat")).toEqual([["#440154", "346"]]);
  });

  test("of a loss says where the bump is that FGSM steps over", async () => {
    expect(await opened.call("page", "drawBump")).toEqual([
      "From 0.63 to 3.03; image: 2.00, FGSM: 2.00.",
      "At the image 2.00, at FGSM's perturbation 2.00; highest between them 3.00, at 0.50 of it.",
    ]);
  });
});
