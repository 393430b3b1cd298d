/** @file Equation 6: a single filter's gradient alignment, by its formula and by the compiled gradient. */

import { keyOfSeed, philox } from "@gradalign/tensor";
import * as Plot from "@observablehq/plot";
import type { Experiment, Measurement, Scale } from "../paper/experiment.ts";
import { FIGURE_SIZE, seriesColor } from "../support/figure.ts";
import { decimals } from "../support/statistics.ts";
import { compiledSingleFilter, type SingleFilter, singleFilterFormula } from "../theory/single-filter.ts";

/** Float32's rounding, accumulated over a sum of some hundred terms. */
const TOLERANCE = 2e-6;

const FILTERS = ["random", "Laplace"] as const;

interface Case {
  readonly filter: (typeof FILTERS)[number];
  readonly patches: number;
  readonly patch: number;
  readonly epsilon: number;
  readonly seed: number;
}

function cases(scale: Scale): Case[] {
  const seeds = scale === "smoke" ? [0] : [0, 1, 2, 3, 4];
  const radii = scale === "smoke" ? [10] : [2, 8, 10, 16, 32];
  return FILTERS.flatMap((filter) => radii.flatMap((epsilon) => seeds.map((seed) => ({ filter, patches: 400, patch: 27, epsilon, seed }))));
}

/** Equation 6 in numbers. */
export const eq6: Experiment = {
  id: "eq6",
  title: "Alignment of a single filter",
  paper: "Eq. 6, section 4",
  summary:
    "One filter on non-overlapping patches: the cosine depends only on which patches are active. Formula (double precision) against the compiled gradient (single precision), for random filters and for a Laplace filter with a negative bias on smooth images.",
  defaultScale: "paper",
  changes: { paper: ["The paper states the formula without numbers; 50 random cases are checked."], laptop: [], smoke: ["Two cases."] },
  trainings: () => [],
  async measure(lab, scale) {
    const program = compiledSingleFilter(lab.device);
    const measurements: Measurement[] = [];
    const all = cases(scale);
    for (const test of all) {
      const network = makeNetwork(test);
      const formula = singleFilterFormula(network);
      const compiled = await program.cosine(network);
      measurements.push({
        filter: test.filter,
        patches: test.patches,
        patch: test.patch,
        epsilon: `${test.epsilon}/255`,
        seed: test.seed,
        formula: formula.cosine,
        compiled,
        difference: compiled - formula.cosine,
        active: formula.active,
        active_near: formula.activeNear,
        active_both: formula.both,
      });
      await lab.progress(measurements.length, all.length);
    }
    program.dispose();
    return { measurements };
  },
  page({ measurements }) {
    const rows = measurements as unknown as readonly (Measurement & {
      formula: number;
      compiled: number;
      difference: number;
      filter: string;
      epsilon: string;
    })[];
    const worst = Math.max(...rows.map((row) => Math.abs(row.difference)));
    const meanAt = (filter: string, epsilon: string) => {
      const chosen = rows.filter((row) => row.filter === filter && row.epsilon === epsilon);
      return chosen.reduce((sum, row) => sum + row.formula, 0) / chosen.length;
    };
    return {
      claims: [
        {
          text: "The formula gives the compiled gradients' cosine to float accuracy.",
          holds: worst < TOLERANCE,
          evidence: `largest difference ${worst.toExponential(1)} over ${rows.length} cases (tolerance ${TOLERANCE.toExponential()})`,
        },
        {
          text: "With a Laplace filter whose response is mostly negative, noise makes the cosine small; with a random filter it stays high.",
          holds: meanAt("Laplace", "10/255") < 0.4 && meanAt("random", "10/255") > 0.8,
          evidence: `mean cosine at ε = 10/255: Laplace ${decimals(meanAt("Laplace", "10/255"), 2)}, random ${decimals(meanAt("random", "10/255"), 2)}`,
        },
      ],
      comparisons: [],
      sections: [
        {
          title: "Figure",
          figures: [
            {
              id: "eq6",
              title: "The formula against the compiled gradient",
              caption: `${rows.length} cases, seeds ${[...new Set(rows.map((row) => row["seed"]))].join(", ")}; ε from ${rows[0]?.epsilon} to ${rows.at(-1)?.epsilon}. Dashed: equality.`,
              options: {
                ...FIGURE_SIZE,
                height: 330,
                ariaLabel: "Cosine of the compiled gradients by the cosine that equation 6 gives",
                ariaDescription: `All ${rows.length} points are on the diagonal; largest difference ${worst.toExponential(1)}.`,
                x: { label: "cosine by the formula", domain: [0, 1] },
                y: { label: "cosine of the compiled gradients", domain: [0, 1], grid: true },
                color: { domain: [...FILTERS], range: FILTERS.map((_, i) => seriesColor(i)), legend: true },
                marks: [
                  Plot.line(
                    [
                      [0, 0],
                      [1, 1],
                    ],
                    { stroke: "var(--muted)", strokeDasharray: "4,3" },
                  ),
                  Plot.dot(rows, { x: "formula", y: "compiled", stroke: "filter", r: 3.5 }),
                ],
              },
            },
          ],
        },
        {
          title: "All cases",
          tables: [
            {
              title: "Formula and compiled gradient",
              caption: "400 patches of 27 values; active: patches with ⟨w, z⟩ + b ≥ 0 at x, at x + η, and at both.",
              columns: ["filter", "ε", "seed", "formula", "compiled", "difference", "active at x", "at x + η", "at both"],
              rows: rows.map((row) => [
                row.filter,
                row.epsilon,
                row["seed"] as number,
                decimals(row.formula, 7),
                decimals(row.compiled, 7),
                row.difference.toExponential(1),
                row["active"] as number,
                row["active_near"] as number,
                row["active_both"] as number,
              ]),
            },
          ],
        },
      ],
    };
  },
};

/** A case's network, drawn with its seed: patches uniform for a random filter, nearly flat for the Laplace filter. */
function makeNetwork({ filter, patches, patch, epsilon, seed }: Case): SingleFilter {
  let index = 0;
  const key = keyOfSeed(seed);
  const uniform = (): number => (philox([index++, 6, 0, 0], key)[0] >>> 0) / 2 ** 32;
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  const laplace = filter === "Laplace";
  const w = Float32Array.from({ length: patch }, (_, i) => (laplace ? (i % 9 === 4 ? 1 : -1 / 8) : normal()));
  const u = Float32Array.from({ length: patches }, () => 0.05 * normal());
  const z = new Float32Array(patches * patch);
  for (let j = 0; j < patches; j++) {
    const level = uniform();
    for (let i = 0; i < patch; i++) z[j * patch + i] = laplace ? 0.1 + 0.8 * level + 0.03 * uniform() : uniform();
  }
  const eta = Float32Array.from({ length: patches * patch }, () => ((2 * uniform() - 1) * epsilon) / 255);
  return { w, bias: laplace ? -0.03 : 0, u, z, eta };
}
