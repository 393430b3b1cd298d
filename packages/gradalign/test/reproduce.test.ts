/** @file The paper's experiments: every one from grid to page at smoke scale; addresses, schedules, stand-ins for data. */
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Experiment, experiments, madeUpImages } from "@gradalign/experiments";
import { resolveTrainConfig } from "@gradalign/robustness";
import { csv } from "@gradalign/runs";
import { readTrackers, runId, submittedPlans, type TrackerChoice } from "@gradalign/runs/node";
import { DataError } from "@gradalign/tensor";
import { parseHTML } from "linkedom";
import { afterAll, describe, expect, test } from "vitest";
import { tensorboardPoints } from "../../runs/test/support/tracker-servers.ts";
import { bestSchedule, type Costs, estimate, openCostBook, stepsOf } from "../src/reproduce/costs.ts";
import { openShelf } from "../src/reproduce/datasets.ts";
import { gridOf, type ScaledExperiment } from "../src/reproduce/grid.ts";
import { createGridView } from "../src/reproduce/grid-view.ts";
import { busyRemark } from "../src/reproduce/measure-costs.ts";
import { reproduce } from "../src/reproduce/reproduce.ts";
import { gradalign, jsonLines } from "./support/captured.ts";
import { writeRecordFiles } from "./support/record-files.ts";

const folder = mkdtempSync(join(tmpdir(), "gradalign-reproduce-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** CIFAR-10 can be had, and is small; other sets cannot. */
async function loader(name: string) {
  if (name !== "cifar10") throw new DataError(`${name}: no source can be reached`);
  return { dataset: madeUpImages(name, 256, 64), fingerprint: "made-up", classesFrom: "definition" };
}

async function run(
  names: readonly string[],
  out: string,
  given: {
    readonly chosen?: readonly ScaledExperiment[];
    readonly jobs?: number | undefined;
    readonly soFar?: boolean;
    readonly track?: readonly TrackerChoice[];
  } = {},
) {
  const written = { stdout: "", stderr: "" };
  const stream = (name: keyof typeof written) => ({
    write(text: string) {
      written[name] += text;
    },
  });
  const context = { streams: { stdout: stream("stdout"), stderr: stream("stderr") }, argv: [], exitCode: 0 };
  const chosen = given.chosen ?? names.map((name) => ({ experiment: experiments.find(({ id }) => id === name)!, scale: "smoke" as const }));
  const pages = await reproduce(
    chosen,
    { out, json: true, jobs: given.jobs, threads: 1, soFar: given.soFar ?? false, track: given.track ?? [] },
    context,
    given.chosen ? undefined : loader,
  );
  return { pages, events: jsonLines(written.stdout), stderr: written.stderr };
}

describe("at smoke scale", () => {
  const out = join(folder, "all");
  const names = experiments.map(({ id }) => id);

  test("every experiment runs from its grid to its page", { timeout: 300_000 }, async () => {
    const { pages, events, stderr } = await run(names, out);
    expect(pages).toHaveLength(names.length);
    expect(events.filter((event) => event.type === "experiment").map((event) => event.experiment)).toEqual(names);
    const others = new Set(experiments.flatMap((experiment) => experiment.trainings("smoke").map(({ config }) => config.dataset)));
    for (const name of others)
      if (name !== "cifar10" && !name?.startsWith("made-up")) expect(stderr).toMatch(new RegExp(`${name} cannot be had .*made-up images stand in for it`));
    // The studio shows all of them as one grid.
    const [plan] = submittedPlans(out);
    expect(plan).toMatchObject({ name: names.join(", "), origin: { kind: "experiments", experiments: names } });
    expect(plan?.runs.filter(({ id }) => !existsSync(join(out, "trainings", id, "finished.json")))).toEqual([]);
  });

  test.each(names)("%s has a self-contained page and its data", (name) => {
    const at = join(out, `${name}-smoke`);
    const page = readFileSync(join(at, "report.html"), "utf8");
    const { document } = parseHTML(page);
    expect(document.querySelectorAll("script[src], img, iframe, object, embed, link[rel=stylesheet]")).toHaveLength(0);
    expect(page).not.toMatch(/@import|(?:src|href)="(?!data:)|url\((?!#)/);
    expect(page).not.toMatch(/NaN|Infinity|undefined|\[object/);
    for (const figure of document.querySelectorAll("svg[role=img]")) {
      expect(figure.getAttribute("aria-label")).toBeTruthy();
      expect(figure.getAttribute("aria-description")).toBeTruthy();
      const file = readFileSync(join(at, "figures", `${figure.closest(".card")?.id}.svg`), "utf8");
      expect(file).toMatch(/^<svg[^>]*xmlns=/);
      expect(file).not.toContain("var(--");
    }
    expect(document.body.textContent).toContain(`gradalign reproduce ${name} --scale smoke`);
    const data = JSON.parse(readFileSync(join(at, "data.json"), "utf8"));
    expect(data).toMatchObject({ experiment: name, scale: "smoke" });
    const { measurements } = data.findings as { measurements: Record<string, unknown>[] };
    expect(measurements.length).toBeGreaterThan(0);
    const trained = data.trainings.length > 0;
    for (const row of measurements) {
      expect(row).toHaveProperty("seed");
      if (row["quantity"] === "accuracy") for (const key of ["n", "attack", "epsilon", "batch_norm", "training", "model"]) expect(row).toHaveProperty(key);
    }
    if (trained) expect(new Set(data.trainings.map(({ id }: { id: string }) => id)).size).toBe(data.trainings.length);
    expect(readFileSync(join(at, "data.csv"), "utf8").trimEnd().split("\n")).toHaveLength(measurements.length + 1);
  });

  test("so far: the page of what is finished, which says what is missing; an experiment that needs all of its trainings is refused", async () => {
    const methods = experiments.find(({ id }) => id === "methods")!;
    const [own] = gridOf([{ experiment: methods, scale: "smoke" }], out, () => "real");
    const away = `${own!.folder}-away`;
    renameSync(own!.folder, away);
    try {
      const { pages, events } = await run(["methods"], out, { soFar: true });
      expect(events.map((event) => event.type)).toEqual(["experiment"]);
      const page = readFileSync(pages![0]!, "utf8");
      expect(page).toContain("1 of 3 trainings are not done yet, and missing in all numbers here. ε = 8/255, seed 0: fgsm.");
      expect(parseHTML(page).document.querySelectorAll("table[data-sortable] tbody tr")).toHaveLength(methods.trainings("smoke").length - 1);
      expect(page).not.toMatch(/NaN|Infinity|undefined|\[object/);
    } finally {
      renameSync(away, own!.folder);
    }
    await expect(run(["fig4"], join(folder, "nothing"), { soFar: true })).rejects.toThrow(
      "fig4 needs all of its trainings, and 3 are not finished; leave out --so-far",
    );
  });

  test("what is done is not done again", async () => {
    const { pages, events } = await run(["fig4", "table1"], out);
    expect(pages).toHaveLength(2);
    expect(events.map((event) => event.type)).toEqual(["experiment", "experiment"]);
  });
});

describe("a training that diverges", () => {
  const out = join(folder, "diverged");
  // Processes of their own load it too.
  const images = join(folder, "images");
  writeRecordFiles(images, 64, 32);
  const attacks = (["last", "best"] as const).map((which) => ({ attack: "fgsm", epsilon: 8 / 255, examples: 32, which }));
  const small = {
    dataset: { name: images, crop: 0, flip: false },
    model: "cnn",
    epsilon: 8 / 255,
    epochs: 2,
    trainSize: 64,
    batchSize: 16,
    evalEvery: 2,
    evalExamples: 16,
  } as const;
  const trainings = [
    {
      label: "too fast",
      config: resolveTrainConfig({ ...small, epochs: 6, method: "fgsm-rs", optimizer: { name: "sgd", weightDecay: 1 }, schedule: { peak: 1000 } }),
      attacks,
    },
    { label: "sound", config: resolveTrainConfig({ ...small, method: "fgsm" }), attacks },
  ];
  const experiment: Experiment = {
    id: "two",
    title: "Two trainings",
    paper: "nowhere",
    summary: "One diverges.",
    defaultScale: "smoke",
    changes: { paper: [], laptop: [], smoke: [] },
    trainings: () => trainings,
    async measure(lab) {
      const rows = trainings.map((training) => {
        const finished = lab.finished(training);
        const [last, best] = attacks.map((attack) => finished.attacked(attack));
        return { diverged: finished.diverged, clean: last!.cleanAccuracy, robust: last!.robustAccuracy, n: last!.n, best: best!.cleanAccuracy };
      });
      return { measurements: rows };
    },
    page: () => ({ claims: [], comparisons: [], sections: [] }),
  };

  test.each([undefined, 2])("ends alone and is named; the grid goes on (jobs: %s)", { timeout: 120_000 }, async (jobs) => {
    const at = `${out}-${jobs}`;
    const { pages, events, stderr } = await run([], at, { chosen: [{ experiment, scale: "smoke" }], jobs, track: readTrackers("tensorboard") });
    expect(pages).toHaveLength(1);
    expect(stderr).toMatch(/too fast diverged, and counts as having no right answers: train: .* was not finite at iteration \d+/);
    const data = JSON.parse(readFileSync(join(at, "two-smoke", "data.json"), "utf8"));
    const [fast, sound] = data.findings.measurements;
    expect(fast).toMatchObject({ clean: 0, robust: 0, n: 32 });
    expect(fast.diverged).toContain("was not finite");
    // Early stopping kept a model from before, which was attacked.
    expect(fast.best).toBeGreaterThan(0);
    expect(sound.diverged).toBeNull();
    expect(sound.clean).toBeGreaterThan(0);
    expect(readFileSync(pages![0]!, "utf8")).toContain("Diverged: too fast.");
    const attacked = events.flatMap(({ type, record }) => (type === "robustness" ? [(record as { which: string }).which] : []));
    expect(attacked.sort()).toEqual(["best", "best", "last"]);
    // What --track asks for, wherever it is trained.
    for (const { id } of data.trainings)
      expect(tensorboardPoints(join(at, "trainings", id, "tensorboard")).some((point) => /^final\/best\/fgsm\//.test(point))).toBe(true);
    // It is done, and not begun again.
    expect((await run([], at, { chosen: [{ experiment, scale: "smoke" }], jobs })).events.map((event) => event.type)).toEqual(["experiment"]);
  });
});

describe("an experiment's declaration", () => {
  test.each(experiments.map((experiment) => [experiment.id, experiment] as const))("of %s is complete at each scale", (id, experiment) => {
    expect(id).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
    for (const scale of ["paper", "laptop", "smoke"] as const) {
      const trainings = experiment.trainings(scale);
      const ids = trainings.map(({ config }) => runId(config, "real"));
      expect(new Set(ids).size).toBe(ids.length);
      // A smaller scale says what it changed.
      if (trainings.length > 0 && scale !== "paper") expect(experiment.changes[scale].join(" ").length).toBeGreaterThan(20);
    }
  });

  test("ids are distinct", () => {
    expect(new Set(experiments.map(({ id }) => id)).size).toBe(experiments.length);
  });
});

describe("content addresses", () => {
  const config = resolveTrainConfig({ dataset: "cifar10", method: "fgsm", epsilon: 8 / 255 });

  test("are equal for equal settings alone", () => {
    expect(runId(config, "real")).toBe(runId(JSON.parse(JSON.stringify(config)), "real"));
    expect(runId(config, "real")).toMatch(/^fgsm-eps8-seed0-[0-9a-f]{12}$/);
    const others = [
      { ...config, seed: 1 },
      { ...config, evalEvery: 7 },
      { ...config, method: { ...config.method, stepSize: 1 } },
    ];
    expect(new Set([config, ...others].map((other) => runId(other, "real"))).size).toBe(4);
    expect(runId(config, "made-up")).not.toBe(runId(config, "real"));
  });

  test("share a training between experiments, with the attacks of both", () => {
    const chosen = ["table1", "corners"].map((name) => ({ experiment: experiments.find(({ id }) => id === name)!, scale: "paper" as const }));
    const grid = gridOf(chosen, "out", () => "real");
    const apart = chosen.map((one) => gridOf([one], "out", () => "real").length);
    expect(grid.length).toBe(apart[0]! + apart[1]! - 5);
    const shared = grid.find(({ config: c }) => c.method.name === "fgsm" && c.seed === 0 && c.method.stepSize === 1.25);
    expect(shared?.attacks.map(({ which }) => which)).toEqual(["best", "last"]);
  });
});

describe("costs", () => {
  const config = resolveTrainConfig({ dataset: "cifar10", model: "cnn", method: "fgsm", epochs: 2, evalEvery: 390, evalExamples: 100 });
  const training = { label: "t", config, attacks: [{ attack: "pgd-50-10", epsilon: 0.1, examples: 1000, which: "last" as const }] };
  const cost = (step: number) => ({ step, gradient: 1e-3, compile: 1 });

  test("add up steps, evaluations and attacks", () => {
    expect(stepsOf(config)).toBe(780);
    expect(stepsOf({ ...config, validationSize: 10_000 })).toBe(624);
    expect(stepsOf(resolveTrainConfig({ dataset: "svhn", model: "cnn", method: "fgsm", epochs: 1 }))).toBe(572);
    // Compiling, 780 steps, evaluations at 0, 390 and 780 with 25 gradients for each of 100 images; 500 steps and a score for 1000.
    expect(estimate(training, cost(0.1))).toEqual({ train: 1 + 78 + 3 * 2.5, attack: 501 });
  });

  test("decide between one training with all threads and several with one each", () => {
    const book = (alone: number, together: number) => ({ get: (): Costs => ({ alone: cost(alone), "side by side": cost(together) }) });
    const two = [training, { ...training, config: { ...config, seed: 1 } }];
    expect(bestSchedule(two, book(0.1, 0.11), 2).mode).toBe("side by side");
    expect(bestSchedule(two, book(10, 11)).mode === "side by side").toBe(bestSchedule(two, book(10, 11)).jobs > 1);
    expect(bestSchedule(two, book(10, 21))).toMatchObject({ mode: "alone", jobs: 1 });
    expect(bestSchedule([training], book(10, 1))).toMatchObject({ mode: "alone", jobs: 1 });
    expect(bestSchedule(two, { get: () => undefined }).mode).toBe("alone");
  });
});

describe("a data set that cannot be had", () => {
  const output = { write: () => true };
  const { signal } = new AbortController();

  test("is made up at smoke scale, and said to be", async () => {
    const shelf = await openShelf([{ name: "svhn", scale: "smoke" }], output, signal, loader);
    expect(shelf.kindOf("svhn")).toBe("made-up");
    expect((await shelf.load({ dataset: "svhn" }, "made-up")).dataset).toMatchObject({ name: "svhn", flip: false, crop: 4 });
  });

  test("of phases there are several, each with images of its size, and one fingerprint", async () => {
    const phases = "0:image-size=8;2:image-size=12;4";
    const shelf = await openShelf([], output, signal, async (name) => ({ ...(await loader("cifar10")), dataset: madeUpImages(name, 8, 4), fingerprint: name }));
    const { dataset, phases: each, fingerprint } = await shelf.load({ dataset: "photos:size=16,train=flip", phases }, "real");
    expect(dataset).toMatchObject({ name: "photos:size=16,train=flip", shape: [3, 16, 16] });
    expect(each?.map(({ shape }) => shape[1])).toEqual([8, 12, 16]);
    const other = await shelf.load({ dataset: "photos:size=16,train=flip", phases: "0:image-size=8;4" }, "real");
    expect(fingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect(other.fingerprint).not.toBe(fingerprint);
  });

  test("is an error at any other", async () => {
    await expect(openShelf([{ name: "svhn", scale: "laptop" }], output, signal, loader)).rejects.toThrow("no source can be reached");
  });
});

test("CSV quotes what needs it and has the union of all columns", () => {
  expect(
    csv([
      { a: 1, b: 'say "x", y' },
      { b: null, c: true },
    ]),
  ).toBe('a,b,c\n1,"say ""x"", y",\n,,true\n');
});

test("the view of a grid tells the fraction done and the time to go", () => {
  let text = "";
  const stream = {
    write(part: string) {
      text += part;
    },
  };
  const item = (id: string, finished: boolean) => ({ id, label: id, estimate: { train: 30, attack: 10 }, attacks: 1, finished });
  const view = createGridView([item("a", true), item("b", false), item("c", false)], { stdout: stream, stderr: stream }, true);
  view.event("b", { type: "start", iterations: 10, iteration: 0, parameters: 1, compileMs: 0 });
  view.event("b", { type: "evaluation", evaluation: { iteration: 5, epoch: 1 } as never });
  const last = () => jsonLines(text).at(-1);
  // Half of a training that takes three quarters of one of two trainings.
  expect(last()).toMatchObject({ type: "grid", done: 1, total: 3, fraction: 15 / 80 });
  expect(last()?.etaSeconds).toBeGreaterThan(0);
  view.done("b");
  view.event("c", { type: "start", iterations: 10, iteration: 5, parameters: 1, compileMs: 0 });
  view.event("c", { type: "evaluation", evaluation: { iteration: 10, epoch: 1 } as never });
  expect(last()).toMatchObject({ done: 2, fraction: 70 / 80 });
});

describe("usage", () => {
  test("an unknown experiment is refused, with the one that was meant", async () => {
    const { code, stderr } = await gradalign("reproduce", "tabel1", "--out", join(folder, "none"));
    expect(stderr).toContain('no experiment "tabel1"; did you mean "table1"?');
    expect(code).toBe(2);
    const tracked = await gradalign("reproduce", "table1", "--track", "tensorbord", "--out", join(folder, "none"));
    expect(tracked).toMatchObject({ code: 2, stderr: expect.stringContaining("did you mean tensorboard?") });
  });

  test("--list names every experiment with its steps", async () => {
    const { code, stdout } = await gradalign("reproduce", "--list", "--scale", "smoke", "--json", "--out", join(folder, "list"));
    expect(code).toBe(0);
    const rows = jsonLines(stdout);
    expect(rows.map((row) => row.name)).toEqual(experiments.map(({ id }) => id));
    expect(rows.find((row) => row.name === "fig4")).toMatchObject({ trainings: 3, done: 0, steps: 6 });
  });

  test("--list times nothing and writes nothing; it says how to have times", async () => {
    const out = join(folder, "untimed");
    const { code, stdout, stderr } = await gradalign("reproduce", "--list", "--out", out);
    expect([code, stderr, existsSync(out)]).toEqual([0, "", false]);
    expect(stdout).toMatch(/^fig4 +laptop +3 +0 +13,260 +\? +\? /m);
    expect(stdout).toContain("--list --measure");
  });

  test("--list shows the times that are known", async () => {
    const out = join(folder, "timed");
    const book = openCostBook(out);
    const cost = { step: 0.1, gradient: 0.001, compile: 1 };
    for (const { config } of experiments.find(({ id }) => id === "fig4")?.trainings("laptop") ?? []) book.set(config, { alone: cost, "side by side": cost });
    const { stdout } = await gradalign("reproduce", "fig4", "--list", "--json", "--out", out);
    expect(jsonLines(stdout)[0]?.seconds).toBeGreaterThan(700);
  });

  test("measuring on a busy machine is told", () => {
    expect(busyRemark(0.2, 2)).toBeUndefined();
    expect(busyRemark(1.5, 2)).toMatch(/^this machine is busy \(load average 1\.5 on 2 cores\): times measured now are too long/);
  });
});
