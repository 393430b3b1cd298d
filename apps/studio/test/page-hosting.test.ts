/** @file Where the page is and how it is held: on plain static hosts, in the background, frozen, in two tabs. Everywhere the bits are the same. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeSite } from "@gradalign/runs/node";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { launchOrdinaryChromium } from "../../../tools/browser.ts";
import { serveFolder } from "./support/static-server.ts";
import {
  browser,
  dataset,
  FINGERPRINT,
  inNode,
  inState,
  look,
  measurements,
  PAGE_FOLDER,
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

describe("on a static host", () => {
  const root = mkdtempSync(join(tmpdir(), "gradalign-site-"));
  const site = join(root, "site");
  const inSite = (path: string): string => join(site, "data", path);
  let plain: Awaited<ReturnType<typeof serveFolder>>;
  beforeAll(async () => {
    writeSite(site, { dataset, fingerprint: FINGERPRINT, page: PAGE_FOLDER });
    plain = await serveFolder(site, { isolated: false });
  });
  afterAll(() => {
    plain.close();
    rmSync(root, { recursive: true });
  });

  test("without the headers one thread computes the same bits, and the page says why", async () => {
    look(await browser.newPage());
    await page.goto(plain.url + queryOf(SETTINGS));
    await start();
    await inState("idle");
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(false);
    expect(await text("#device")).toBe("WebAssembly, 1 thread (one thread only: the page is not cross-origin isolated, so threads cannot share memory)");
    expect(measurements(await save())).toEqual(expected);
  });

  test("with them all cores do; images come by drop or from an address", async () => {
    const isolated = await serveFolder(site, { isolated: true, skip: "data" });
    try {
      await page.close();
      look(await browser.newPage());
      await page.goto(isolated.url + queryOf(SETTINGS));
      await inState("broken");
      expect(await text("#problem")).toMatch(/^The images could not be had: \/somewhere\/data\/list\.json: the server answered 404/);
      await page.setInputFiles("[name=data]", { name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("no images") });
      await expect.poll(() => text("#problem")).toMatch(/this file is no data set: drop all files of one of CIFAR-10 \(data_batch_1\.bin/);
      await page.setInputFiles(
        "[name=data]",
        readdirSync(join(site, "data")).map((name) => inSite(name)),
      );
      await inState("idle");
      expect(await text("#numbers")).toBe("2,300 training and 150 test images of stripes");

      await page.click(".data-source summary");
      await page.fill("[name=data-url]", `${plain.url}data/list.json`);
      await page.click("#fetch-data");
      await start();
      await inState("idle");
      expect(new URL(page.url()).searchParams.get("data")).toBe(`${plain.url}data/list.json`);
      expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
      expect(await text("#device")).not.toContain("one thread only");
      expect(measurements(await save())).toEqual(expected);

      // What are no images takes nothing away: neither those that are here nor what was trained on them.
      for (const wrong of [
        () => page.setInputFiles("[name=data]", { name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("no images") }),
        () => page.fill("[name=data-url]", "http://[").then(() => page.click("#fetch-data")),
      ]) {
        await wrong();
        await expect.poll(() => text("#problem")).toMatch(/^The images could not be had: .*\. Those that were here stay\./);
        await page.click("#problem >> text=Close");
      }
      expect(measurements(await save())).toEqual(expected);
      expect(await page.isDisabled("#start")).toBe(false);
      expect(new URL(page.url()).searchParams.get("data")).toBe(`${plain.url}data/list.json`);
    } finally {
      isolated.close();
    }
  });
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

test("a page that was frozen, as behind a closed lid, goes on beside another tab's training; both have their bits, and neither takes the other's", async () => {
  const context = await browser.newContext();
  const first = await context.newPage();
  look(first);
  await page.goto(server.url + queryOf(SETTINGS, { pace: "20" }));
  await start();
  await first.waitForSelector("[data-side=left] [aria-label=dot] circle");
  const debug = await context.newCDPSession(first);
  await debug.send("Page.setWebLifecycleState", { state: "frozen" });
  look(await context.newPage());
  await page.goto(server.url + queryOf(SETTINGS));
  await start();
  await inState("idle");
  // The first tab's training is being worked on, so it is not for this one to open.
  expect(await page.locator(".kept-training").count()).toBe(0);
  expect(measurements(await save())).toEqual(expected);
  await page.close();
  await debug.send("Page.setWebLifecycleState", { state: "active" });
  look(first);
  await page.bringToFront();
  await inState("idle");
  expect(measurements(await save())).toEqual(expected);
  await context.close();
});
