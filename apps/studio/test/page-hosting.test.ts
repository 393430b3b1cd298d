/** @file Where the page is and how it is held: without isolation, in a tab in the background. Everywhere the bits are the same. */
import type { Page } from "playwright-core";
import { beforeAll, expect, test } from "vitest";
import { launchOrdinaryChromium } from "../../../tools/browser.ts";
import {
  inNode,
  inState,
  look,
  measurements,
  openPage,
  page,
  queryOf,
  type Saved,
  SETTINGS,
  save,
  server,
  start,
  text,
  type timeless,
  useStudio,
} from "./support/studio.ts";

useStudio();

let expected: ReturnType<typeof timeless>[];
beforeAll(async () => {
  expected = await inNode(SETTINGS);
});

test("without cross-origin isolation one thread computes the same bits, and the page says why", async () => {
  await openPage(undefined, (opened) =>
    opened.route("**/*", async (route) => {
      const response = await route.fetch();
      const { "cross-origin-opener-policy": _, "cross-origin-embedder-policy": __, ...headers } = response.headers();
      await route.fulfill({ response, headers });
    }),
  );
  await start();
  await inState("idle");
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(false);
  expect(await text("#device")).toBe("WebAssembly, 1 thread (one thread only: the page is not cross-origin isolated, so threads cannot share memory)");
  expect(measurements(await save())).toEqual(expected);
});

test("a training in a tab in the background goes on, and is shown when the tab is back in front", async () => {
  const { context, close } = await launchOrdinaryChromium();
  try {
    look(context.pages()[0] as Page);
    await page.goto(server.url + queryOf(SETTINGS, { pace: "10" }));
    await page.evaluate(() => {
      const create = URL.createObjectURL;
      URL.createObjectURL = (saved) => {
        (globalThis as unknown as { saved: Promise<string> }).saved = (saved as Blob).text();
        return create(saved);
      };
    });
    await start();
    await page.waitForSelector("[data-side=left] [aria-label=dot] circle");
    await (await context.newPage()).bringToFront();
    // Hidden tabs draw no frames, for which the usual ways to wait would wait too.
    await expect.poll(() => page.evaluate(() => document.visibilityState)).toBe("hidden");
    const state = () => page.evaluate(() => document.querySelector("main")?.dataset["state"]);
    expect(await state()).toBe("training");
    await expect.poll(state, { timeout: 120_000 }).toBe("idle");
    expect(await page.evaluate(() => document.visibilityState)).toBe("hidden");
    await page.bringToFront();
    await page.click("#save");
    const saved = JSON.parse(await page.evaluate(() => (globalThis as unknown as { saved: Promise<string> }).saved)) as Saved[];
    expect(measurements(saved)).toEqual(expected);
    await expect.poll(() => page.locator("[data-side=left] figure:nth-of-type(1) [aria-label=dot] circle").count()).toBe(21);
  } finally {
    await close();
  }
});
