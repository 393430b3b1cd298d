/** @file A grid that is killed in the middle: its workers end, and started again it ends with the bits of an undisturbed one. */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { writeRecordFiles } from "./support/record-files.ts";

const SCRIPT = fileURLToPath(new URL("support/reproduce-grid.mjs", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "gradalign-grid-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const images = join(folder, "images");
writeRecordFiles(images, 256, 64);

interface Event {
  readonly type: string;
  readonly run?: string;
  readonly iteration?: number;
}

/** Runs the grid; `onEvent` may stop it. */
function grid(out: string, onEvent: (event: Event, child: ChildProcess) => void = () => {}) {
  const child = spawn(process.execPath, [SCRIPT, images, out]);
  const events: Event[] = [];
  let rest = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const event = JSON.parse(line) as Event;
      events.push(event);
      onEvent(event, child);
    }
  });
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  return new Promise<{ code: number | null; signal: NodeJS.Signals | null; events: Event[]; stderr: string }>((done) =>
    child.on("close", (code, signal) => done({ code, signal, events, stderr })),
  );
}

/** Digests of the trainings' last checkpoints, and the grid's findings. */
function outcome(out: string): { checkpoints: string[]; findings: unknown } {
  const trainings = join(out, "trainings");
  const checkpoints = readdirSync(trainings).map((id) => {
    const at = join(trainings, id, "checkpoints");
    const manifest = JSON.parse(readFileSync(join(at, "last.json"), "utf8")) as { tensors: string; iteration: number };
    expect(manifest.iteration).toBe(96);
    return createHash("sha256")
      .update(readFileSync(join(at, manifest.tensors)))
      .digest("hex");
  });
  return { checkpoints, findings: (JSON.parse(readFileSync(join(out, "two-seeds-smoke", "data.json"), "utf8")) as { findings: unknown }).findings };
}

test("kill -9 in the middle of a grid costs no more than the steps since the last checkpoint", { timeout: 300_000 }, async () => {
  const [whole, killed] = [join(folder, "whole"), join(folder, "killed")];
  let saves = 0;
  const first = await grid(killed, (event, child) => {
    if (event.type === "checkpoint" && ++saves === 4) child.kill("SIGKILL");
  });
  expect(first.signal).toBe("SIGKILL");
  // Orphaned workers end at their next report.
  const locks = () =>
    readdirSync(join(killed, "trainings"))
      .map((id) => join(killed, "trainings", id, "run.lock"))
      .filter((file) => existsSync(file));
  const holders = locks().map((file) => (JSON.parse(readFileSync(file, "utf8")) as { pid: number }).pid);
  expect(holders.length).toBeGreaterThan(0);
  const isRunning = (pid: number): boolean => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };
  for (let i = 0; i < 100 && holders.some(isRunning); i++) await delay(100);
  expect(holders.filter(isRunning)).toEqual([]);
  expect(existsSync(join(killed, "two-seeds-smoke"))).toBe(false);

  const second = await grid(killed);
  expect(second).toMatchObject({ code: 0 });
  // Each training went on from a checkpoint, not from its beginning.
  const starts = second.events.filter((event) => event.type === "start");
  expect(starts.map((event) => event.iteration)).toHaveLength(2);
  expect(Math.max(...starts.map((event) => event.iteration as number))).toBeGreaterThan(0);

  expect((await grid(whole)).code).toBe(0);
  expect(outcome(killed)).toEqual(outcome(whole));

  // What is done is not done again.
  const third = await grid(killed);
  expect(third.events.map((event) => event.type)).toEqual(["experiment"]);
});

test("Ctrl-C stops the workers in order, with exit code 130", { timeout: 300_000 }, async () => {
  const out = join(folder, "stopped");
  let stopped = false;
  const { code, events } = await grid(out, (event, child) => {
    if (event.type !== "evaluation" || stopped) return;
    stopped = true;
    child.kill("SIGINT");
  });
  expect(code).toBe(130);
  const ends = events.filter((event) => event.type === "end") as (Event & { interrupted: boolean })[];
  expect(ends.length).toBeGreaterThan(0);
  expect(ends.every((event) => event.interrupted)).toBe(true);
  expect(events.some((event) => event.type === "experiment")).toBe(false);
});
