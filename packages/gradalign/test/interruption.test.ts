/** @file Runs that are stopped: by kill -9 at some moment, by Ctrl-C. Needs the built command (`npm run build`). */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { askToStop, readLog } from "@gradalign/runs/node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeRecordFiles } from "./support/record-files.ts";

const MAIN = fileURLToPath(new URL("../dist/main.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "gradalign-interruption-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const data = join(folder, "images");
const settings = ["--dataset", data, "--model", "cnn", "--method", "fgsm-gradalign", "--epsilon", "10", "--epochs", "6", "--batch-size", "32"];
const flags = [...settings, "--eval-every", "4", "--eval-examples", "32", "--final-attack", "none", "--threads", "1", "--json"];

beforeAll(() => {
  if (!existsSync(MAIN)) throw new Error(`${MAIN} is missing: run "npm run build" first`);
  writeRecordFiles(data, 256, 64);
});

interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

/** Runs the built command; `onEvent` may stop it. */
function gradalign(argv: readonly string[], onEvent: (event: { type: string; kind?: string }, child: ChildProcess) => void = () => {}): Promise<Finished> {
  const child = spawn(process.execPath, [MAIN, ...argv]);
  let rest = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onEvent(JSON.parse(line) as { type: string }, child);
  });
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  return new Promise((done) => child.on("close", (code, signal) => done({ code, signal, stderr })));
}

/** Digest of the tensors of a run's last checkpoint, and its metrics without times. */
function outcome(run: string): { checkpoint: string; metrics: unknown[] } {
  const checkpoints = join(run, "checkpoints");
  const manifest = JSON.parse(readFileSync(join(checkpoints, "last.json"), "utf8")) as { tensors: string; iteration: number };
  expect(manifest.iteration).toBe(48);
  const metrics = readFileSync(join(run, "metrics.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => ({ ...(JSON.parse(line) as object), seconds: 0 }));
  return {
    checkpoint: createHash("sha256")
      .update(readFileSync(join(checkpoints, manifest.tensors)))
      .digest("hex"),
    metrics,
  };
}

test("killed at two moments and resumed, a run ends with the bits of an undisturbed one", async () => {
  const whole = join(folder, "whole");
  const killed = join(folder, "killed");
  const undisturbed = gradalign(["train", ...flags, "--out", whole]);

  let saves = 0;
  const stopAfter = (count: number, delay: number) => (event: { type: string; kind?: string }, child: ChildProcess) => {
    if (event.type === "checkpoint" && event.kind === "last" && ++saves === count) setTimeout(() => child.kill("SIGKILL"), delay);
  };
  const first = await gradalign(["train", ...flags, "--out", killed], stopAfter(2, 3));
  expect(first.signal).toBe("SIGKILL");
  saves = 0;
  const second = await gradalign(["train", "--resume", killed, "--final-attack", "none", "--threads", "1", "--json"], stopAfter(3, 0));
  expect(second.signal).toBe("SIGKILL");
  const third = await gradalign(["train", "--resume", killed, "--final-attack", "none", "--json"]);
  expect(third.code).toBe(0);
  expect(third.stderr).toMatch(/^\S+: the lock of a process that is gone \(process \d+ on .*\) is taken over\n$/);

  expect((await undisturbed).code).toBe(0);
  expect(outcome(killed)).toEqual(outcome(whole));
});

test.each([
  ["Ctrl-C", "SIGINT", 130],
  ["a closed terminal", "SIGHUP", 129],
  ["a request in its folder", "request", 130],
] as const)("%s finishes the step, writes a checkpoint and a report, and says how to resume", async (_, stop, expected) => {
  const run = join(folder, `interrupted-${stop}`);
  let [asked, interrupted] = [false, false];
  const { code, stderr } = await gradalign(["train", ...flags, "--epochs", "500", "--out", run], (event, child) => {
    if (event.type === "evaluation" && !asked) {
      asked = true;
      if (stop === "request") askToStop(run);
      else child.kill(stop);
    }
    if (event.type === "end") interrupted = (event as unknown as { interrupted: boolean }).interrupted;
  });
  expect(code).toBe(expected);
  expect(interrupted).toBe(true);
  expect(stderr).toMatch(`gradalign train --resume ${run}`);
  expect(readdirSync(run)).toEqual(expect.arrayContaining(["checkpoints", "metrics.jsonl", "report.html"]));
  expect(readdirSync(run)).not.toContain("stop.request");
  expect(readLog(run).map(({ type }) => type)).toEqual(["start", "end"]);
});

test("a run whose reader leaves stops in order, too", async () => {
  const run = join(folder, "unheard");
  const { code } = await gradalign(["train", ...flags, "--epochs", "500", "--out", run], (event, child) => {
    if (event.type === "evaluation") child.stdout?.destroy();
  });
  expect(code).toBe(129);
  expect(readdirSync(join(run, "checkpoints"))).toContain("last.json");
});

test("a second process on a run is refused, and the first finishes undisturbed", async () => {
  const run = join(folder, "shared");
  let second: Promise<Finished> | undefined;
  const iterations: number[] = [];
  const first = await gradalign(["train", ...flags, "--epochs", "60", "--out", run], (event) => {
    if (event.type === "evaluation") iterations.push((event as unknown as { evaluation: { iteration: number } }).evaluation.iteration);
    if (event.type === "evaluation") second ??= gradalign(["train", "--resume", run, "--json"]);
  });
  const refused = await second;
  expect(refused?.stderr).toMatch(/is in use by another process \(process \d+ on /);
  expect(refused?.code).toBe(1);
  expect(first.code).toBe(0);
  expect(
    readFileSync(join(run, "metrics.jsonl"), "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => (JSON.parse(line) as { iteration: number }).iteration),
  ).toEqual(iterations);
  expect(readdirSync(run)).not.toContain("run.lock");
});
