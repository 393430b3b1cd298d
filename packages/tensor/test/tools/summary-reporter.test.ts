/** @file The summary line of a test run: every kind of failure counts, and the line is printed once, last. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";

const root = fileURLToPath(new URL("../../../../", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "summary-reporter-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const IMPORTS = `import { afterAll, beforeAll, describe, expect, test } from "vitest";\n`;
const FILES: Readonly<Record<string, string>> = {
  "vitest.config.mjs": "export default {};",
  // 2 passed, 1 failed, 2 skipped
  "plain.test.js": `test("a", () => {}); test("b", () => {}); test("c", () => { expect(1).toBe(2); }); test.skip("d", () => {}); test.todo("e");`,
  // 0 passed, 1 failed, 2 skipped
  "before-suite.test.js": `describe("s", () => { beforeAll(() => { throw new Error("x"); }); test("a", () => {}); test("b", () => {}); });`,
  // 1 passed, 1 failed
  "after-suite.test.js": `describe("s", () => { describe("inner", () => { afterAll(() => { throw new Error("x"); }); test("a", () => {}); }); });`,
  // 0 passed, 1 failed, 1 skipped
  "before-file.test.js": `beforeAll(() => { throw new Error("x"); }); test("a", () => {});`,
  // 1 passed, 1 failed
  "after-file.test.js": `afterAll(() => { throw new Error("x"); }); test("a", () => {});`,
  // 1 passed, 1 failed
  "unhandled.test.js": `test("a", async () => { setTimeout(() => { throw new Error("late"); }, 1); await new Promise((done) => setTimeout(done, 50)); });`,
  // 0 passed, 1 failed
  "load.test.js": `throw new Error("x");`,
};

test("hooks, load errors and unhandled errors count as failures; there is one line, at the end", () => {
  symlinkSync(join(root, "node_modules"), join(directory, "node_modules"));
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(directory, name), name.endsWith(".test.js") ? IMPORTS + text : text);
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const args = [
    vitest,
    "run",
    "--root",
    directory,
    "--pool=threads",
    "--maxWorkers=1",
    "--no-isolate",
    "--reporter=default",
    `--reporter=${join(root, "tools/summary-reporter.ts")}`,
  ];
  const { stdout, status } = spawnSync(process.execPath, args, { cwd: directory, encoding: "utf8" });
  expect(status).toBe(1);
  const lines = stdout.split("\n").filter((line) => /^\d+ passed, \d+ failed, \d+ skipped$/.test(line));
  expect(lines).toEqual(["5 passed, 7 failed, 5 skipped"]);
  expect(stdout.trimEnd().split("\n").at(-1)).toBe(lines[0]);
});
