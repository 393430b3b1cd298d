/** @file Finding Chromium: the one that was named, else the first in the PATH, and a clear word when the named one is none. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { findChromium } from "../../../../tools/ensure-chromium.mjs";

const directory = mkdtempSync(join(tmpdir(), "ensure-chromium-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** A program in a folder of its own that answers `--version`. */
function program(folder: string, name: string, { mode = 0o755, exit = 0 } = {}): string {
  mkdirSync(join(directory, folder), { recursive: true });
  const path = join(directory, folder, name);
  writeFileSync(path, `#!/bin/sh\necho "Chromium 1.2.3"\nexit ${exit}\n`, { mode });
  return path;
}

test("the PATH is searched in order, and files that are no programs are passed over", () => {
  program("first", "chromium", { mode: 0o644 });
  const second = program("second", "chromium");
  program("third", "chromium");
  const PATH = ["first", "second", "third"].map((folder) => join(directory, folder)).join(delimiter);
  expect(findChromium({ PATH })).toBe(second);
});

test("CHROMIUM_PATH comes first, and must be a program", () => {
  const named = program("named", "my-browser");
  const other = program("other", "chromium");
  expect(findChromium({ CHROMIUM_PATH: named, PATH: join(directory, "other") })).toBe(named);
  expect(findChromium({ CHROMIUM_PATH: "", PATH: join(directory, "other") })).toBe(other);
  expect(() => findChromium({ CHROMIUM_PATH: join(directory, "absent") })).toThrow(/CHROMIUM_PATH .*absent.* must be the path/);
});

test("the script prints the version it found, and fails for a browser that does not start", () => {
  const script = fileURLToPath(new URL("../../../../tools/ensure-chromium.mjs", import.meta.url));
  const run = (path: string) => spawnSync(process.execPath, [script], { encoding: "utf8", env: { ...process.env, CHROMIUM_PATH: path } });
  const works = program("works", "browser");
  expect(run(works)).toMatchObject({ status: 0, stdout: `Chromium 1.2.3 (${works})\n`, stderr: "" });
  const broken = run(program("broken", "browser", { exit: 3 }));
  expect(broken.status).toBe(1);
  expect(broken.stderr).toContain("apt-get install --yes --no-install-recommends chromium");
});
