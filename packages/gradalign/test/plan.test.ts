/** @file Sweeps and plans: what files may say, and a plan from its grid to its report on this machine, killed, submitted twice, cancelled. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { PlanStatus } from "@gradalign/runs";
import { planStatus, readPlan, runId } from "@gradalign/runs/node";
import { parseHTML } from "linkedom";
import { afterAll, describe, expect, test } from "vitest";
import { mlflowServer, tensorboardPoints } from "../../runs/test/support/tracker-servers.ts";
import { parseSweep } from "../src/settings/sweep-file.ts";
import { gradalign, jsonLines } from "./support/captured.ts";
import { writeRecordFiles } from "./support/record-files.ts";

const MAIN = fileURLToPath(new URL("../dist/main.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "gradalign-sweep-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const images = join(folder, "images");
writeRecordFiles(images, 64, 32);

const SWEEP = `
dataset: ${images}
model: cnn
filters: 1
epochs: 3
batch-size: 16
eval-every: 4
eval-examples: 8
final-attack: pgd-2
final-examples: 8
method: [fgsm, fgsm-rs]
seed: [0, 1]
exclude:
  - {method: fgsm-rs, seed: 1}
`;

/** A sweep's file, and the plan that is made of it. */
async function planned(name: string, text: string) {
  const [sweep, file] = [join(folder, `${name}.yaml`), join(folder, `${name}.json`)];
  writeFileSync(sweep, text);
  const { code, stderr } = await gradalign("plan", sweep, "--out", file);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return { file, plan: readPlan(file) };
}

describe("a sweep's file", () => {
  test("is a grid of settings; aliases and merged keys are YAML's", () => {
    const { combinations, sourceOf } = parseSweep("epochs: &n [2, 3]\nseed: *n\nmethod: fgsm\ninclude:\n  - method: pgd\n    epochs: 9\n", "a.yaml");
    expect(combinations.map((one) => Object.values(one).join(" "))).toEqual(["2 2 fgsm", "2 3 fgsm", "3 2 fgsm", "3 3 fgsm", "9 2 pgd", "9 3 pgd"]);
    expect(sourceOf("seed")).toBe("a.yaml:2: seed");
  });

  test.each([
    ["an unknown name", "epochs: 2\nsead: [0, 1]", 'a.yaml:2: unknown setting "sead"; did you mean "seed"?'],
    ["a forbidden value", "seed: 0\n\nepochs: [2, 0]", "a.yaml:3: epochs (=0) must be an integer of at least 1; write e.g. 30"],
    ["a list in a list", "epochs: [[2]]", "a.yaml:1: epochs must be a single value, got a list"],
    ["no values", "epochs: []", "a.yaml:1: epochs must have a value, got an empty list"],
    ["a value twice", "method: fgsm\nseed: [0, 1, 0]", "a.yaml:2: seed has 0 twice; write each value once"],
    ["an exclusion that fits nothing", "seed: [0, 1]\nexclude:\n  - seed: 2", "a.yaml:3: exclude fits none of the 2 combinations"],
    ["an exclusion of everything", "seed: 0\nexclude:\n  - seed: 0", "a.yaml: every combination is excluded"],
    ["a list that is none", "include: 3", 'a.yaml:1: include must be a list of settings; write e.g. "- method: fgsm" below it'],
    ["an entry that is none", "include: [3]", 'a.yaml:1: include must hold settings as "name: value" lines'],
    ["no settings", "- 3", 'a.yaml must hold settings as "name: value" lines'],
    ["no YAML", "a: [", "a.yaml: not valid YAML: "],
    ["an alias of nothing", "seed: *x", "a.yaml: not valid YAML: "],
    [
      "too many",
      Array.from({ length: 6 }, (_, i) => `${["seed", "epochs", "batch-size", "eval-every", "eval-examples", "filters"][i]}: [1,2,3,4,5,6,7,8]`).join("\n"),
      "at most 100000",
    ],
  ])("with %s is refused, with file, line and key", (_, text, message) => {
    expect(() => parseSweep(text, "a.yaml")).toThrow(message);
  });

  test.each([
    ["method: [fgsm, fgsm-gradalign]\nlambda: 0.2", /:2: lambda \(=0\.2\) is not an option of fgsm, which .* \(of the run fgsm; "exclude:" leaves runs out/],
    ["threads: [1, 2]", /:1: threads is a setting of the machine that computes, not of a run/],
    ["dataset: /nowhere", /nothing is there/],
  ])("whose runs cannot be is refused before anything begins: %s", async (text, message) => {
    const sweep = join(folder, "wrong.yaml");
    writeFileSync(sweep, text);
    const { code, stderr } = await gradalign("plan", sweep, "--out", join(folder, "wrong.json"));
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(message) });
    expect(existsSync(join(folder, "wrong.json"))).toBe(false);
  });

  test("gives the same plan whenever it is read, and another one once its images are others", async () => {
    const own = join(folder, "changing");
    writeRecordFiles(own, 32, 16);
    const text = SWEEP.replace(images, own);
    const first = (await planned("first", text)).plan;
    expect(first.runs.map(({ label }) => label)).toEqual(["fgsm, seed 0", "fgsm, seed 1", "fgsm-rs, seed 0"]);
    expect((await planned("second", text)).plan.id).toBe(first.id);
    writeRecordFiles(own, 48, 16);
    expect((await planned("third", text)).plan.id).not.toBe(first.id);
  });
});

test("experiments on images that are always made up are planned as such", async () => {
  const file = join(folder, "imagenet.json");
  expect(await gradalign("plan", "--reproduce", "imagenet", "--scale", "smoke", "--out", file)).toMatchObject({ code: 0 });
  expect(readPlan(file).runs.map(({ id, config, data }) => [id === runId(config, "made-up"), data])).toEqual(readPlan(file).runs.map(() => [true, "made-up"]));
});

test("experiments are planned with the ids under which reproduce finds them", async () => {
  const file = join(folder, "fig1.json");
  const { code } = await gradalign("plan", "--reproduce", "table1,corners", "--scale", "paper", "--out", file);
  const { runs, origin } = readPlan(file);
  expect([code, origin]).toEqual([0, { kind: "experiments", experiments: ["table1", "corners"], scale: "paper" }]);
  expect(runs.every(({ id }) => /^[a-z-]+-eps8-seed\d-[0-9a-f]{12}$/.test(id))).toBe(true);
  const early = await gradalign("report", file, "--runs", join(folder, "none"));
  expect(early).toMatchObject({
    code: 2,
    stderr: expect.stringContaining(`table1 needs all runs of its plan, and ${runs.length} of ${runs.length} are not finished`),
  });
  // What is missing is named.
  expect(early.stderr.split("\n")).toContain(`${runs[0]!.label}: waiting`);
});

/** The command in a process of its own; `onEvent` may stop it. */
function submitted(
  file: string,
  runs: string,
  onEvent: (event: { type: string; run?: string; kind?: string }, child: ChildProcess) => void = () => {},
  track = "tensorboard",
) {
  const child = spawn(process.execPath, [MAIN, "submit", file, "--runs", runs, "--jobs", "1", "--track", track, "--json"]);
  const events: ({ type: string; run?: string; kind?: string; iteration?: number } & Partial<PlanStatus>)[] = [];
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  createInterface({ input: child.stdout }).on("line", (line) => {
    events.push(JSON.parse(line));
    onEvent(events.at(-1)!, child);
  });
  return new Promise<{ code: number | null; events: typeof events; stderr: string }>((done) => child.on("close", (code) => done({ code, events, stderr })));
}

test("a plan that is killed goes on where it was, two submissions share the work, and the report has every seed", { timeout: 120_000 }, async () => {
  const { file, plan } = await planned("grid", SWEEP);
  const runs = join(folder, "runs");
  const mlflow = await mlflowServer();
  const track = `tensorboard,mlflow=${mlflow.url}`;
  // With the process that trains, which would write a checkpoint.
  const kill = ({ type, kind }: { type: string; kind?: string }, child: ChildProcess): void => {
    if (type !== "checkpoint" || kind !== "last") return;
    spawnSync("pkill", ["-KILL", "-P", String(child.pid)]);
    child.kill("SIGKILL");
  };
  const killed = await submitted(file, runs, kill, track);
  expect(killed.code).toBeNull();
  const both = await Promise.all([submitted(file, runs, undefined, track), submitted(file, runs, undefined, track)]);
  mlflow.close();
  expect(both.map(({ code }) => code)).toEqual([0, 0]);
  for (const { events } of both) expect(events.at(-1)).toMatchObject({ type: "plan", finished: 3, total: 3, failed: 0 });
  // No run was done by both.
  const ends = both.flatMap(({ events }) => events.filter(({ type }) => type === "end").map(({ run }) => run));
  expect(new Set(ends).size).toBe(ends.length);
  // What the first had begun went on from its checkpoint.
  const starts = both.flatMap(({ events }) => events.filter(({ type }) => type === "start"));
  expect(Math.max(...starts.map(({ iteration = 0 }) => iteration))).toBeGreaterThan(0);

  // Every process that trains a run writes an event file; those of attempts that were gone on with came along. Trackers have all numbers once.
  const files = plan.runs.map(({ id }) => readdirSync(join(runs, id, "tensorboard")).length);
  expect([Math.min(...files) >= 1, Math.max(...files) >= 2]).toEqual([true, true]);
  expect(mlflow.state.runs.map(({ name, status }) => `${name} ${status}`).sort()).toEqual(plan.runs.map(({ label }) => `${label} FINISHED`).sort());
  for (const { id, label } of plan.runs) {
    const points = tensorboardPoints(join(runs, id, "tensorboard"));
    expect(points.filter((point) => /^test_pgd_acc /.test(point))).toHaveLength(
      readFileSync(join(runs, id, "metrics.jsonl"), "utf8")
        .trim()
        .split("\n").length,
    );
    expect(mlflow.points(mlflow.state.runs.find(({ name }) => name === label)!)).toEqual(points);
  }

  const page = join(folder, "report.html");
  const { code } = await gradalign("report", file, "--runs", runs, "--out", page);
  const { document } = parseHTML(readFileSync(page, "utf8"));
  const cells = [...document.querySelectorAll("table")[0]!.querySelectorAll("tbody tr")].map((row) => [...row.children].map(({ textContent }) => textContent));
  expect(code).toBe(0);
  expect(cells.map(([method, seeds]) => [method, seeds])).toEqual([
    ["fgsm", "2 of 2"],
    ["fgsm-rs", "1 of 1"],
  ]);
  expect(cells[0]![2]).toMatch(/^\d+\.\d ± \d+\.\d %$/);
  expect(cells[1]![2]).toMatch(/^\d+\.\d %$/);
  expect(document.querySelectorAll("svg[role=img]").length).toBeGreaterThan(3);

  // Another result of one of them is an alarm.
  const { id } = plan.runs[1]!;
  mkdirSync(join(runs, "differing"));
  cpSync(join(runs, id), join(runs, "differing", `${id}-2-0123456789ab`), { recursive: true });
  const alarm = await gradalign("status", file, "--runs", runs);
  expect(alarm).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(
      /^grid\.yaml: 3 of 3 finished, 1 COMPUTED TWICE WITH OTHER RESULTS\nfgsm, seed 1 +finished +it differs from \S+-2-0123456789ab$/m,
    ),
  });
  await gradalign("report", file, "--runs", runs, "--out", page);
  expect(parseHTML(readFileSync(page, "utf8")).document.body.textContent).toMatch(/Computed twice, with other results.*fgsm, seed 1.*-2-0123456789ab/s);
});

test("what cannot be done is named, retried when asked for, and does not keep the others; a cancelled plan is left", { timeout: 120_000 }, async () => {
  const [own, runs] = [join(folder, "own"), join(folder, "failing")];
  writeRecordFiles(own, 64, 32);
  const { file, plan } = await planned(
    "failing",
    SWEEP.replace(images, own).replace("[0, 1]", "[0, 1]\ninclude: [{dataset: " + images + ", method: fgsm, seed: 7}]"),
  );
  // Other images than the plan was made with.
  rmSync(own, { recursive: true });
  writeRecordFiles(own, 80, 32);
  const { code, events, stderr } = await submitted(file, runs);
  expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining("holds other images than the plan was made with") });
  expect(events.at(-1)).toMatchObject({ finished: 1, failed: 3 });
  const status = await gradalign("status", file, "--runs", runs);
  expect(status.stdout).toMatch(/^failing\.yaml: 1 of 4 finished, 3 failed\n/);
  expect(status.stdout).toMatch(/fgsm, seed 1 +failed .*other images/);
  const [state] = jsonLines((await gradalign("status", file, "--runs", runs, "--json")).stdout) as [Record<string, unknown>];
  expect(state).toEqual(JSON.parse(JSON.stringify(planStatus(runs, plan))));
  const page = readFileSync(new URL("../../../docs/sweeps.md", import.meta.url), "utf8");
  const documented = [...page.slice(page.indexOf("### As JSON")).matchAll(/`(\w+)`/g)].map(([, name]) => name);
  for (const part of [state, ...(state["runs"] as object[])]) expect(documented).toEqual(expect.arrayContaining(Object.keys(part)));
  const report = join(folder, "failing.html");
  await gradalign("report", file, "--runs", runs, "--out", report);
  const text = parseHTML(readFileSync(report, "utf8")).document.body.textContent;
  expect(text).toContain("1 of 4 runs finished, 3 failed");
  expect(text).toMatch(/fgsm-rs, seed 0\s*failed.*holds other images/);

  rmSync(own, { recursive: true });
  writeRecordFiles(own, 64, 32);
  const retried = await gradalign("retry", file, "--runs", runs, "--jobs", "1", "--json");
  expect(jsonLines(retried.stdout).at(-1)).toMatchObject({ finished: 4, failed: 0 });

  const long = await planned("long", SWEEP.replace("epochs: 3", "epochs: 5000"));
  let asked = false;
  const left = await submitted(long.file, runs, ({ type }) => {
    if (type !== "checkpoint" || asked) return;
    asked = true;
    void gradalign("cancel", long.file, "--runs", runs);
  });
  expect(left).toMatchObject({ code: 0, stderr: expect.stringContaining("the plan was cancelled") });
  expect(planStatus(runs, long.plan)).toMatchObject({ cancelled: true, finished: 0, failed: 0, running: 0 });
});

test.each([
  [["--track", "mlflow=nowhere"], /--track mlflow=<url> must be the server's address/],
  [["--track", "tensorbord"], /did you mean tensorboard/],
  [
    ["--engine", "bullmq", "--queue", "redis://queue.example", "--track", "tensorboard"],
    /--track .* must be left out with --engine bullmq; give it to gradalign work/,
  ],
  [["--engine", "bullmq", "--queue", "queue"], /--queue must be an address like redis:/],
])("a submission with %j is refused before anything is written", async (flags, message) => {
  const { file } = await planned("refused", SWEEP);
  const runs = join(folder, "refused");
  expect(await gradalign("submit", file, "--runs", runs, ...flags)).toMatchObject({ code: 2, stderr: expect.stringMatching(message) });
  expect(existsSync(runs)).toBe(false);
});

test("sweep lists its runs without beginning any", async () => {
  const sweep = join(folder, "list.yaml");
  writeFileSync(sweep, SWEEP);
  mkdirSync(join(folder, "listed"));
  const { code, stdout } = await gradalign("sweep", sweep, "--list", "--runs", join(folder, "listed"));
  expect(code).toBe(0);
  expect(stdout).toMatch(/^fgsm, seed 0 +\d[\d,]* +\? +no +fgsm-eps\S+$/m);
  expect(stdout).toContain("3 of 3 runs left; --list --measure times them");
});
