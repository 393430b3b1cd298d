/** @file The campaign of random graphs: a process of its own does the work, and the last line is the verdict. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

test("a graph of every kind", () => {
  const script = fileURLToPath(new URL("../../../../tools/campaigns/graphs.mjs", import.meta.url));
  const { status, stdout } = spawnSync(process.execPath, [script, "10", "50"], { encoding: "utf8" });
  expect(stdout).toMatch(/PASS: 10 graphs on wasm from number 50 in [\d.]+ min, 0 faults\n$/);
  expect(status).toBe(0);
});
