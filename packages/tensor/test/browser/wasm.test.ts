/** @file The wasm backend in headless Chromium: the same bits as in Node, threads where memory can be shared, and clear words where not. */
import { fileURLToPath } from "node:url";
import { createDevice } from "@gradalign/tensor";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BrowserModule, openInBrowser } from "../../../../tools/browser.ts";
import { runSample, samples } from "../support/samples.ts";

const entry = fileURLToPath(new URL("entry.ts", import.meta.url));

describe("a cross-origin isolated page", () => {
  let browser: BrowserModule;
  beforeAll(async () => {
    browser = await openInBrowser(entry);
  });
  afterAll(() => browser?.close());

  test.each([
    ["page", 1],
    ["worker", 1],
    ["worker", 3],
  ] as const)("every operation gives Node's bits (%s, %i threads)", async (place, threads) => {
    const actual = (await browser.call(place, "conformance", { backend: "wasm", threads })) as Record<string, number[]>;
    const device = await createDevice({ backend: "wasm", threads: 2 });
    for (const { operation, sample, name } of samples) {
      // Playwright carries NaN and the sign of zero across.
      expect(actual[name], name).toEqual(Array.from(await runSample(operation, sample, device)));
    }
    device.close();
  });

  test("all cores in a worker; one on the page, whose main thread may not wait", async () => {
    const cores = await browser.page.evaluate(() => navigator.hardwareConcurrency);
    expect(cores).toBeGreaterThan(0);
    expect(await browser.call("worker", "threadsOf", null)).toBe(Math.min(64, cores));
    expect(await browser.call("page", "threadsOf", null)).toBe(1);
    await expect(browser.call("page", "threadsOf", 2)).rejects.toThrow(/UnsupportedError: threads \(=2\) must be 1 here: .*open the device in a Worker/);
  });

  test("closed devices give their threads and memory back", async () => {
    expect(await browser.call("worker", "reopen", 40)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
  });
});

describe("a page that is not isolated", () => {
  let browser: BrowserModule;
  beforeAll(async () => {
    browser = await openInBrowser(entry, { isolated: false });
  });
  afterAll(() => browser?.close());

  test("has one thread, and says which headers are missing when more are asked for", async () => {
    expect(await browser.call("worker", "threadsOf", null)).toBe(1);
    await expect(browser.call("worker", "threadsOf", 2)).rejects.toThrow(/UnsupportedError: threads \(=2\) must be 1 here: .*Cross-Origin-Opener-Policy/);
    const values = (await browser.call("worker", "conformance", { backend: "wasm", threads: 1 })) as Record<string, number[]>;
    expect(Object.keys(values)).toEqual(samples.map(({ name }) => name));
  });
});

test("where a policy forbids workers from blobs, the error says so", async () => {
  const browser = await openInBrowser(entry, { headers: { "Content-Security-Policy": "worker-src 'self'" } });
  try {
    await expect(browser.call("worker", "threadsOf", 2)).rejects.toThrow(/UnsupportedError: .*worker-src must contain blob:/);
  } finally {
    await browser.close();
  }
});
