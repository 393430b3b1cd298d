/** @file What experiments are built of: the Laplace measure, the paper's grid and recipes, its numbers, statistics. */
import { type Evaluation, methods } from "@gradalign/robustness";
import { grownFilter } from "@gradalign/runs";
import { describe, expect, test } from "vitest";
import { fig11 } from "../src/experiments/fig11.ts";
import { methodsExperiment } from "../src/experiments/methods.ts";
import { PAPER_CURVES, paperPoint } from "../src/paper/numbers.ts";
import { CHEAPER } from "../src/support/cheaper-gradalign.ts";
import { curveFigure } from "../src/support/curves.ts";
import { evaluationRows, rowsAsEvaluations } from "../src/support/evaluations.ts";
import { laplaceLikeness, meanResponse, RANDOM_LIKENESS } from "../src/support/laplace.ts";
import { COMPARED_METHODS, comparedAt, comparedMethod, kindOf, methodCells, methodTraining, passesOf, SIZES } from "../src/support/methods-grid.ts";
import { collapseOf, outcomesIn } from "../src/support/outcomes.ts";
import { FINAL, gridMethod, resnetTraining } from "../src/support/resnet-grid.ts";
import { comparisonCells, robustnessFigure, robustnessTable } from "../src/support/robustness-curves.ts";
import { deviation, levels, percent } from "../src/support/statistics.ts";

describe("Laplace-likeness", () => {
  test.each([
    ["the 4-neighbour Laplacian", [0, 1, 0, 1, -4, 1, 0, 1, 0], 1],
    ["the 8-neighbour Laplacian, scaled", [0.5, 0.5, 0.5, 0.5, -4, 0.5, 0.5, 0.5, 0.5], 1],
    ["a mixture of them", [-1, -3, -1, -3, 16, -3, -1, -3, -1], 1],
    ["Sobel's edge detector", [1, 0, -1, 2, 0, -2, 1, 0, -1], 0],
    ["a blur", [1, 1, 1, 1, 1, 1, 1, 1, 1], 0],
    ["nothing", [0, 0, 0, 0, 0, 0, 0, 0, 0], 0],
    // The centre alone: (4 / 20) of the first Laplacian's direction and what the second adds, by hand sqrt(8 / 9).
    ["a single pixel", [0, 0, 0, 0, 1, 0, 0, 0, 0], Math.sqrt(8 / 9)],
  ])("of %s", (_, kernel, expected) => {
    expect(laplaceLikeness(kernel)).toBeCloseTo(expected, 9);
  });

  test("of a kernel of random direction is what pages say", () => {
    let state = 7;
    const uniform = (): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return (state + 0.5) / 2 ** 32;
    };
    const normal = (): number => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
    let sum = 0;
    for (let i = 0; i < 20_000; i++) sum += laplaceLikeness(Array.from({ length: 9 }, normal)) / 20_000;
    expect(sum).toBeCloseTo(RANDOM_LIKENESS, 2);
  });

  test("the mean response is 0 for a Laplacian and 1 for a blur", () => {
    expect(meanResponse([0, 1, 0, 1, -4, 1, 0, 1, 0])).toBe(0);
    expect(meanResponse([1, 2, 1, 2, 4, 2, 1, 2, 1])).toBe(1);
  });
});

test("the grown filter is the one that carries the network", () => {
  expect(grownFilter({ norms: [3, 1, 2], outgoing: [1, 20, 2] })).toBe(1);
});

describe("at the paper's scale", () => {
  test.each([
    ["cifar10", "fgsm", 8, { epochs: 30, peak: 0.2, method: { name: "fgsm", stepSize: 1.25 } }],
    ["cifar10", "fgsm-7/8", 8, { epochs: 30, peak: 0.2, method: { name: "fgsm", stepSize: 0.875 } }],
    ["cifar10", "fgsm-rs", 8, { epochs: 30, peak: 0.2, method: { name: "fgsm-rs", stepSize: 1.25 } }],
    ["cifar10", "fgsm-gradalign", 16, { epochs: 30, peak: 0.3, method: { name: "fgsm-gradalign", lambda: 2 } }],
    ["cifar10", "free", 8, { epochs: 96, peak: 0.04, method: { name: "free", replays: 8 } }],
    ["cifar10", "pgd-2", 8, { epochs: 30, peak: 0.2, method: { name: "pgd", steps: 2, stepSize: 0.5, start: "zero" } }],
    ["cifar10", "pgd-10", 8, { epochs: 30, peak: 0.2, method: { name: "pgd", steps: 10, stepSize: 0.2, start: "zero" } }],
    ["svhn", "fgsm", 8, { epochs: 15, peak: 0.05, method: { name: "fgsm", warmupEpochs: 5 } }],
    ["svhn", "free", 8, { epochs: 45, peak: 0.01, method: { name: "free", warmupEpochs: 5 } }],
  ] as const)("%s, %s at %i/255 is trained with the paper's recipe", (dataset, method, eps, expected) => {
    const { config } = resnetTraining("paper", { dataset, method, eps, seed: 0 }, ["last"]);
    expect({ epochs: config.epochs, peak: config.schedule.peak, method: config.method }).toMatchObject(expected);
    expect(config).toMatchObject({ model: { name: "preact-resnet18", width: 64 }, batchSize: 128, trainSize: null, evalEvery: 200, evalExamples: 256 });
    expect(config.augment).toEqual({ crop: 4, flip: dataset === "cifar10" });
  });

  test("the attack is PGD-50-10 on 1,000 images", () => {
    expect(FINAL.paper).toEqual({ attack: "pgd-50-10", examples: 1000 });
  });

  test("the comparison has six methods, 16 and 12 radii, five seeds", () => {
    expect(comparisonCells("paper", ["cifar10"])).toHaveLength(6 * 16 * 5);
    expect(comparisonCells("paper", ["svhn"])).toHaveLength(6 * 12 * 5);
  });

  test("a laptop compares five methods at two radii, on all images, each attack watched", () => {
    const cells = comparisonCells("laptop", ["cifar10", "svhn"]);
    expect(cells).toHaveLength(5 * 2 * 2);
    for (const cell of cells) {
      const { config } = resnetTraining("laptop", cell, ["last"]);
      expect(config).toMatchObject({ model: { name: "preact-resnet18", width: 8 }, epochs: 4, batchSize: 128, trainSize: null, guard: "warn" });
      expect(config.schedule.peak).toBe(resnetTraining("paper", cell, ["last"]).config.schedule.peak);
    }
    expect(resnetTraining("laptop", { method: "standard", eps: 12, seed: 0 }, []).config).not.toHaveProperty("guard");
  });

  test("the single-layer network is the paper's", () => {
    for (const { config } of fig11.trainings("paper")) {
      expect(config).toMatchObject({
        model: { name: "cnn", filters: 4 },
        method: { name: "fgsm" },
        epochs: 30,
        batchSize: 128,
        evalEvery: 50,
        trainSize: null,
      });
      expect(config.epsilon).toBe(10 / 255);
      expect(config.optimizer).toMatchObject({ name: "adam", weightDecay: 5e-4 });
      expect(config.schedule.peak).toBe(0.003);
    }
  });
});

describe("the paper's curves", () => {
  test("stand at the radii they were read at", () => {
    const at = (method: string, eps: number, stopping: "none" | "early" = "none", dataset = "cifar10") =>
      paperPoint(dataset, method, stopping, "pgd-50-10", eps)?.value;
    expect([at("pgd-10", 1), at("pgd-10", 8), at("pgd-10", 16)]).toEqual([86.5, 50, 33.2]);
    expect([at("fgsm-gradalign", 8), at("fgsm-gradalign", 16)]).toEqual([47.5, 28.9]);
    expect([at("free", 8), at("free", 9), at("free", 11), at("free", 12)]).toEqual([45.8, undefined, 30.1, 0]);
    expect([at("fgsm-rs", 9), at("fgsm-rs", 10), at("fgsm-rs", 16)]).toEqual([40.6, 0, 0]);
    expect([at("fgsm", 8), at("fgsm", 8, "early"), at("pgd-2", 16)]).toEqual([0, 37.4, 9.9]);
    expect([at("fgsm-gradalign", 8, "none", "svhn"), at("fgsm-gradalign", 12, "none", "svhn")]).toEqual([42.1, 24.1]);
    expect(paperPoint("cifar10", "fgsm-gradalign", "none", "clean", 16)?.value).toBe(58.4);
  });

  test("name methods of the grid", () => {
    for (const { method } of PAPER_CURVES) expect(gridMethod(method).label).toBeTruthy();
    expect(() => gridMethod("fgms")).toThrow('key (="fgms")');
  });
});

test("accuracies are written with their deviation over seeds", () => {
  expect(percent(0.1837)).toBe("18.4 %");
  expect(percent([0.1, 0.2])).toBe("15.0 ± 5.0 %");
  expect(percent([])).toBe("–");
  expect(deviation([1, 1, 4])).toBeCloseTo(Math.SQRT2, 12);
  expect(levels(10 / 255)).toBe(10);
});

test("a run that diverged is named in the figure and in the table", () => {
  const shared = {
    quantity: "accuracy",
    dataset: "cifar10",
    method: "fgsm",
    epsilon: "8/255",
    eps: 8,
    model: "last",
    attack: "pgd-50-10",
    attack_epsilon: "8/255",
    n: 1000,
  };
  const rows = outcomesIn([
    { ...shared, seed: 0, overfitting_epoch: null, clean: 0.8, robust: 0.4 },
    { ...shared, seed: 1, overfitting_epoch: null, clean: 0, robust: 0, diverged: true },
  ]);
  const figure = (of: typeof rows) => robustnessFigure(of, { id: "f", title: "F", clean: false });
  expect(figure(rows).caption).toMatch(/Diverged, and counted as 0 %: FGSM, ε = 8\/255, seed 1\. Crosses are means with such runs\.$/);
  expect(figure(rows.slice(0, 1)).caption).not.toMatch(/Diverged|Crosses/);
  const { rows: table } = robustnessTable(rows, "t");
  expect(table[0]).toEqual(["FGSM", "8/255", "last", 2, "40.0 ± 40.0 %", "20.0 ± 20.0 %", "1 of 2, diverged"]);
  expect(rows.map(collapseOf)).toEqual(["–", "diverged"]);
});

test("evaluations survive the way through rows", () => {
  const evaluation = { iteration: 5, epoch: 1, test_pgd_acc: 0.25, gradient_alignment: 0.5, seconds: 3 } as Evaluation;
  const finished = {
    id: "a",
    config: { model: { name: "preact-resnet18" }, method: { name: "fgsm" }, seed: 2, epsilon: 8 / 255, evalExamples: 64 },
    evaluations: [evaluation],
  };
  const rows = evaluationRows(finished as never);
  expect(rows[0]).toMatchObject({ training: "a", seed: 2, epsilon: "8/255", n: 64, attack: "fgsm, pgd-10", batch_norm: "running statistics" });
  expect(rowsAsEvaluations(rows, "a")[0]).toMatchObject({ iteration: 5, test_pgd_acc: 0.25, gradient_alignment: 0.5 });
  expect(rowsAsEvaluations(rows, "b")).toEqual([]);
});

test("a loss that spans decades gets a logarithmic axis, and what is not finite is left out", () => {
  const points = [1e-3, 2, Number.POSITIVE_INFINITY].map((value, epoch) => ({ epoch, value, series: "PGD" }));
  const { options } = curveFigure({
    id: "x",
    title: "t",
    caption: "c",
    axis: "loss",
    points,
    colors: { PGD: "red" },
    scale: "loss",
    collapses: [{ epoch: 1.5 }],
  });
  expect(options.y).toMatchObject({ type: "log", label: "loss (log)" });
  expect(options.ariaDescription).toBe("Over the epochs: PGD from 0.00100 to 2.00. Catastrophic overfitting at epoch 1.5.");
});

describe("the methods side by side", () => {
  test("are all that there are, with one recipe, cheapest first, and GradAlign's variants", () => {
    const keys = COMPARED_METHODS.map(({ key }) => key);
    for (const name of [...Object.keys(methods), ...Object.keys(CHEAPER), "lap, ascent"]) expect(keys).toContain(name);
    const totals = COMPARED_METHODS.map((method) => passesOf(method).total);
    expect(totals).toEqual([...totals].sort((a, b) => a - b));
    for (const scale of ["paper", "laptop"] as const) {
      const trainings = methodCells(scale).map((cell) => methodTraining(scale, cell));
      expect(new Set(trainings.map(({ config }) => JSON.stringify([config.epochs, config.schedule, config.batchSize, config.optimizer]))).size).toBe(1);
      expect(new Set(trainings.map(({ label }) => label)).size).toBe(trainings.length);
      expect(trainings.length).toBe(2 * SIZES[scale].seeds.length * comparedAt(scale).length);
    }
    expect(comparedAt("paper")).toHaveLength(keys.length);
    expect(keys.filter((key) => !comparedAt("laptop").some((compared) => compared.key === key))).toEqual(["atas", "fgsm-mep"]);
    expect([kindOf(comparedMethod("standard")), kindOf(comparedMethod("fgsm")), kindOf(comparedMethod("trades"))]).toEqual([
      "no attack",
      "FGSM's price",
      "several steps",
    ]);
  });

  const outcome = { quantity: "accuracy", dataset: "cifar10", epsilon: "16/255", eps: 16, attack_epsilon: "16/255", n: 200, diverged: false };
  const rows = (method: string, robust: number, overfitting_epoch: number | null, time: number) => [
    ...([0, 1] as const).flatMap((seed) =>
      (["last", "best"] as const).flatMap((model) =>
        ["pgd-50-10", "autoattack"].map((attack) => ({
          ...outcome,
          training: `${method} ${seed}`,
          method,
          seed,
          model,
          attack,
          clean: 0.4,
          robust,
          overfitting_epoch,
          outcome: "healthy",
        })),
      ),
    ),
    { quantity: "cost", method, seed: 0, passes: 1, time, time_low: time, time_high: time },
  ];
  const page = (...measurements: ReturnType<typeof rows>[]) =>
    methodsExperiment.page({ measurements: measurements.flat(), details: { missing: [{ method: "pgd", eps: 16, seed: 1 }] } }, "laptop");

  test("are sorted by robustness, and the page names who is beaten by nobody, what collapsed, and what is missing", () => {
    const cheap = "fgsm-gradalign, a quarter";
    const { claims, sections } = page(rows("fgsm", 0.01, 3, 1), rows("fgsm-gradalign", 0.2, null, 2.5), rows(cheap, 0.195, null, 1.4));
    expect(claims.map(({ holds }) => holds)).toEqual([true, true]);
    const [table] = sections[1]?.tables ?? [];
    expect(table?.rows.map(([method]) => method)).toEqual(["fgsm-gradalign", cheap, "fgsm"]);
    expect(table?.rows[2]?.at(-1)).toBe("epoch 3.0, epoch 3.0");
    expect(table?.rows[0]?.[4]).toBe("15.0 to 26.1 %");
    expect(sections[1]?.text).toBe("1 of 140 trainings are not done yet, and missing in all numbers here. ε = 16/255, seed 1: pgd.");
    // No figure of a radius that has no training yet.
    expect(sections[0]?.figures?.map(({ id }) => id)).toEqual(["methods-16"]);
    // Too dear, too weak, or collapsed: none of them counts.
    for (const [robust, collapse, time] of [
      [0.2, null, 1.6],
      [0.1, null, 1.4],
      [0.2, 4, 1.4],
    ] as const) {
      expect(page(rows("fgsm", 0.01, 3, 1), rows("fgsm-gradalign", 0.2, null, 2.5), rows(cheap, robust, collapse, time)).claims[1]?.holds).toBe(false);
    }
  });
});
