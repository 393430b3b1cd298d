/** @file Appendix C.1: how good the linear approximation of the loss is, against the size of the perturbation. */

import { crossEntropyPerExample, imageSize, keyFor } from "@gradalign/robustness";
import { abs, add, grad, jit, mul, sign, sub, sum, tensor, uniform, type Value } from "@gradalign/tensor";
import * as Plot from "@observablehq/plot";
import type { Experiment, Figure, Lab, Measurement, Scale } from "../paper/experiment.ts";
import { FIGURE_SIZE, METHOD_COLORS } from "../support/figure.ts";
import { type Cell, gridMethod, RESNET_CHANGES, resnetTraining } from "../support/resnet-grid.ts";
import { pixelsOf } from "../support/single-layer.ts";
import { decimals } from "../support/statistics.ts";

const METHODS = ["standard", "fgsm", "fgsm-gradalign", "pgd-10"] as const;
const DIRECTIONS = ["random", "fgsm"] as const;
const EPS = 8;
const GRID: Readonly<Record<Scale, { readonly sizes: readonly number[]; readonly examples: number; readonly methods: readonly string[] }>> = {
  paper: { sizes: [0.5, 1, 2, 4, 6, 8, 10, 12, 16], examples: 1000, methods: METHODS },
  laptop: { sizes: [0.5, 1, 2, 4, 6, 8, 10, 12, 16], examples: 256, methods: METHODS },
  smoke: { sizes: [2, 8], examples: 32, methods: ["standard", "fgsm"] },
};
const BATCH = 64;

const cells = (scale: Scale): Cell[] => GRID[scale].methods.map((method) => ({ method, eps: EPS, seed: 0 }));

/** Appendix C.1. */
export const linearity: Experiment = {
  id: "linearity",
  title: "Quality of the linear approximation",
  paper: "Appendix C.1",
  summary:
    "Mean error |ℓ(x + δ) − ℓ(x) − ⟨∇ℓ(x), δ⟩| on trained networks against ‖δ‖₂, for δ along random signs and along the gradient's signs (FGSM), without clipping to the image range.",
  defaultScale: "laptop",
  changes: {
    paper: [
      ...RESNET_CHANGES.paper,
      "The paper's networks and sizes are not legible from its text: standard, FGSM, FGSM + GradAlign and PGD-10 training at ε = 8/255 are used.",
    ],
    laptop: [...RESNET_CHANGES.laptop, "256 images."],
    smoke: RESNET_CHANGES.smoke,
  },
  trainings: (scale) => cells(scale).map((cell) => resnetTraining(scale, cell, [])),
  async measure(lab, scale) {
    const measurements: Measurement[] = [];
    const { sizes, examples } = GRID[scale];
    const all = cells(scale);
    for (const [i, cell] of all.entries()) {
      const finished = lab.finished(resnetTraining(scale, cell, []));
      const errors = await approximationErrors(lab, finished, sizes, examples);
      for (const direction of DIRECTIONS) {
        for (const [k, size] of sizes.entries()) {
          measurements.push({
            quantity: "linear approximation",
            training: finished.id,
            method: cell.method,
            seed: cell.seed,
            epsilon: `${EPS}/255`,
            n: examples,
            batch_norm: "running statistics",
            direction,
            size: `${size}/255`,
            levels: size,
            norm: (size / 255) * Math.sqrt(imageSize(finished.config.dataset)),
            error: errors[direction].error[k] as number,
            change: errors[direction].change[k] as number,
          });
        }
      }
      await lab.progress(i + 1, all.length);
    }
    return { measurements };
  },
  page({ measurements }, scale) {
    const rows = measurements as unknown as readonly {
      method: string;
      direction: string;
      levels: number;
      norm: number;
      error: number;
      change: number;
      n: number;
    }[];
    const methods = GRID[scale].methods;
    const rising = methods.every((method) =>
      DIRECTIONS.every((direction) => {
        const own = rows.filter((row) => row.method === method && row.direction === direction);
        return own.every((row, i) => i === 0 || row.error >= 0.95 * (own[i - 1] as { error: number }).error);
      }),
    );
    const at = (method: string, direction: string): number =>
      rows.find((row) => row.method === method && row.direction === direction && row.levels === EPS)?.error ?? Number.NaN;
    return {
      claims: [
        {
          text: "A smaller ‖δ‖₂ has a smaller linear approximation error, for random and for FGSM directions, although ReLU networks are not twice differentiable.",
          holds: scale === "smoke" ? null : rising,
          evidence: methods
            .map((method) => `${gridMethod(method).label} at 8/255: random ${decimals(at(method, "random"), 3)}, FGSM ${decimals(at(method, "fgsm"), 3)}`)
            .join("; "),
        },
      ],
      comparisons: [],
      sections: [
        {
          title: "Figure",
          figures: DIRECTIONS.map((direction) =>
            figure(
              direction,
              rows.filter((row) => row.direction === direction),
              methods,
            ),
          ),
          tables: [
            {
              title: "In numbers",
              caption: "Change: mean of |ℓ(x + δ) − ℓ(x)|, beside which the error is to be seen.",
              columns: ["training", "direction", "δ per pixel", "‖δ‖₂", "error", "change"],
              rows: rows.map((row) => [
                gridMethod(row.method).label,
                row.direction === "fgsm" ? "FGSM" : "random",
                `${row.levels}/255`,
                decimals(row.norm, 3),
                decimals(row.error, 4),
                decimals(row.change, 4),
              ]),
            },
          ],
        },
      ],
    };
  },
};

function figure(direction: string, rows: readonly { method: string; norm: number; error: number; n: number }[], methods: readonly string[]): Figure {
  const title = direction === "fgsm" ? "Along the gradient's signs (FGSM)" : "Along random signs";
  const label = (row: { method: string }): string => gridMethod(row.method).label;
  return {
    id: `linearity-${direction}`,
    title,
    caption: `Mean over n = ${rows[0]?.n} test images; trained at ε = 8/255.`,
    options: {
      ...FIGURE_SIZE,
      ariaLabel: `Linear approximation error, ${title.toLowerCase()}`,
      ariaDescription: methods
        .map((method) => `${gridMethod(method).label}: ${decimals(rows.filter((row) => row.method === method).at(-1)?.error, 3)} at the largest size`)
        .join("; "),
      x: { label: "‖δ‖₂" },
      y: { label: "error (log)", type: "log", grid: true, tickFormat: "~g", ticks: 5 },
      color: { domain: methods.map((method) => gridMethod(method).label), range: methods.map((method) => METHOD_COLORS[method] as string), legend: true },
      marks: [
        Plot.lineY(rows, { x: "norm", y: (row: { error: number }) => Math.max(row.error, 1e-7), stroke: label, strokeWidth: 1.8 }),
        Plot.dot(rows, { x: "norm", y: (row: { error: number }) => Math.max(row.error, 1e-7), fill: label, r: 2.5 }),
      ],
    },
  };
}

type Errors = Readonly<Record<(typeof DIRECTIONS)[number], { readonly error: readonly number[]; readonly change: readonly number[] }>>;

/** Mean approximation error and mean change of the loss at each size (in steps of 1/255). */
async function approximationErrors(lab: Lab, finished: ReturnType<Lab["finished"]>, sizes: readonly number[], examples: number): Promise<Errors> {
  const { model, params, state } = finished.load("last");
  const dataset = await lab.dataset(finished.config.dataset);
  const lossOf = (x: Value, labels: Value): Value => crossEntropyPerExample(model.apply(params, state, x, { train: false }).logits, labels);
  const program = jit(
    (x: Value, labels: Value, key: Value, size: Value) => {
      const loss = lossOf(x, labels);
      const gradient = grad((point: Value) => sum(lossOf(point, labels)))(x);
      const measure = (delta: Value) => {
        const change = sub(lossOf(add(x, delta), labels), loss);
        return { error: sum(abs(sub(change, sum(mul(gradient, delta), [1, 2, 3])))), change: sum(abs(change)) };
      };
      return { random: measure(mul(sign(uniform(key, x.shape, -1, 1)), size)), fgsm: measure(mul(sign(gradient), size)) };
    },
    { device: lab.device },
  );
  const zeros = () => ({ error: sizes.map(() => 0), change: sizes.map(() => 0) });
  const totals = { random: zeros(), fgsm: zeros() };
  const batch = Math.min(BATCH, examples);
  const used = Math.floor(examples / batch) * batch;
  for (let first = 0; first < used; first += batch) {
    const x = tensor(await pixelsOf(dataset, first, batch), [batch, ...dataset.shape]);
    const labels = tensor(Int32Array.from(dataset.test.labels.subarray(first, first + batch)));
    for (const [k, size] of sizes.entries()) {
      const result = program(x, labels, Int32Array.from(keyFor(finished.config.seed, "attack", first, k)), size / 255);
      for (const direction of DIRECTIONS) {
        for (const key of ["error", "change"] as const) {
          const value = result[direction][key];
          const list = totals[direction][key];
          list[k] = (list[k] as number) + ((await value.read())[0] as number) / used;
          value.dispose();
        }
      }
    }
    for (const value of [x, labels]) value.dispose();
  }
  program.dispose();
  return totals;
}
