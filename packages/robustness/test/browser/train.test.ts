/** @file Decoding and training in headless Chromium: the same bits as in Node, in a worker or on the page; nothing of Node is needed. */
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type BrowserModule, openInBrowser } from "../../../../tools/browser.ts";
import { vectors } from "../images/vectors.ts";
import { trainBriefly } from "./entry.ts";

let browser: BrowserModule;
beforeAll(async () => {
  // Bundling refuses any import of Node's modules.
  browser = await openInBrowser(fileURLToPath(new URL("entry.ts", import.meta.url)));
});
afterAll(() => browser?.close());

test("a run has Node's bits, on several threads in a worker and on one on the page", async () => {
  const expected = await trainBriefly(2);
  expect(expected.evaluations).toHaveLength(4);
  expect(await browser.call("worker", "trainBriefly", 3)).toEqual(expected);
  expect(await browser.call("page", "trainBriefly", null)).toEqual(expected);
});

test("a signal stops a run in the middle", async () => {
  const { iterations, interrupted } = (await browser.call("worker", "stopEarly")) as { iterations: number; interrupted: boolean };
  expect(interrupted).toBe(true);
  expect(iterations).toBeLessThan(40_000);
});

test.each(["17x33-420-progressive.jpg", "cmyk.jpg", "type6-16-interlaced.png", "lossy.webp"])("%s is decoded as in Node", async (name) => {
  const row = vectors.files[name];
  for (const place of ["worker", "page"] as const) expect(await browser.call(place, "decodeFile", row?.file)).toEqual(row?.image);
});
