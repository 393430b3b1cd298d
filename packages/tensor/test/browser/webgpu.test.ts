/** @file The webgpu backend in headless Chromium, on SwiftShader: every operation, in a worker. */
import { fileURLToPath } from "node:url";
import { createDevice } from "@gradalign/tensor";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type BrowserModule, openInBrowser } from "../../../../tools/browser.ts";
import { relativeError } from "../support/devices.ts";
import { runSample, samples, toleranceOf } from "../support/samples.ts";

/** WebGPU without a GPU. */
const SWIFTSHADER = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];

let browser: BrowserModule;
beforeAll(async () => {
  browser = await openInBrowser(fileURLToPath(new URL("entry.ts", import.meta.url)), { args: SWIFTSHADER });
});
afterAll(() => browser?.close());

test("every operation equals the reference", { timeout: 300_000 }, async () => {
  const actual = (await browser.call("worker", "conformance", { backend: "webgpu", allowSoftware: true })) as Record<string, number[]>;
  const reference = await createDevice({ backend: "reference" });
  for (const { operation, sample, name } of samples) {
    const expected = await runSample(operation, sample, reference);
    expect(actual[name]!.length, name).toBe(expected.length);
    expect(relativeError(actual[name]!, expected), name).toBeLessThan(toleranceOf(operation));
  }
});

test("a software adapter is refused unless it is asked for", async () => {
  await expect(browser.call("worker", "conformance", { backend: "webgpu" })).rejects.toThrow(
    /UnsupportedError: webgpu: the only adapter .* computes on the CPU/,
  );
  expect(await browser.call("worker", "backendOf", { backend: "auto" })).toBe("wasm");
  expect(await browser.call("worker", "backendOf", { backend: "auto", allowSoftware: true })).toBe("webgpu");
});
