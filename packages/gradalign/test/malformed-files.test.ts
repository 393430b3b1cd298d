/** @file The campaign of malformed files, bounded: damaged files of every format are read or refused, and nothing else happens. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

test.each([1, 2])("240 malformed files of seed %i crash, hang and leak nothing", async (seed) => {
  const script = fileURLToPath(new URL("../../../tools/campaigns/files.mjs", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [script, "--count", "240", "--seed", String(seed)]);
  expect(stdout).toContain("0 failures, 0 uncaught errors, 0 files left open, 0 files outside");
});
