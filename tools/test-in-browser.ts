/** @file Has Chromium run test files that Node runs too, with the webgpu backend on SwiftShader. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BrowserModule, FAST_SWIFTSHADER, openInBrowser } from "./browser.ts";
import type { Outcome } from "./in-browser/run-tests.ts";

/** Describes one test per file. The module `entry` exports `run(name)`; test files lie under `folder`. */
export function describeInBrowser(entry: string, names: readonly string[], folder: string): void {
  describe("in headless Chromium, in a worker", () => {
    let browser: BrowserModule;
    beforeAll(async () => {
      browser = await openInBrowser(entry, { tests: true, args: FAST_SWIFTSHADER });
    });
    afterAll(() => browser?.close());

    test.each(names)("%s", { timeout: 300_000 }, async (name) => {
      const { passed, failures } = (await browser.call("worker", "run", name)) as Outcome;
      expect(failures.join("\n\n")).toBe("");
      expect(passed).toBeGreaterThan(0);
    });

    test("no test file that uses the webgpu backend is left out", () => {
      const using = readdirSync(folder, { recursive: true, encoding: "utf8" })
        .map((path) => path.replaceAll("\\", "/"))
        // Tests of generated code look at the code, or run single kernels of it; what stands for tensor cores is no business of browsers.
        .filter((path) => path.endsWith(".test.ts") && !path.startsWith("codegen/"))
        .filter((path) => /openDevices|describeOracle|alteredGpu|testGpu/.test(readFileSync(join(folder, path), "utf8")))
        // Nor is a test file that keeps to other backends and says why.
        .filter((path) => !/emulatedTensorCores|WITHOUT_WEBGPU/.test(readFileSync(join(folder, path), "utf8")));
      expect(using.map((path) => path.replace(".test.ts", "")).sort()).toEqual([...names].sort());
    });
  });
}
