/** @file Not of the paper: every training method on one network with one recipe, its robustness beside its price. */
import { runOutcome, wilsonInterval } from "@gradalign/robustness";
import * as Plot from "@observablehq/plot";
import type { Claim, Experiment, Figure, Measurement, Scale, Table } from "../paper/experiment.ts";
import { CHEAPER } from "../support/cheaper-gradalign.ts";
import { FIGURE_SIZE, PERCENT_SCALE, seriesColor } from "../support/figure.ts";
import { comparedAt, comparedMethod, KINDS, kindOf, methodCells, methodTraining, passesOf, SIZES } from "../support/methods-grid.ts";
import { collapseOf, type Outcome, outcomeRows, outcomesIn } from "../support/outcomes.ts";
import type { Cell } from "../support/resnet-grid.ts";
import { decimals, deviation, mean, percent } from "../support/statistics.ts";
import { type StepTimeOptions, stepTimes } from "../support/step-times.ts";

/** How steps are timed at each scale; four steps have one that GradAlign on every fourth aligns. */
const TIMED: Readonly<Record<Scale, StepTimeOptions>> = {
  paper: { images: 50_000, rounds: 7, steps: 4 },
  laptop: { images: 1_280, rounds: 7, steps: 8 },
  smoke: { images: 64, rounds: 1, steps: 1 },
};

/** Guessing one of CIFAR-10's classes. */
const CHANCE = 0.1;

/** An outcome, and in one word how the run ended. */
interface Ending extends Outcome {
  readonly outcome: string;
}

interface Cost {
  readonly method: string;
  readonly passes: number;
  readonly time: number;
  readonly time_low: number;
  readonly time_high: number;
}

/** A method at a radius: everything that is said of it. */
interface Row {
  readonly method: string;
  readonly eps: number;
  readonly seeds: number;
  readonly cost: Cost | undefined;
  /** Accuracies by model and attack, one per seed. */
  of(model: "last" | "best", attack: string, quantity?: "robust" | "clean"): number[];
  /** How each run ended. */
  readonly endings: readonly string[];
}

/** All methods beside each other. */
export const methodsExperiment: Experiment = {
  id: "methods",
  title: "Training methods side by side",
  paper: "not in the paper; its question of how the methods after it compare",
  summary:
    "Every training method of this project on one network with one recipe: accuracy without attack, under PGD-50-10 and under AutoAttack, of the last model and of the one that early stopping keeps, and what a step costs.",
  defaultScale: "laptop",
  partial: true,
  changes: {
    paper: [
      "PreAct ResNet-18 of width 64, 30 epochs, batches of 128, SGD, peak learning rate 0.2 at two fifths, for all methods alike; options of a method are those of its authors at the radius.",
      "A method's own number of epochs and learning rate are not followed: AT for Free has as many updates as the others.",
    ],
    laptop: [
      `The single-layer network with four filters, all of CIFAR-10, 5 epochs, batches of 128, Adam, peak learning rate 0.003, for all methods alike, ${SIZES.laptop.seeds.length} seeds; options of a method are those of its authors at the radius, which were chosen for ResNets.`,
      `Attacks on the first ${SIZES.laptop.examples} test images: intervals of 95 % are ± 4 to 6 points, and one seed's images are the next one's.`,
      "fgsm-mep and atas are left out: at each step they read and write images of floats for every training image.",
      "LAP moves a share of the layers; here there are two, and the last of them never moves.",
    ],
    smoke: ["Three methods, 64 images, one epoch, two steps of attack: nothing can be concluded from it."],
  },
  trainings: (scale) => methodCells(scale).map((cell) => methodTraining(scale, cell)),
  async measure(lab, scale) {
    const cells = methodCells(scale).map((cell) => ({ cell, training: methodTraining(scale, cell) }));
    const done = cells.filter(({ training }) => lab.isFinished(training));
    const outcomes = done.flatMap(({ cell, training }) => {
      const { evaluations, config } = lab.finished(training);
      const adversarial = config.method.name !== "standard";
      const outcome = runOutcome(evaluations, CHANCE, adversarial)?.kind ?? null;
      return outcomeRows(lab, cell, training).map((row): Measurement => ({ ...row, outcome }));
    });
    const compared = comparedAt(scale).filter(({ key }) => done.some(({ cell }) => cell.method === key));
    const configOf = (key: string) => methodTraining(scale, { method: key, eps: SIZES[scale].radii[0] as number, seed: 0 }).config;
    const times = await stepTimes(
      lab,
      configOf("fgsm"),
      compared.map(({ key }) => configOf(key)),
      TIMED[scale],
    );
    const costs = compared.map((method, i): Measurement => {
      const { forward, backward, relative } = passesOf(method);
      const { ratio, low, high } = times[i] as (typeof times)[number];
      return { quantity: "cost", method: method.key, seed: 0, forward, backward, passes: relative, time: ratio, time_low: low, time_high: high };
    });
    return {
      measurements: [...outcomes, ...costs],
      details: { missing: cells.filter((one) => !done.includes(one)).map(({ cell: { method, eps, seed } }) => ({ method, eps, seed })) },
    };
  },
  page({ measurements, details }, scale) {
    const { missing = [] } = (details ?? {}) as { readonly missing?: readonly Cell[] };
    const { radii, attacks, examples } = SIZES[scale];
    const rows = rowsOf(measurements);
    const at = (eps: number): Row[] => rows.filter((row) => row.eps === eps);
    const largest = Math.max(...radii);
    return {
      claims: claims(rows, scale),
      comparisons: [],
      sections: [
        {
          title: "Robustness and price",
          figures: radii.filter((eps) => at(eps).length > 0).map((eps) => priceFigure(at(eps), eps, attacks[1], examples)),
          text: "Up and to the left is better. A step's time is measured in turn with FGSM's.",
        },
        {
          title: "The table",
          ...(missing.length > 0 ? { text: missingWords(missing, scale) } : {}),
          tables: [methodsTable([...at(largest), ...rows.filter((row) => row.eps !== largest)], scale)],
        },
      ],
    };
  },
};

/** What is not trained yet, by radius and seed. */
function missingWords(missing: readonly Cell[], scale: Scale): string {
  const { radii, seeds } = SIZES[scale];
  const groups = seeds.flatMap((seed) => radii.map((eps) => ({ seed, eps, own: missing.filter((cell) => cell.seed === seed && cell.eps === eps) })));
  const words = groups
    .filter(({ own }) => own.length > 0)
    .map(
      ({ seed, eps, own }) => `ε = ${eps}/255, seed ${seed}: ${own.length === comparedAt(scale).length ? "all" : own.map(({ method }) => method).join(", ")}`,
    );
  return `${missing.length} of ${methodCells(scale).length} trainings are not done yet, and missing in all numbers here. ${words.join("; ")}.`;
}

function rowsOf(measurements: readonly Measurement[]): Row[] {
  const outcomes = outcomesIn(measurements) as Ending[];
  const costs = measurements.filter(({ quantity }) => quantity === "cost") as unknown as Cost[];
  const keys = [...new Set(outcomes.map(({ method, eps }) => JSON.stringify([method, eps])))];
  return keys.map((key) => {
    const [method, eps] = JSON.parse(key) as [string, number];
    const own = outcomes.filter((row) => row.method === method && row.eps === eps);
    const runs = own.filter((row, i) => own.findIndex(({ training }) => training === row.training) === i);
    return {
      method,
      eps,
      seeds: runs.length,
      cost: costs.find((cost) => cost.method === method),
      of: (model, attack, quantity = "robust") => own.filter((row) => row.model === model && row.attack === attack).map((row) => row[quantity]),
      endings: runs.map(endingOf),
    };
  });
}

/** In a word or two. */
function endingOf(row: Ending): string {
  if (row.diverged || row.overfitting_epoch !== null) return row.diverged ? "diverged" : `epoch ${collapseOf(row)}`;
  return row.outcome === "healthy" ? "no" : row.outcome;
}

/** Whether it ended on some seed with a model that says anything. */
const learned = ({ endings }: Row): boolean => endings.some((ending) => ending !== "learned nothing" && ending !== "diverged");

const collapsed = ({ endings }: Row): boolean => endings.some((ending) => ending.startsWith("epoch"));

function claims(rows: readonly Row[], scale: Scale): Claim[] {
  const { radii, attacks } = SIZES[scale];
  const [, strongest] = attacks;
  const largest = Math.max(...radii);
  const told = scale !== "smoke";
  const at = (key: string): Row | undefined => rows.find((row) => row.method === key && row.eps === largest);
  const robust = (key: string): number[] => at(key)?.of("last", strongest) ?? [];
  const [full, fgsm] = [at("fgsm-gradalign"), at("fgsm")];
  const spread = 2 * deviation(robust("fgsm-gradalign")) + 0.01;
  const cheap = Object.keys(CHEAPER).filter((key) => at(key));
  const reaches = (key: string): boolean => mean(robust(key)) >= mean(robust("fgsm-gradalign")) - spread && !collapsed(at(key) as Row);
  const within = cheap.filter((key) => (at(key)?.cost?.time ?? Number.NaN) <= 1.5 && reaches(key));
  const ways = ["lap", "lap, ascent"].filter((key) => at(key));
  const lp = at("lp-fgsm");
  return [
    {
      text: `At ε = ${largest}/255 FGSM overfits catastrophically, and FGSM + GradAlign does not.`,
      holds: told && full && fgsm ? collapsed(fgsm) && !collapsed(full) : null,
      evidence: `collapse: FGSM ${fgsm?.endings.join(", ") ?? "not trained"}; FGSM + GradAlign ${full?.endings.join(", ") ?? "not trained"}`,
    },
    ...(cheap.length === 0
      ? []
      : [
          {
            text: `Some variant of GradAlign costs at most 1.5 times FGSM and is as robust as all of it, within two deviations over seeds and a point.`,
            holds: told && full && full.seeds > 1 && !full.endings.includes("learned nothing") ? within.length > 0 : null,
            evidence: [
              `fgsm-gradalign ${percent(robust("fgsm-gradalign"))} at ${decimals(full?.cost?.time, 2)} times FGSM`,
              ...cheap.map((key) => `${key.slice(16)} ${percent(robust(key))} at ${decimals(at(key)?.cost?.time, 2)}`),
            ].join("; "),
          },
        ]),
    ...(lp
      ? [
          {
            text: "AutoAttack finds hardly more than PGD-50-10 of lp-FGSM's model, whose published numbers it had not confirmed.",
            // Where PGD leaves nothing there is nothing for AutoAttack to find.
            holds: told && mean(lp.of("last", attacks[0])) > 0.05 ? mean(lp.of("last", attacks[0])) - mean(robust("lp-fgsm")) < 0.05 : null,
            evidence: `${percent(lp.of("last", attacks[0]))} against ${percent(robust("lp-fgsm"))}`,
          },
        ]
      : []),
    ...(ways.length === 2
      ? [
          {
            text: "LAP's weights should move along the step, as in the authors' code, not against it, as in their text.",
            holds: told && ways.some((key) => learned(at(key) as Row)) ? mean(robust("lap")) >= mean(robust("lap, ascent")) : null,
            evidence: ways.map((key) => `${key} ${percent(robust(key))}, collapse: ${at(key)?.endings.join(", ")}`).join("; "),
          },
        ]
      : []),
  ];
}

/** All numbers, a row for each method and radius. */
function methodsTable(rows: readonly Row[], scale: Scale): Table {
  const { attacks, examples } = SIZES[scale];
  const [pgd, strongest] = attacks;
  const names = attacks.map((attack) => (attack === "autoattack" ? "AutoAttack" : attack.toUpperCase()));
  const interval = (values: readonly number[]): string => {
    if (values.length === 0) return "–";
    const [low, high] = wilsonInterval(mean(values) * examples, examples);
    return `${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)} %`;
  };
  return {
    title: "Every method",
    caption: `Mean ± standard deviation over seeds, first ${examples} test images, trained and attacked with the same radius. Interval: 95 % of that many images, around the mean. Passes and time of a step are multiples of FGSM's; of the time the median and, in brackets, the quartiles of interleaved rounds. “collapse” has an entry per seed.`,
    sortable: true,
    columns: [
      "method",
      "ε",
      "seeds",
      names[1] as string,
      "interval",
      names[0] as string,
      "clean",
      `${names[1]}, best`,
      `${names[0]}, best`,
      "clean, best",
      "passes",
      "time",
      "collapse",
    ],
    rows: [...rows]
      .sort((a, b) => b.eps - a.eps || mean(b.of("last", strongest)) - mean(a.of("last", strongest)))
      .map((row) => [
        row.method,
        `${row.eps}/255`,
        row.seeds,
        percent(row.of("last", strongest)),
        interval(row.of("last", strongest)),
        percent(row.of("last", pgd)),
        percent(row.of("last", pgd, "clean")),
        percent(row.of("best", strongest)),
        percent(row.of("best", pgd)),
        percent(row.of("best", pgd, "clean")),
        decimals(row.cost?.passes, 2),
        row.cost ? `${decimals(row.cost.time, 2)} (${decimals(row.cost.time_low, 2)} to ${decimals(row.cost.time_high, 2)})` : "–",
        row.endings.join(", "),
      ]),
  };
}

interface Point {
  readonly method: string;
  readonly kind: string;
  readonly time: number;
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** Names that are always written beside their points. */
const NAMED: readonly string[] = ["fgsm", "fgsm-gradalign", "pgd"];

/** A name beside its point. */
interface Label {
  readonly point: Point;
  readonly dx: number;
  readonly dy: number;
  readonly textAnchor: "start" | "end";
}

/** The part of a figure that points lie in, a letter's width and a line's height, all as on a telephone, where letters are large. */
const [ROOM, LETTER, LINE] = [{ width: 300, height: 300 }, 7, 14] as const;

/** Names where none lies over another, those that are always written first; what there is no room for has none. Names of what is dear lie to the left of
 * it: on a telephone there is no room beyond. */
function labels(points: readonly Point[], across: (time: number) => number, top: number): Label[] {
  const placed: (Label & { readonly left: number; readonly y: number })[] = [];
  const always = (point: Point): boolean => NAMED.includes(point.method);
  for (const point of [...points.filter(always), ...points.filter((one) => !always(one))]) {
    const [x, width] = [ROOM.width * across(point.time), LETTER * point.method.length];
    const textAnchor = across(point.time) > 0.5 ? "end" : "start";
    const [dx, left] = textAnchor === "end" ? [-7, x - width] : [7, x];
    const free = [0, -1, 1, -2, 2]
      .map((lines) => ({ dy: LINE * lines, y: ROOM.height * (1 - (100 * point.value) / top) + LINE * lines }))
      .find(({ y }) =>
        placed.every((other) => Math.abs(other.y - y) >= LINE || other.left > left + width || other.left + LETTER * other.point.method.length < left),
      );
    if (free) placed.push({ point, dx, textAnchor, left, ...free });
  }
  return placed;
}

/** The last model's robustness against the time of a step; names of the methods that none beats in both, and of some others. */
function priceFigure(rows: readonly Row[], eps: number, attack: string, examples: number): Figure {
  const points = rows.flatMap((row): Point[] => {
    const values = row.of("last", attack);
    if (values.length === 0 || !row.cost) return [];
    const value = mean(values);
    const [low, high] = wilsonInterval(value * examples, examples);
    return [{ method: row.method, kind: kindOf(comparedMethod(row.method)), time: row.cost.time, value, low, high }];
  });
  const beaten = (point: Point): boolean => points.some((other) => other.time < point.time && other.value >= point.value);
  const named = points.filter((point) => NAMED.includes(point.method) || !beaten(point));
  const kinds = KINDS.filter((kind) => points.some((point) => point.kind === kind));
  const most = Math.max(0.1, ...points.map(({ high }) => high));
  const within = (tick: number): boolean => points.some(({ time }) => time <= tick) && points.some(({ time }) => time >= tick);
  const times = points.map(({ time }) => time);
  const top = 10 * Math.ceil(10 * most);
  const title = `ε = ${eps}/255`;
  return {
    id: `methods-${eps}`,
    title,
    caption: `Accuracy of the last model under ${attack === "autoattack" ? "AutoAttack" : attack.toUpperCase()}, mean over seeds with the 95 % interval of ${examples} images, against a step's time as a multiple of FGSM's. Named, where there is room, are those that no method beats in both, and ${NAMED.join(", ")}.`,
    options: {
      ...FIGURE_SIZE,
      height: 400,
      ariaLabel: `Robustness against price, ${title}`,
      ariaDescription: points.map(({ method, time, value }) => `${method}: ${percent(value)} at ${time.toFixed(2)} times FGSM's step`).join("; "),
      x: { type: "log", label: "time of a step / FGSM's (log)", tickFormat: "~g", ticks: [0.5, 0.7, 1, 1.5, 2, 3, 4, 6].filter(within) },
      y: { label: "accuracy under attack", ...PERCENT_SCALE, domain: [0, top], grid: true },
      color: { domain: [...kinds], range: kinds.map((kind) => seriesColor(KINDS.indexOf(kind))), legend: true },
      marks: [
        Plot.ruleX(points, { x: "time", y1: "low", y2: "high", stroke: "kind", strokeOpacity: 0.35, strokeWidth: 1.5 }),
        Plot.dot(points, { x: "time", y: "value", fill: "kind", r: 3.4, title: ({ method, value }: Point) => `${method} ${percent(value)}` }),
        ...labels(named, (time) => Math.log(time / Math.min(...times)) / Math.log(Math.max(...times) / Math.min(...times)), top).map(
          ({ point, dx, dy, textAnchor }) =>
            Plot.text([point], { x: "time", y: "value", text: "method", fill: "currentColor", textAnchor, dx, dy, stroke: "var(--surface)", strokeWidth: 4 }),
        ),
      ],
    },
  };
}
