/** @file Plans: their addresses, their files, the grids they come from, and how far they have come. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { resolveTrainConfig } from "@gradalign/robustness";
import { afterAll, describe, expect, test } from "vitest";
import { expand, isOf, type PlannedRun, sizeOf, variedSettings } from "../../src/index.ts";
import {
  attemptRun,
  cancelPlan,
  claimRun,
  createRun,
  forgiveFailures,
  formatPlan,
  noteFailure,
  noteSubmission,
  planOf,
  planStatus,
  publishRun,
  readPlan,
  readSubmission,
  runId,
  submittedPlans,
  writePlan,
} from "../../src/node.ts";

const folder = mkdtempSync(join(tmpdir(), "gradalign-plan-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(seed: number): PlannedRun {
  const config = resolveTrainConfig({ dataset: "cifar10", model: "cnn", method: "fgsm", epsilon: 8 / 255, epochs: 2, seed });
  const attacks = [{ attack: "pgd-2", epsilon: config.epsilon, examples: 8, which: "last" as const }];
  return { id: runId(config, "real", attacks), label: `seed ${seed}`, config, attacks, data: "real" };
}
const origin = { kind: "sweep", varied: ["seed"] } as const;
const plan = planOf("two", origin, [run(0), run(1), run(0)]);

describe("a plan", () => {
  test("holds equal runs once, under ids that change with settings, data and attacks", () => {
    expect(plan.runs.map(({ label }) => label)).toEqual(["seed 0", "seed 1"]);
    const { config, attacks } = run(0);
    const ids = [runId(config, "real"), runId(config, "real", attacks), runId(config, "0123", attacks), runId({ ...config, epochs: 3 }, "real", attacks)];
    expect(new Set(ids).size).toBe(4);
    expect(planOf("other name", origin, plan.runs).id).toBe(plan.id);
  });

  test("is read as it was written, and is written over by no other", () => {
    const file = join(folder, "plan.json");
    writePlan(file, plan);
    writePlan(file, plan);
    expect(readPlan(file)).toEqual(plan);
    expect(() => writePlan(file, planOf("one", origin, [run(0)]))).toThrow(/is there already, and is not this plan; plans are not changed: name another file/);
  });

  test.each([
    ["a setting", '"epochs":2', '"epochs":3', /run fgsm-eps8-seed0-\w+ is not what its id says/],
    ["its list", '"kind":"sweep"', '"kind":"sweep","x":1', undefined],
    ["its origin", '["seed"]', '["epochs"]', /its id is not that of its runs, so it was changed/],
    ["an attack", '"pgd-2"', '"rm -rf"', /must name an attack/],
    ["its form", '"format":1', '"format":2', /format/],
  ])("that was changed in %s is refused", (_, before, after, message) => {
    const file = join(folder, "changed.json");
    writeFileSync(file, formatPlan(plan).replaceAll(before, after));
    if (message) expect(() => readPlan(file)).toThrow(message);
    // What nobody reads says nothing.
    else expect(readPlan(file)).toEqual(plan);
  });
});

describe("a grid", () => {
  const values = { method: ["fgsm", "fgsm-rs"], epsilon: [8, 16], epochs: [2] };

  test("is every combination, without what is excluded, with what is included in place of the sweep's values", () => {
    const sweep = { values, exclude: [{ method: ["fgsm-rs"], epsilon: [16] }], include: [{ method: ["pgd"], steps: [2, 10] }] };
    const list = expand(sweep);
    expect(sizeOf(sweep)).toBe(8);
    expect(list.map((one) => Object.values(one).join(" "))).toEqual([
      ...["fgsm 8 2", "fgsm 16 2", "fgsm-rs 8 2"],
      ...["pgd 8 2 2", "pgd 8 2 10", "pgd 16 2 2", "pgd 16 2 10"],
    ]);
    expect(variedSettings(list)).toEqual(["method", "epsilon", "steps"]);
    expect(isOf({ method: "fgsm" }, { method: ["fgsm", "pgd"], epsilon: [8] })).toBe(false);
  });
});

test("the runs' folder says how far a plan has come: who works on what, what failed and why", async () => {
  const runs = join(folder, "runs");
  mkdirSync(runs);
  const four = planOf("four", origin, [0, 1, 2, 3].map(run));
  const [first, second, third] = four.runs as [PlannedRun, PlannedRun, PlannedRun];
  expect(planStatus(runs, four)).toMatchObject({ total: 4, waiting: 4, finished: 0, cancelled: false });
  const done = claimRun(runs, first.id)!;
  createRun(done.folder, first.config, done).sink.rewind?.([]);
  expect(planStatus(runs, four).runs[0]).toMatchObject({ state: "running", host: hostname(), pid: process.pid, attempt: 1 });
  publishRun(done);
  const failed = claimRun(runs, second.id)!;
  noteFailure(failed, "no such data", true);
  claimRun(runs, third.id);
  // A claim of a process that is gone says nothing any more.
  const claim = join(runs, "attempts", third.id, "1.json");
  writeFileSync(claim, readFileSync(claim, "utf8").replace(`"pid":${process.pid}`, '"pid":999999999'));
  expect(planStatus(runs, four)).toMatchObject({ finished: 1, failed: 1, waiting: 2, running: 0 });
  expect(planStatus(runs, four).runs[1]).toMatchObject({ state: "failed", message: "no such data" });
  forgiveFailures(runs, second.id);
  expect(planStatus(runs, four)).toMatchObject({ failed: 0 });
  cancelPlan(runs, four);
  expect(planStatus(runs, four).cancelled).toBe(true);
  noteSubmission(runs, four, { engine: "slurm", jobs: ["7"] });
  expect(planStatus(runs, four).cancelled).toBe(false);
  expect(readSubmission(runs, four)).toEqual({ engine: "slurm", jobs: ["7"] });
  // What is in a shared folder is passed to no program as it is.
  expect(() => noteSubmission(runs, four, { engine: "slurm", jobs: ["--user=root"] }) ?? readSubmission(runs, four)).toThrow(/submission.json, field jobs.0/);
  noteSubmission(runs, four, { engine: "slurm", jobs: [] });
  writeFileSync(join(runs, first.id, "finished.json"), '{"diverged":"loss was not finite"}');
  // One of four runs of two epochs each.
  expect(planStatus(runs, four)).toMatchObject({ progress: 0.25, differing: 0 });
  mkdirSync(join(runs, "differing", `${first.id}-3-0123456789ab`), { recursive: true });
  expect(planStatus(runs, four)).toMatchObject({ differing: 1, runs: [{ differing: [expect.stringMatching(/-3-0123456789ab$/)] }, {}, {}, {}] });
  const queued = planStatus(runs, four, new Map([[second.id, "failed"]]));
  expect(queued.runs.map(({ queue }) => queue)).toEqual([undefined, "failed", "missing", "missing"]);
  writeFileSync(join(runs, "plans", "damaged"), "");
  // A note that is none keeps nobody from being shown, and its run from nothing but itself.
  writeFileSync(join(runs, "attempts", third.id, "1.failed.json"), "garbage");
  expect(planStatus(runs, four)).toMatchObject({
    failed: 1,
    runs: [{}, {}, { state: "failed", message: expect.stringMatching(/1\.failed\.json is not JSON/) }, {}],
  });
  const outcome = await attemptRun({ runs }, third.id, new AbortController().signal, async () => true);
  expect(outcome).toEqual({ kind: "failed", message: expect.stringMatching(/1\.failed\.json is not JSON.*delete it/s), final: true });
  expect(submittedPlans(runs)).toEqual([four]);
  expect(planStatus(runs, four).runs[0]).toMatchObject({ state: "finished", message: "diverged: loss was not finite" });
});
