/** @file GradAlign's cheaper variants where FGSM overfits: robustness and price beside all of GradAlign. */
import type { Experiment, Measurement, Page, Scale, Table } from "../paper/experiment.ts";
import { CHEAPER, EVERY_THIRD } from "../support/cheaper-gradalign.ts";
import { collapseOf, type Outcome, outcomeRows, outcomesIn } from "../support/outcomes.ts";
import { type Cell, gridMethod, LAPTOP_RADII, RESNET_CHANGES, resnetTraining } from "../support/resnet-grid.ts";
import { decimals, mean, percent } from "../support/statistics.ts";
import { stepTimes } from "../support/step-times.ts";

const BESIDE = ["fgsm", "fgsm-gradalign"] as const;
const LARGEST = LAPTOP_RADII[1];
/** The price that the variants are meant to have, as a multiple of FGSM's. */
const PRICE = 1.5;

interface Size {
  readonly eps: number;
  readonly seeds: readonly number[];
  readonly methods: readonly string[];
  /** Test images under AutoAttack. */
  readonly examples: number;
  /** Twelve steps, all of one epoch, have as large a share of aligned ones as a training. */
  readonly timed: { readonly images: number; readonly rounds: number; readonly steps: number };
}

const SIZES: Readonly<Record<Scale, Size>> = {
  paper: {
    eps: LARGEST,
    seeds: [0, 1, 2, 3, 4],
    methods: Object.keys({ ...CHEAPER, ...EVERY_THIRD }),
    examples: 1000,
    timed: { images: 1536, rounds: 9, steps: 12 },
  },
  laptop: {
    eps: LARGEST,
    seeds: [0, 1],
    methods: [
      "fgsm-gradalign, trained neighbour",
      "fgsm-gradalign, a quarter",
      "fgsm-gradalign, every 3rd step",
      "fgsm-gradalign, every 4th step",
      "fgsm-gradalign, first layer, trained neighbour",
    ],
    examples: 128,
    timed: { images: 1536, rounds: 9, steps: 12 },
  },
  smoke: { eps: LARGEST, seeds: [0], methods: ["fgsm-gradalign, a quarter"], examples: 16, timed: { images: 64, rounds: 1, steps: 1 } },
};

function cells(scale: Scale): Cell[] {
  const { eps, seeds, methods } = SIZES[scale];
  return [...BESIDE, ...methods].flatMap((method) => seeds.map((seed) => ({ method, eps, seed })));
}

function train(scale: Scale, cell: Cell) {
  const strongest = scale === "smoke" ? "apgd-ce" : "autoattack";
  return resnetTraining(scale, cell, ["last", "best"], [{ attack: strongest, epsilon: cell.eps / 255, examples: SIZES[scale].examples, which: "last" }]);
}

interface Price {
  readonly method: string;
  readonly time: number;
  readonly time_low: number;
  readonly time_high: number;
}

/** GradAlign's cheaper variants. */
export const cheapGradAlign: Experiment = {
  id: "cheap-gradalign",
  title: "GradAlign at FGSM's price",
  paper: "not in the paper; section 6 asks whether gradients can be aligned for less",
  summary: "Variants of GradAlign that need fewer passes, where FGSM overfits: robustness of the last models, and what a step costs.",
  defaultScale: "laptop",
  changes: {
    paper: RESNET_CHANGES.paper,
    laptop: [...RESNET_CHANGES.laptop, `AutoAttack on the first ${SIZES.laptop.examples} test images. Two seeds.`],
    smoke: RESNET_CHANGES.smoke,
  },
  trainings: (scale) => cells(scale).map((cell) => train(scale, cell)),
  async measure(lab, scale) {
    const { methods, timed, eps, seeds } = SIZES[scale];
    const configOf = (method: string) => train(scale, { method, eps, seed: seeds[0] as number }).config;
    const dearer = ["fgsm-gradalign", ...methods];
    const times = await stepTimes(lab, configOf("fgsm"), dearer.map(configOf), timed);
    const prices = dearer.map((method, i): Measurement => {
      const { ratio, low, high } = times[i] as (typeof times)[number];
      return { quantity: "cost", method, seed: 0, time: ratio, time_low: low, time_high: high };
    });
    return { measurements: [...cells(scale).flatMap((cell) => outcomeRows(lab, cell, train(scale, cell))), ...prices] };
  },
  page({ measurements }, scale) {
    const rows = outcomesIn(measurements);
    const prices = measurements.filter(({ quantity }) => quantity === "cost") as unknown as Price[];
    return {
      claims: claims(rows, prices, scale),
      comparisons: [],
      sections: [{ title: "Robustness and price", tables: [summary(rows, prices), each(rows)] }],
    };
  },
};

const strong = ({ attack }: Outcome): boolean => !attack.startsWith("pgd");

/** The accuracies of a method's last models under one of the attacks, a number per seed. */
function lastUnder(rows: readonly Outcome[], method: string, strongest: boolean): number[] {
  return rows.filter((row) => row.method === method && row.model === "last" && strong(row) === strongest).map(({ robust }) => robust);
}

function claims(rows: readonly Outcome[], prices: readonly Price[], scale: Scale): Page["claims"] {
  const [full, fgsm] = [lastUnder(rows, "fgsm-gradalign", false), lastUnder(rows, "fgsm", false)];
  const told = scale !== "smoke";
  const variants = prices.filter(({ method }) => method !== "fgsm-gradalign");
  const least = Math.min(...full);
  const reaches = ({ method, time }: Price): boolean => time <= PRICE && mean(lastUnder(rows, method, false)) >= least;
  const seeds = [...new Set(rows.map(({ seed }) => seed))];
  const lost = seeds.filter((_, i) => fgsm[i]! < 0.5 * full[i]!);
  return [
    {
      text: `Some variant costs at most ${PRICE} times FGSM and is as robust as all of GradAlign, within the spread of its seeds.`,
      holds: told ? variants.some(reaches) : null,
      evidence: prices
        .map(({ method, time }) => `${gridMethod(method).label} ${percent(lastUnder(rows, method, false))} at ${decimals(time, 2)} times FGSM`)
        .join("; "),
    },
    {
      text: "Where FGSM ends without robustness, every variant keeps some.",
      holds:
        told && lost.length > 0
          ? lost.every((seed) => variants.every(({ method }) => lastUnder(rows, method, false)[seeds.indexOf(seed)]! > 0.5 * full[seeds.indexOf(seed)]!))
          : null,
      evidence: `FGSM ${percent(fgsm)}; it loses what GradAlign keeps at ${lost.length === 0 ? "no seed" : `seed${lost.length > 1 ? "s" : ""} ${lost.join(", ")}`}`,
    },
  ];
}

function summary(rows: readonly Outcome[], prices: readonly Price[]): Table {
  const methods = [...new Set(rows.map(({ method }) => method))];
  const basis = rows.find((row) => !strong(row));
  const strongest = rows.find(strong);
  return {
    title: `Last models, mean ± deviation over seeds; a step's time in turn with FGSM's, with quartiles`,
    columns: [
      "method",
      "clean",
      `${basis?.attack.toUpperCase()}, n = ${basis?.n}`,
      `${strongest?.attack}, n = ${strongest?.n}`,
      "overfits at epoch",
      "step / FGSM's",
    ],
    rows: methods.map((method) => {
      const last = rows.filter((row) => row.method === method && row.model === "last" && !strong(row));
      const price = prices.find((one) => one.method === method);
      return [
        gridMethod(method).label,
        percent(last.map(({ clean }) => clean)),
        percent(lastUnder(rows, method, false)),
        percent(lastUnder(rows, method, true)),
        last.map(collapseOf).join(", "),
        price ? `${decimals(price.time, 2)} (${decimals(price.time_low, 2)} to ${decimals(price.time_high, 2)})` : "1",
      ];
    }),
  };
}

function each(rows: readonly Outcome[]): Table {
  return {
    title: "Each model",
    columns: ["method", "seed", "model", "clean", "under attack", "attack"],
    rows: rows.map((row) => [gridMethod(row.method).label, row.seed, row.model, percent(row.clean), percent(row.robust), `${row.attack}, n = ${row.n}`]),
  };
}
