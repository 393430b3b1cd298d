/** @file The webgpu backend in headless Chromium, on SwiftShader: the tests that it passes in Node, and what only browsers have. */
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { type BrowserModule, FAST_SWIFTSHADER, openInBrowser } from "../../../../tools/browser.ts";
import { describeInBrowser } from "../../../../tools/test-in-browser.ts";
import { FILES } from "./gpu-tests.ts";

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

describeInBrowser(path("gpu-tests.ts"), Object.keys(FILES), path("../"));

describe("a page with WebGPU", () => {
  let browser: BrowserModule;
  beforeAll(async () => {
    browser = await openInBrowser(path("entry.ts"), { args: FAST_SWIFTSHADER });
  });
  afterAll(() => browser?.close());

  test("a software adapter is refused unless it is asked for", async () => {
    await expect(browser.call("worker", "backendOf", { backend: "webgpu" })).rejects.toThrow(
      /UnsupportedError: webgpu: the only adapter .* computes on the CPU/,
    );
    expect(await browser.call("worker", "backendOf", { backend: "auto" })).toBe("wasm");
    expect(await browser.call("worker", "backendOf", { backend: "auto", allowSoftware: true })).toBe("webgpu");
  });

  describe("keeps what it measured in IndexedDB", () => {
    const kept = () => browser.call("worker", "keptTiles");
    const tune = () => browser.call("worker", "tuneProduct");
    beforeEach(() => browser.call("worker", "deleteDatabase"));

    test("over a reload", async () => {
      expect(await kept()).toBeNull();
      expect(await tune()).toBe(1);
      const text = (await kept()) as string;
      expect(text).toContain('"conv 1 1 24 20 1 1 12 1');
      await browser.reload();
      expect(await kept()).toBe(text);
      expect(await browser.call("page", "keptTiles")).toBe(text);
      expect(await tune()).toBe(0);
    });

    test.each([
      ["text that is no JSON", "keepTiles", "{"],
      ["another GPU's tiles", "keepTiles", '{"gpus":{"another":{"conv 9":{}}}}'],
      ["a number", "keepNumber"],
    ])("%s is of no use, and measuring goes on", async (_, name, ...args) => {
      await browser.call("worker", name, ...args);
      expect(await tune()).toBe(1);
      expect(await kept()).toContain('"conv 1 1 24 20 1 1 12 1');
    });

    test.each([
      ["a database without the table", 1],
      ["a newer database", 2],
    ])("%s is left alone", async (_, version) => {
      await browser.call("worker", "keepOtherDatabase", version);
      expect(await kept()).toBeNull();
      // Measured, but kept nowhere.
      expect(await tune()).toBe(1);
      expect(await kept()).toBeNull();
    });

    test("a database that another page blocks is not waited for", async () => {
      await browser.call("page", "block");
      expect(await kept()).toBeNull();
      await browser.call("page", "unblock");
      await vi.waitFor(
        async () => {
          await browser.call("worker", "keepTiles", "later");
          expect(await kept()).toBe("later");
        },
        { timeout: 60_000 },
      );
    });
  });
});
