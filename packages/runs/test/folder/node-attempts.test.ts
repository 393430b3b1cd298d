/** @file Attempts: numbered exclusively, gone on with from the furthest, stopped when a newer one is made, finished once. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { resolveTrainConfig, type StepPrograms, stepPrograms, train } from "@gradalign/robustness";
import { BusyError } from "@gradalign/robustness/node";
import { createRun, noteRobustness, openRun } from "@gradalign/runs/node";
import { createDevice, type Device } from "@gradalign/tensor";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { tinyDataset } from "../../../robustness/test/support/tiny-dataset.ts";
import {
  type Attempt,
  attemptFolder,
  carryOver,
  claimRun,
  differingRuns,
  failuresOf,
  finishedFolder,
  forgiveFailures,
  holderOf,
  isGivenUp,
  noteFailure,
  noteLeft,
  publishRun,
  resultDigest,
  workerOf,
} from "../../src/folder/node-attempts.ts";

let runs: string;
let device: Device;
let programs: StepPrograms;
beforeAll(async () => {
  device = await createDevice({ backend: "wasm", threads: 1 });
  programs = stepPrograms(device);
});
afterAll(() => {
  programs.dispose();
  device.close();
});
beforeEach(() => {
  runs = mkdtempSync(join(tmpdir(), "gradalign-attempts-"));
});
afterEach(() => rmSync(runs, { recursive: true, force: true }));

const data = tinyDataset();
const config = resolveTrainConfig({
  ...{ dataset: data, model: { name: "cnn", filters: 1 } as const, method: "fgsm" as const },
  ...{ epochs: 2, batchSize: 4, evalEvery: 3, evalExamples: 4 },
});

function claim(id: string): Attempt {
  const attempt = claimRun(runs, id);
  if (!attempt) throw new Error(`${id} is finished`);
  return attempt;
}

/** Trains in an attempt's folder until its checkpoint at an iteration, or to the end. */
async function work(attempt: Attempt, until = Number.POSITIVE_INFINITY, usable = () => true): Promise<number> {
  const resumed = carryOver(attempt, usable);
  const run = resumed ? openRun(attempt.folder, attempt) : createRun(attempt.folder, config, attempt);
  const stop = new AbortController();
  const resume = resumed ? run.loadCheckpoint("last") : undefined;
  const onEvent = (event: { type: string; iteration?: number; kind?: string }) => {
    if (event.type === "checkpoint" && event.kind === "last" && Number(event.iteration) >= until) stop.abort();
  };
  await train(config, data, { device, programs, checkpoints: run.sink, signal: stop.signal, checkpointEvery: 1, onEvent, ...(resume ? { resume } : {}) });
  return resume?.iteration ?? 0;
}

it("have rising numbers, each given once however many ask", async () => {
  const claims = await Promise.all(Array.from({ length: 20 }, async () => claim("a")));
  expect(claims.map(({ number }) => number)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  // Another's folder listing may be old: the name decides.
  writeFileSync(join(runs, "attempts", "a", "21.json"), "");
  expect(claim("a").number).toBe(22);
  expect(holderOf(runs, "a")).toMatchObject({ number: 22, pid: process.pid });
});

it("refuse ids that are no plain names", () => {
  for (const id of ["../a", "a/b", ".a", "", "attempts", "a".repeat(201), "a\0"]) expect(() => claim(id)).toThrow(/run id .* must be letters/);
});

it("one that is not the newest any more writes nothing more, and its late writes change nothing", async () => {
  const first = claim("a");
  await work(first, 3);
  const second = claim("a");
  const woken = openRun(first.folder, first);
  expect(() => woken.sink.save("last", woken.loadCheckpoint("last"))).toThrow(BusyError);
  expect(() => woken.sink.rewind?.([])).toThrow(/a: attempt 1 is over, attempt 2 was made elsewhere; nothing more is written/);
  // As where a network file system does not show the newer name yet.
  const hidden = join(runs, "attempts", "a", "hidden");
  renameSync(join(runs, "attempts", "a", "2.json"), hidden);
  expect(() => woken.sink.rewind?.([])).toThrow(/a: attempt 1 is over/);
  renameSync(hidden, join(runs, "attempts", "a", "2.json"));
  expect(await work(second)).toBe(3);
  // A write that was under way when the first was frozen.
  mkdirSync(join(first.folder, "checkpoints"), { recursive: true });
  writeFileSync(join(first.folder, "checkpoints", "last.json"), "{}");
  const folder = publishRun(second);
  expect(openRun(folder).evaluations.map(({ iteration }) => iteration)).toEqual([0, 3, 6, 8]);
  expect(() => first.assertHeld()).toThrow(/the run was finished elsewhere/);
  expect(claimRun(runs, "a")).toBeUndefined();
  expect(readdirSync(runs).sort()).toEqual(["a", "attempts"]);
});

it("go on from the furthest of those before, over any number of interruptions, to the bits of an undisturbed run", async () => {
  const whole = claim("whole");
  await work(whole);
  noteRobustness(whole.folder, record(1));
  const expected = resultDigest(publishRun(whole));
  const starts: number[] = [];
  for (const until of [2, 4, 5]) starts.push(await work(claim("cut"), until));
  // Killed before it had brought anything over.
  const empty = claim("cut");
  createRun(empty.folder, config, empty).sink.rewind?.([]);
  expect(attemptFolder(runs, "cut")).toBe(empty.folder);
  const last = claim("cut");
  starts.push(await work(last));
  noteRobustness(last.folder, record(2));
  expect(starts).toEqual([0, 2, 4, 5]);
  expect(resultDigest(publishRun(last))).toBe(expected);
  expect(existsSync(join(runs, "attempts", "cut"))).toBe(false);
});

it("take along what trackers keep, so that a run stays one to them", async () => {
  const first = claim("a");
  await work(first, 3);
  writeFileSync(join(first.folder, "mlflow.json"), '{"run":"1"}');
  mkdirSync(join(first.folder, "tensorboard"));
  writeFileSync(join(first.folder, "tensorboard", "events"), "1");
  const second = claim("a");
  await work(second, 4);
  expect([existsSync(join(second.folder, "mlflow.json")), readdirSync(join(second.folder, "tensorboard"))]).toEqual([true, ["events"]]);
  // Also where nothing was reached that could be gone on with.
  const third = claim("a");
  expect(carryOver(third, () => false)).toBe(false);
  expect([existsSync(join(third.folder, "mlflow.json")), readdirSync(join(third.folder, "tensorboard"))]).toEqual([true, ["events"]]);
});

it("of a process that is gone, that failed or was given back is nobody's work; one elsewhere is as long as nothing is known of it", () => {
  const works = () => workerOf(runs, "a")?.number;
  expect(works()).toBeUndefined();
  const first = claim("a");
  expect(works()).toBe(1);
  noteLeft(first);
  expect(works()).toBeUndefined();
  noteFailure(claim("a"), "the disk fell over", false);
  expect(works()).toBeUndefined();
  const third = claim("a");
  const file = join(runs, "attempts", "a", "3.json");
  writeFileSync(file, third.token.replace(`"pid":${process.pid}`, '"pid":999999999'));
  expect(works()).toBeUndefined();
  writeFileSync(file, third.token.replace(`"host":"${hostname()}"`, '"host":"elsewhere"'));
  expect(works()).toBe(3);
  writeFileSync(file, "");
  expect(works()).toBeUndefined();
});

it("that cannot be written, as on a full disk, leave no name behind that would end another's", () => {
  const first = claim("a");
  // In a process that may write no bytes, only names.
  const script = `import("${new URL("../../dist/node.js", import.meta.url).href}").then(({ claimRun }) => claimRun(process.argv[1], "a"))`;
  const full = spawnSync("bash", ["-c", 'trap "" XFSZ; ulimit -f 0; exec "$@"', "bash", process.execPath, "-e", script, runs], { encoding: "utf8" });
  expect(full.stderr).toContain("cannot write");
  expect(readdirSync(join(runs, "attempts", "a"))).toEqual(["1.json"]);
  expect(() => first.assertHeld()).not.toThrow();
});

it("begin anew where what is there was computed in another way", async () => {
  await work(claim("a"), 3);
  expect(await work(claim("a"), 1, () => false)).toBe(0);
});

it("of a run that was finished twice the first stays if they are equal; if not, both do, and that is an error", async () => {
  const [first, second, third] = [claim("a"), claim("b"), claim("c")];
  for (const attempt of [first, second, third]) await work(attempt);
  publishRun(first);
  // As two workers that cannot see each other's claims would.
  expect(publishRun({ ...second, id: "a" })).toBe(finishedFolder(runs, "a"));
  expect(differingRuns(runs).size).toBe(0);
  noteRobustness(third.folder, record(1));
  expect(() => publishRun({ ...third, id: "a" })).toThrow(/^a: two computations of this run differ .* both are kept/);
  expect(differingRuns(runs)).toEqual(new Map([["a", [expect.stringMatching(/differing\/a-1-[0-9a-f]{12}$/)]]]));
  expect(existsSync(finishedFolder(runs, "a"))).toBe(true);
});

it("that come further between their failures are not given up", async () => {
  for (const until of [1, 2, 3]) {
    const attempt = claim("a");
    await work(attempt, until);
    noteFailure(attempt, "killed", false);
  }
  expect(failuresOf(runs, "a").map(({ iteration }) => iteration)).toEqual([1, 2, 3]);
  expect(isGivenUp(failuresOf(runs, "a"))).toBe(false);
});

it("that fail three times, or once for good, give the run up until that is forgiven", () => {
  for (const times of [1, 2, 3]) {
    expect(isGivenUp(failuresOf(runs, "a"))).toBe(false);
    noteFailure(claim("a"), `the disk fell over ${times} times`, false);
  }
  expect(isGivenUp(failuresOf(runs, "a"))).toBe(true);
  expect(failuresOf(runs, "a").at(-1)).toMatchObject({ attempt: 3, iteration: 0, message: "the disk fell over 3 times" });
  forgiveFailures(runs, "a");
  expect(failuresOf(runs, "a")).toEqual([]);
  noteFailure(claim("a"), "no such data set", true);
  expect(isGivenUp(failuresOf(runs, "a"))).toBe(true);
});

function record(seconds: number) {
  const numbers = { cleanAccuracy: 0.5, robustAccuracy: 0.25, meanLoss: 1, epsilon: 0.1, seed: 0, n: 4, iteration: 8 };
  return { which: "last", attack: "fgsm", confidence95: [0, 1] as [number, number], seconds, ...numbers } as const;
}
