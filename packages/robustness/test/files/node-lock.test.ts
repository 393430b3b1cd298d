/** @file Locks: held, released, left by processes that are gone, torn, dated in the future, with a folder in their place. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BusyError, FileError, withLock } from "@gradalign/robustness/node";
import { afterEach, beforeEach, expect, it } from "vitest";

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gradalign-lock-"));
  file = join(folder, "run.lock");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const options = { what: "runs/a" };
const held = async () => existsSync(file);
/** What a process of this machine writes into its lock. */
async function ownLock(): Promise<Record<string, unknown>> {
  return JSON.parse(await withLock(file, options, async () => readFileSync(file, "utf8"))) as Record<string, unknown>;
}
const date = (seconds: number) => utimesSync(file, Date.now() / 1000 + seconds, Date.now() / 1000 + seconds);

it("is refused to a second while it is held, and free afterwards, also after a failure", async () => {
  const failing = withLock(file, options, async () => {
    const second = withLock(file, options, held);
    await expect(second).rejects.toThrow(BusyError);
    await expect(second).rejects.toThrow(new RegExp(`^runs/a is in use by another process \\(process ${process.pid} on .*\\); wait until it is done`));
    throw new Error("work failed");
  });
  await expect(failing).rejects.toThrow("work failed");
  expect(readdirSync(folder)).toEqual([]);
  expect(await withLock(file, options, held)).toBe(true);
});

it("is waited for by those who say so, one after the other", async () => {
  const order: string[] = [];
  const waits: string[] = [];
  const work = (name: string) =>
    withLock(file, { ...options, onWait: (holder) => waits.push(holder) }, async () => {
      order.push(name);
      await new Promise((done) => setTimeout(done, 20));
      order.push(name);
    });
  await Promise.all(["a", "b", "c"].map(work));
  expect(order.filter((_, i) => i % 2 === 0)).toEqual(order.filter((_, i) => i % 2 === 1));
  expect(waits).toHaveLength(2);
});

it("of a killed process is taken over at once, and said so", async () => {
  const script = `import { withLock } from ${JSON.stringify(new URL("../../dist/node.js", import.meta.url).href)};
    await withLock(${JSON.stringify(file)}, { what: "x" }, async () => { console.log("held"); await new Promise((r) => setTimeout(r, 60000)); });`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  await expect(withLock(file, options, held)).rejects.toThrow(`process ${child.pid} on`);
  child.kill("SIGKILL");
  await once(child, "exit");
  const said: string[] = [];
  expect(await withLock(file, { ...options, onTakeOver: (holder) => said.push(holder) }, held)).toBe(true);
  expect(said).toEqual([expect.stringContaining(`process ${child.pid} on`)]);
  expect(readdirSync(folder)).toEqual([]);
});

it("whose process number was given to another process is taken over", async () => {
  const lock = await ownLock();
  writeFileSync(file, JSON.stringify({ ...lock, start: (lock.start as number) - 1 }));
  expect(await withLock(file, options, held)).toBe(true);
});

it.each([
  ["torn", "", 0, false],
  ["torn and old", '{"host": "a', -60, true],
  ["torn and dated in the future", '{"host": "a', 3600, true],
  ["of another form", "null", 60, true],
  ["elsewhere and alive", JSON.stringify({ host: "far", pid: 1, space: "far", start: 1, since: "then", id: "x" }), 0, false],
  ["elsewhere and silent", JSON.stringify({ host: "far", pid: 1, space: "far", start: 1, since: "then", id: "x" }), -60, true],
])("%s is judged by its age", async (_, text, seconds, free) => {
  writeFileSync(file, text);
  date(seconds);
  if (free) expect(await withLock(file, options, held)).toBe(true);
  else await expect(withLock(file, options, held)).rejects.toThrow(BusyError);
});

it("cannot be where a folder is, or in a folder that is not there", async () => {
  mkdirSync(file);
  await expect(withLock(file, { ...options, onWait: () => {} }, held)).rejects.toThrow(FileError);
  await expect(withLock(file, options, held)).rejects.toThrow(/run\.lock: it is a folder, not a file/);
  await expect(withLock(join(folder, "none", "run.lock"), options, held)).rejects.toThrow(/cannot make the lock .*: it does not exist/);
});

it("that was lost while its holder slept stops the holder, and stays the other's", async () => {
  await expect(
    withLock(file, options, async (lock) => {
      lock.assertHeld();
      writeFileSync(file, "another's");
      lock.assertHeld();
    }),
  ).rejects.toThrow(/runs\/a was taken over by another process/);
  expect(readFileSync(file, "utf8")).toBe("another's");
});
