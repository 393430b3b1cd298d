/** @file Lemma 1: a random step makes FGSM's perturbation shorter. Bound, exact expectation and samples. */
import type { Experiment, Measurement, Scale } from "../paper/experiment.ts";
import { PAPER_NUMBERS } from "../paper/numbers.ts";
import { decimals, deviation, mean } from "../support/statistics.ts";
import { expectedNorm, meanSquare, normBound, sampleNorms } from "../theory/fgsm-rs-norm.ts";

const GRID: Readonly<Record<Scale, { readonly dimensions: readonly number[]; readonly samples: number }>> = {
  paper: { dimensions: [1, 10, 100, 3072], samples: 1000 },
  laptop: { dimensions: [1, 10, 100, 3072], samples: 1000 },
  smoke: { dimensions: [1, 48], samples: 200 },
};
const STEPS = [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2] as const;

/** Lemma 1 in numbers. */
export const lemma1: Experiment = {
  id: "lemma1",
  title: "A random step shortens FGSM's perturbation",
  paper: "Lemma 1, Eq. 4",
  summary: "Mean norm of FGSM-RS's perturbation for every step size: the bound, the exact expectation, and samples of random starts.",
  defaultScale: "paper",
  changes: { paper: ["Adds the exact expectation, which the paper does not give."], laptop: [], smoke: ["200 samples, dimensions 1 and 48."] },
  trainings: () => [],
  async measure(lab, scale) {
    const { dimensions, samples } = GRID[scale];
    const measurements: Measurement[] = [];
    const total = dimensions.length * STEPS.length;
    for (const d of dimensions) {
      for (const alpha of STEPS) {
        const norms = [...(await sampleNorms(lab.device, d, alpha, samples, 0))].map((norm) => norm / Math.sqrt(d));
        measurements.push({
          dimensions: d,
          step_over_epsilon: alpha,
          samples,
          seed: 0,
          bound: normBound(d, 1, alpha) / Math.sqrt(d),
          exact: expectedNorm(d, 1, alpha) / Math.sqrt(d),
          sampled: mean(norms),
          standard_error: deviation(norms) / Math.sqrt(samples),
          sampled_square: mean(norms.map((norm) => norm ** 2)),
          exact_square: meanSquare(1, alpha),
        });
        await lab.progress(measurements.length, total);
      }
    }
    return { measurements };
  },
  page({ measurements }) {
    const rows = measurements as readonly Record<string, number>[];
    const numbers = PAPER_NUMBERS.lemma1;
    const largest = Math.max(...rows.map((row) => row["dimensions"] as number));
    const at = (alpha: number) => rows.find((row) => row["step_over_epsilon"] === alpha && row["dimensions"] === largest) as Record<string, number>;
    const errors = rows.map((row) => Math.abs((row["sampled"] as number) - (row["exact"] as number)) / Math.max(row["standard_error"] as number, 1e-7));
    const squares = rows
      .filter((row) => row["dimensions"] === largest)
      .map((row) => Math.abs((row["sampled_square"] as number) / (row["exact_square"] as number) - 1));
    const basis = `d = ${largest}, ${rows[0]?.["samples"]} samples, seed 0`;
    const compare = (quantity: string, alpha: number, paper: (typeof numbers)["boundAtZero"]) => ({
      quantity,
      paper,
      ours: `${decimals(at(alpha)["sampled"], 4)} (bound ${decimals(at(alpha)["bound"], 4)})`,
      basis,
      agrees: Math.abs((at(alpha)["bound"] as number) - paper.value) < 1e-4,
    });
    return {
      claims: [
        {
          text: "E‖δ‖₂ never exceeds the bound √d · √(−α³/6ε + α²/2 + ε²/3).",
          holds: rows.every((row) => (row["exact"] as number) <= (row["bound"] as number) * (1 + 1e-9)),
          evidence: `exact expectation, ${rows.length} combinations of d and α`,
        },
        {
          text: "The bound's square is the expected squared norm.",
          holds: Math.max(...squares) < 0.05,
          evidence: `d = ${largest}: the samples' mean square is within ${decimals(100 * Math.max(...squares), 2)} % of it at every step size`,
        },
        {
          text: "The bound becomes tight for high-dimensional inputs.",
          holds: (at(1)["bound"] as number) / (at(1)["exact"] as number) < 1.001 || largest < 1000,
          evidence: `α = ε: bound ÷ expectation is ${decimals((at(1)["bound"] as number) / (at(1)["exact"] as number), 5)} for d = ${largest}`,
        },
        {
          text: "Samples agree with the exact expectation.",
          holds: Math.max(...errors) < 4.5,
          evidence: `largest deviation ${decimals(Math.max(...errors), 1)} standard errors`,
        },
      ],
      comparisons: [
        compare("E‖δ‖₂ / (√d ε) at α = 0", 0, numbers.boundAtZero),
        compare("E‖δ‖₂ / (√d ε) at α = 1.25 ε", 1.25, numbers.boundAtRecommended),
        compare("E‖δ‖₂ / (√d ε) at α = 2 ε", 2, numbers.boundAtTwo),
        {
          quantity: "E‖δ‖₂ / √d at ε = 8/255, α = 1.25 ε, in steps of 1/255",
          paper: numbers.levelsAtRecommended,
          ours: decimals(8 * (at(1.25)["sampled"] as number), 3),
          basis,
          agrees: Math.abs(8 * (at(1.25)["sampled"] as number) - 7) < 0.25,
          remark: "The paper rounds to “about 7/255”.",
        },
      ],
      sections: [
        {
          title: "In numbers",
          tables: [
            {
              title: "Norms divided by √d ε",
              caption:
                "Sampled: mean of the norms of Eq. 3's perturbations, whose gradient signs vary from coordinate to coordinate; SE is its standard error.",
              columns: ["d", "α / ε", "bound", "exact", "sampled", "SE"],
              rows: rows.map((row) => [
                row["dimensions"] as number,
                row["step_over_epsilon"] as number,
                ...["bound", "exact", "sampled", "standard_error"].map((key) => decimals(row[key], 5)),
              ]),
            },
          ],
        },
      ],
    };
  },
};
