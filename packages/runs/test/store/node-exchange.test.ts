/** @file Two machines without a shared folder: what one leaves the other goes on with, by the rules of a shared folder, to the same bits. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { resolveTrainConfig, type StepPrograms, stepPrograms, train } from "@gradalign/robustness";
import { createDevice, type Device, GradalignError } from "@gradalign/tensor";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { tinyDataset } from "../../../robustness/test/support/tiny-dataset.ts";
import { attemptRun, type WorkOutcome } from "../../src/engines/node-attempt-run.ts";
import { type Attempt, carryOver, differingRuns, failuresOf, finishedFolder, forgiveFailures, holderOf, resultDigest } from "../../src/folder/node-attempts.ts";
import { noteRobustness } from "../../src/folder/node-notes.ts";
import { createRun, openRun } from "../../src/folder/node-run.ts";
import { directoryStore } from "../../src/store/node-directory-store.ts";
import { type Exchange, openExchange } from "../../src/store/node-exchange.ts";
import type { ObjectStore } from "../../src/store/object-store.ts";

let folder: string;
let store: ObjectStore;
let device: Device;
let programs: StepPrograms;
const notes: string[] = [];
beforeAll(async () => {
  device = await createDevice({ backend: "wasm", threads: 1 });
  programs = stepPrograms(device);
});
afterAll(() => {
  programs.dispose();
  device.close();
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gradalign-exchange-"));
  store = directoryStore(join(folder, "store"));
  notes.length = 0;
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const data = tinyDataset();
const config = resolveTrainConfig({
  ...{ dataset: data, model: { name: "cnn", filters: 1 } as const, method: "fgsm" as const },
  ...{ epochs: 2, batchSize: 4, evalEvery: 3, evalExamples: 4 },
});

interface Machine {
  readonly runs: string;
  readonly exchange: Exchange;
}

function machine(name: string, over: ObjectStore = store): Machine {
  const runs = join(folder, name);
  return { runs, exchange: openExchange(over, runs, (text) => notes.push(text)) };
}

/** Trains an attempt until its checkpoint at an iteration, or to the end; resolves to where it began. */
async function work(attempt: Attempt, exchange: Exchange | undefined, until = Number.POSITIVE_INFINITY): Promise<number> {
  const resumed = carryOver(attempt, () => true);
  const run = resumed ? openRun(attempt.folder, attempt) : createRun(attempt.folder, config, attempt);
  const stop = new AbortController();
  const resume = resumed ? run.loadCheckpoint("last") : undefined;
  const onEvent = (event: { type: string; iteration?: number; kind?: string }) => {
    if (event.type !== "checkpoint" || event.kind !== "last") return;
    exchange?.checkpointed(attempt);
    if (Number(event.iteration) >= until) stop.abort();
  };
  await train(config, data, { device, programs, checkpoints: run.sink, signal: stop.signal, checkpointEvery: 1, onEvent, ...(resume ? { resume } : {}) });
  return resume?.iteration ?? 0;
}

/** A run on a machine; `starts` are told where it began. */
function perform(place: Machine, id: string, starts: number[], until?: number, after: (attempt: Attempt) => void = () => {}): Promise<WorkOutcome> {
  return attemptRun(place, id, new AbortController().signal, async (attempt) => {
    starts.push(await work(attempt, place.exchange, until));
    after(attempt);
    return until === undefined;
  });
}

/** Everything in the store. */
const names = async (): Promise<string[]> =>
  (await Promise.all(["attempts/", "finished/", "files/", "differing/"].map((beginning) => store.list(beginning)))).flat();

it("what one machine stopped another goes on with, to the bits of a run that nobody disturbed; nothing is left over", async () => {
  const [a, b, alone] = [machine("a"), machine("b"), machine("alone", directoryStore(join(folder, "other")))];
  const starts: number[] = [];
  expect(await perform(a, "run", starts, 3)).toEqual({ kind: "stopped" });
  expect(await perform(b, "run", starts, 5)).toEqual({ kind: "stopped" });
  expect(await perform(a, "run", starts)).toEqual({ kind: "done" });
  expect(await perform(b, "run", starts)).toEqual({ kind: "done" });
  expect(starts).toEqual([0, 3, 5]);
  await perform(alone, "run", []);
  expect(resultDigest(finishedFolder(a.runs, "run"))).toBe(resultDigest(finishedFolder(alone.runs, "run")));
  const left = await names();
  expect(left.filter((name) => !name.startsWith("files/"))).toEqual(["finished/run.json"]);
  const { files } = JSON.parse(readFileSync(join(folder, "store", "finished/run.json"), "utf8")) as { files: { object: string }[] };
  expect(left.filter((name) => name.startsWith("files/"))).toEqual([...new Set(files.map(({ object }) => object))].sort());
  // Brought to a third machine, first without its models, then whole.
  const c = machine("c");
  await c.exchange.synchronize("run", false);
  expect(openRun(finishedFolder(c.runs, "run")).evaluations.map(({ iteration }) => iteration)).toEqual([0, 3, 6, 8]);
  expect(readdirSync(join(finishedFolder(c.runs, "run"), "checkpoints")).filter((name) => name.endsWith(".safetensors"))).toEqual([]);
  await c.exchange.synchronize("run", true);
  expect(resultDigest(finishedFolder(c.runs, "run"))).toBe(resultDigest(finishedFolder(a.runs, "run")));
});

it("of a killed machine the last checkpoint that was sent counts", async () => {
  const [a, b] = [machine("a"), machine("b")];
  // Nothing is said at its end: as if it had been killed then.
  const attempt = (await a.exchange.claim("run"))!;
  await work(attempt, a.exchange, 4);
  await expect.poll(async () => JSON.parse(new TextDecoder().decode(await store.get("attempts/run/1.files.json"))).iteration).toBe(4);
  const starts: number[] = [];
  expect(await perform(b, "run", starts)).toEqual({ kind: "done" });
  expect(starts).toEqual([4]);
});

it("a machine whose attempt is not the newest any more stops at its next checkpoint, and what it sends too late changes nothing", async () => {
  const [a, b] = [machine("a"), machine("b")];
  const starts: number[] = [];
  const first = (await a.exchange.claim("run"))!;
  await work(first, a.exchange, 2);
  expect(await perform(b, "run", starts, 4)).toEqual({ kind: "stopped" });
  a.exchange.checkpointed(first);
  await a.exchange.settled(first);
  await a.exchange.leave(first, false);
  expect(() => first.assertHeld()).toThrow(/run: attempt 1 is over, attempt 2 was made elsewhere/);
  expect(holderOf(a.runs, "run")?.number).toBe(2);
  expect(await perform(b, "run", starts)).toEqual({ kind: "done" });
  const before = await names();
  await a.exchange.settled(first);
  await a.exchange.leave(first, false);
  expect(() => first.assertHeld()).toThrow(/the run was finished elsewhere/);
  expect(await names()).toEqual(before);
});

it("a claim that another machine was quicker with is made again under the next number", async () => {
  const [a, b] = [machine("a"), machine("b")];
  const claims = await Promise.all([a, b, a, b].map(({ exchange }) => exchange.claim("run")));
  expect(claims.map((claim) => claim?.number).sort()).toEqual([1, 2, 3, 4]);
  expect((await store.list("attempts/run/")).length).toBe(4);
});

it("failures are counted together, and forgiven together", async () => {
  const machines = [machine("a"), machine("b"), machine("a")];
  for (const place of machines) await attemptRun(place, "run", new AbortController().signal, async () => ({ message: "the disk fell over", fault: "run" }));
  const late = machine("late");
  expect(await perform(late, "run", [])).toEqual({ kind: "failed", message: "the disk fell over", final: true });
  expect(failuresOf(late.runs, "run")).toHaveLength(3);
  await late.exchange.forgive("run");
  forgiveFailures(late.runs, "run");
  expect(await perform(machines[1] as Machine, "run", [])).toEqual({ kind: "done" });
});

it("two machines whose results differ are an alarm: the first counts, both are kept and named", async () => {
  const [a, b, c] = [machine("a"), machine("b"), machine("c")];
  const other = (attempt: Attempt) =>
    noteRobustness(attempt.folder, {
      ...{ which: "last", iteration: 8, attack: "fgsm", epsilon: 0.1, n: 4, seed: 0, cleanAccuracy: 0.5, robustAccuracy: 0.25 },
      ...{ confidence95: [0, 1] as [number, number], meanLoss: 1, seconds: 0 },
    });
  // Neither sees the other's claim.
  const late = (await b.exchange.claim("run"))!;
  expect(await perform(a, "run", [])).toEqual({ kind: "done" });
  const outcome = await attemptRun(
    { runs: b.runs, exchange: { ...b.exchange, fetch: async () => {}, claim: async () => late } },
    "run",
    new AbortController().signal,
    async (attempt) => {
      await work(attempt, undefined);
      other(attempt);
      return true;
    },
  );
  expect(outcome).toMatchObject({ kind: "failed", final: true, message: expect.stringMatching(/^run: two computations of this run differ .*both are kept/) });
  await c.exchange.synchronize("run", true);
  expect(differingRuns(c.runs)).toEqual(new Map([["run", [expect.stringMatching(/differing\/run-1-[0-9a-f]{12}$/)]]]));
  expect(resultDigest(finishedFolder(c.runs, "run"))).toBe(resultDigest(finishedFolder(a.runs, "run")));
});

it("a store that is away is nobody's failure: a run that was finished meanwhile is sent when it is back", async () => {
  let away = false;
  const unreachable = (): never => {
    throw new GradalignError("EngineError", "store: away");
  };
  const flaky: ObjectStore = {
    ...store,
    put: async (name, bytes) => (away ? unreachable() : store.put(name, bytes)),
    create: async (name, bytes) => (away ? unreachable() : store.create(name, bytes)),
  };
  const place = machine("a", flaky);
  const starts: number[] = [];
  const outcome = await perform(place, "run", starts, undefined, () => {
    away = true;
  });
  expect(outcome).toMatchObject({ kind: "later", message: expect.stringContaining("away") });
  expect([await store.get("finished/run.json"), failuresOf(place.runs, "run")]).toEqual([undefined, []]);
  away = false;
  expect(await perform(place, "run", starts)).toEqual({ kind: "done" });
  expect(starts).toEqual([0]);
  expect(await store.get("finished/run.json")).toBeDefined();
});

it("lists that lead out of a run's folder, or whose files are altered, are refused", async () => {
  const [a, b] = [machine("a"), machine("b")];
  await perform(a, "run", []);
  const file = join(folder, "store", "finished/run.json");
  const list = readFileSync(file, "utf8");
  for (const name of ["../../../escape", "/etc/passwd", "a/../b", ".hidden"]) {
    writeFileSync(file, list.replace('"name":"config.json"', `"name":"${name}"`));
    await expect(b.exchange.synchronize("run", true)).rejects.toThrow(/finished\/run\.json, field files\.\d+\.name/);
  }
  writeFileSync(file, list);
  const object = (JSON.parse(list) as { files: { name: string; object: string }[] }).files.find(({ name }) => name === "metrics.jsonl")?.object ?? "";
  writeFileSync(join(folder, "store", object), "other");
  await expect(b.exchange.synchronize("run", true)).rejects.toThrow(/is altered, it is metrics\.jsonl of/);
  expect(existsSync(join(finishedFolder(b.runs, "run"), "config.json"))).toBe(false);
});
