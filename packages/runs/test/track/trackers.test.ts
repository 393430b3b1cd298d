/** @file Trackers: TensorBoard's bytes, and MLflow on a server of the test's own that fails, is away, and is found again. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { resolveTrainConfig } from "@gradalign/robustness";
import { afterAll, describe, expect, test } from "vitest";
import { noteRobustness } from "../../src/folder/node-notes.ts";
import type { RunEvent, RunView } from "../../src/index.ts";
import { readTrackers, trackedView } from "../../src/node.ts";
import { crc32c } from "../../src/track/event-file.ts";
import { mlflow } from "../../src/track/node-mlflow.ts";
import { tensorboard } from "../../src/track/node-tensorboard.ts";
import { madeUpEvaluations, writeRun } from "../support/run-folder.ts";
import { mlflowServer, tensorboardPoints } from "../support/tracker-servers.ts";

const folder = mkdtempSync(join(tmpdir(), "gradalign-trackers-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const run = { folder, label: "a run", config: resolveTrainConfig({ dataset: "cifar10", model: "cnn", method: "fgsm" }) };

/** Of tools/oracle/event_file.py: a version, a start at step 301, and test_pgd_acc = 0.375 at step 300, all at 1234.5 s. */
const BYTES =
  "1800000000000000a37f4b220900000000004a93401a0d627261696e2e4576656e743a3265b8d3fb100000000000000095fbfe180900000000004a934010ad02" +
  "3a020801c02893a52300000000000000b09f77430900000000004a934010ac022a150a130a0c746573745f7067645f616363150000c03e4f43daac";

test("TensorBoard's file has the bytes of its definition", () => {
  expect(crc32c(new TextEncoder().encode("123456789"))).toBe(0xe3069283);
  const at = join(folder, "tensorboard");
  const tracker = tensorboard({ run, target: undefined, note: expect.unreachable }, () => 1234.5);
  tracker.start(300, []);
  tracker.send([{ name: "test_pgd_acc", value: 0.375, step: 300 }]);
  const [file] = readdirSync(at);
  expect(file).toMatch(/^events\.out\.tfevents\.1234\./);
  expect(readFileSync(join(at, file as string)).toString("hex")).toBe(BYTES);
});

test("of several runs with one place for TensorBoard's files, each has a folder of its own", () => {
  const place = join(folder, "shared");
  for (const id of ["a", "b"]) tensorboard({ run: { ...run, id }, target: place, note: expect.unreachable }).start(0, []);
  expect(readdirSync(place).sort()).toEqual(["a", "b"]);
});

const at = (step: number) => [{ name: "loss", value: step / 10, step }];
const quick = { first: 1, last: 2, end: 2000 };

describe("MLflow", () => {
  test("gets every number once, whatever the server answers and however often the run goes on", async () => {
    const { state, url, close } = await mlflowServer();
    const notes: string[] = [];
    const open = () => mlflow({ run, target: url, note: (text) => notes.push(text) }, { MLFLOW_TRACKING_TOKEN: "s3cret" }, quick);
    state.trouble = [503, 429, 500];
    const first = open();
    first.start(0, []);
    for (const step of [0, 10, 20]) first.send(at(step));
    await first.close("interrupted");
    expect([state.runs.map(({ status }) => status), notes.length]).toEqual([["KILLED"], 1]);
    expect(notes[0]).toMatch(/^mlflow: the server answers 503.*; the run goes on, and it is tried again$/);
    // As if it had been killed before it sent them.
    state.runs[0]?.params.clear();
    const second = open();
    second.start(20, [0, 10, 20].flatMap(at));
    second.send(at(30));
    await second.close("finished");
    expect(state.runs.map(({ status, metrics }) => [status, metrics.map(({ step }) => step)])).toEqual([["FINISHED", [0, 10, 20, 30]]]);
    expect(state.runs[0]?.params.get("method")).toBe("fgsm");
    expect([...state.authorization]).toEqual(["Bearer s3cret"]);
    expect(readFileSync(join(folder, "mlflow.json"), "utf8")).not.toContain("s3cret");
    close();
  });

  test("that is away is told of once and holds nothing up; what is told shows no secret", async () => {
    const notes: string[] = [];
    const { url, close } = await mlflowServer();
    close();
    for (const environment of [{}, { MLFLOW_TRACKING_TOKEN: "s3\ncret" }]) {
      const tracker = mlflow({ run, target: url, note: (text) => notes.push(text) }, environment, { ...quick, end: 50 });
      tracker.start(0, []);
      tracker.send(at(1));
      await tracker.close("finished");
    }
    const lost = "mlflow: 1 numbers did not arrive; they are in the run's folder";
    expect(notes).toEqual([expect.stringMatching(/ECONNREFUSED.*tried again$/), lost, expect.stringMatching(/^mlflow: (?!.*cret).*tried again$/s), lost]);
  });
});

test("what a run tells trackers, also again after it was killed, they have once", async () => {
  const own = join(folder, "killed");
  const all = madeUpEvaluations(null).slice(0, 6);
  const { config, sink } = writeRun(own, { evaluations: 4 });
  const { state, points, url, close } = await mlflowServer();
  const noted = new Set<RunEvent>();
  /** A process from the iteration that it begins at; it is killed when it has told all this. */
  const told = async (iteration: number, events: readonly RunEvent[]) => {
    const choices = [
      { name: "tensorboard", target: undefined },
      { name: "mlflow", target: url },
    ];
    const { view } = trackedView<RunView>({ event() {}, note: expect.unreachable }, choices, { folder: own, label: "a run", config });
    view.event("", { type: "start", iterations: 1000, iteration, parameters: 0, compileMs: 0 });
    for (const event of events) {
      // The folder knows before anybody is told.
      if (event.type === "robustness" && !noted.has(event)) noteRobustness(own, event.record);
      noted.add(event);
      view.event("", event);
    }
    const names = tensorboardPoints(join(own, "tensorboard"));
    await expect.poll(() => (state.runs[0] ? points(state.runs[0]) : []), { interval: 5 }).toEqual(names);
    return names;
  };
  const evaluated = (first: number, end: number) => all.slice(first, end).map((evaluation): RunEvent => ({ type: "evaluation", evaluation }));
  const attacked = (epsilon: number): RunEvent => {
    const numbers = { cleanAccuracy: 0.5, robustAccuracy: epsilon, meanLoss: 1, epsilon, seed: 0, n: 4, iteration: 800, seconds: 0 };
    return { type: "robustness", record: { which: "best", attack: "pgd-2", confidence95: [0, 1], ...numbers } };
  };
  const [wide, narrow, last] = [config.epsilon, 2 / 255, 3 / 255].map(attacked) as [RunEvent, RunEvent, RunEvent];

  // Its last evaluation came after its last checkpoint.
  await told(0, evaluated(0, 5));
  sink.rewind?.(all.slice(0, 4));
  await told(600, [...evaluated(4, 6), wide, narrow]);
  sink.rewind?.(all);
  const shown = await told(1000, [wide, narrow, last]);
  const steps = (name: string) => shown.flatMap((point) => (point.startsWith(`${name} `) ? [Number(point.split(" ")[1])] : []));
  expect(steps("test_pgd_acc").sort((a, b) => a - b)).toEqual([0, 200, 400, 600, 800, 1000]);
  expect(shown.filter((point) => point.startsWith("final")).map((point) => point.split(" ")[0])).toEqual([
    ...["final/best/clean/n4", "final/best/pgd-2/eps2/n4", "final/best/pgd-2/eps3/n4", "final/best/pgd-2/n4"],
  ]);
  expect(new Set(shown).size).toBe(shown.length);
  close();
});

test.each([
  ["tensorbord", "must be tensorboard or mlflow; did you mean tensorboard?"],
  ["wandb", "must be tensorboard or mlflow; name one of them"],
  ["tensorboard,mlflow=nowhere", "--track mlflow=<url> must be the server's address"],
])("--track %s is refused", (text, message) => {
  expect(() => readTrackers(text)).toThrow(message);
});

test.each(["nowhere", "ftp://a", "http://u:secret@a"])("an address like %s is refused, without showing a password", (target) => {
  expect(() => mlflow({ run, target, note() {} }, {})).toThrow(/^--track mlflow=<url> must (?!.*secret)/);
});
