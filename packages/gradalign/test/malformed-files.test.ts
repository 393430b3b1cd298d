/** @file The campaigns of malformed files, bounded: damaged files of every format are read or refused, and nothing else happens. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const campaign = async (name: string, ...options: string[]): Promise<string> => {
  const script = fileURLToPath(new URL(`../../../tools/campaigns/${name}.mjs`, import.meta.url));
  return (await promisify(execFile)(process.execPath, [script, ...options])).stdout;
};

test.each([1, 2])("240 malformed files of seed %i crash, hang and leak nothing", async (seed) => {
  expect(await campaign("files", "--count", "240", "--seed", String(seed))).toContain("0 failures, 0 uncaught errors, 0 files left open, 0 files outside");
});

test("300 malformed checkpoints and models crash and hang nothing, take little, and are never read as other values than were written", async () => {
  expect(await campaign("formats", "--count", "300", "--seed", "3")).toMatch(/300 files in \d+ s: 0 failures;/);
});
