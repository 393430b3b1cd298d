/** @file Campaigns: that of random graphs in a process of its own, whose last line is the verdict; arguments that none of them takes. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const campaign = (name: string): string => fileURLToPath(new URL(`../../../../tools/campaigns/${name}.mjs`, import.meta.url));

test("a graph of every kind", () => {
  const script = campaign("graphs");
  const { status, stdout } = spawnSync(process.execPath, [script, "--count", "10", "--seed", "50"], { encoding: "utf8" });
  expect(stdout).toMatch(/PASS: 10 graphs on wasm from number 50 in [\d.]+ min, 0 faults\n$/);
  expect(status).toBe(0);
});

test.each([
  [["--count", "many"], '--count (="many") must be an integer from 0; write e.g. --count 50\n'],
  [["10", "1"], "Unexpected argument '10'. This command does not take positional arguments\n"],
])("a campaign refuses %s", (given, message) => {
  const { status, stderr } = spawnSync(process.execPath, [campaign("kills"), ...given], { encoding: "utf8" });
  expect([status, stderr]).toEqual([2, message]);
});
