/** @file The webgpu backend in headless Chromium, on SwiftShader: the tests that it passes in Node, and what only browsers have. */
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BrowserModule, openInBrowser, SWIFTSHADER } from "../../../../tools/browser.ts";
import { describeInBrowser } from "../../../../tools/test-in-browser.ts";
import { FILES } from "./gpu-tests.ts";

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

describeInBrowser(path("gpu-tests.ts"), Object.keys(FILES), path("../"));

describe("a page with WebGPU", () => {
  let browser: BrowserModule;
  beforeAll(async () => {
    browser = await openInBrowser(path("entry.ts"), { args: SWIFTSHADER });
  });
  afterAll(() => browser?.close());

  test("a software adapter is refused unless it is asked for", async () => {
    await expect(browser.call("worker", "backendOf", { backend: "webgpu" })).rejects.toThrow(
      /UnsupportedError: webgpu: the only adapter .* computes on the CPU/,
    );
    expect(await browser.call("worker", "backendOf", { backend: "auto" })).toBe("wasm");
    expect(await browser.call("worker", "backendOf", { backend: "auto", allowSoftware: true })).toBe("webgpu");
  });
});
