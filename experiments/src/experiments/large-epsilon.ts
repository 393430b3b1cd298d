/** @file Appendix D.4, first part: FGSM + GradAlign at radii 24/255 and 32/255. */
import type { Experiment, Scale } from "../paper/experiment.ts";
import { accuracyTable } from "../support/one-number.ts";
import { gridMethod } from "../support/resnet-grid.ts";
import { percent } from "../support/statistics.ts";

/** With the schedule of λ continued, and with what it is at 16/255. */
const ALIGNED = ["fgsm-gradalign", "fgsm-gradalign, λ = 2"] as const;
const METHODS: Readonly<Record<Scale, readonly string[]>> = {
  paper: [...ALIGNED, "pgd-10"],
  laptop: [...ALIGNED, "pgd-2"],
  smoke: ["fgsm-gradalign"],
};
const SEEDS: Readonly<Record<Scale, readonly number[]>> = { paper: [0, 1, 2, 3, 4], laptop: [0], smoke: [0] };

const LAMBDA =
  "λ is FGSM + GradAlign's schedule continued (20 and 200), and beside it 2, its value at 16/255; the paper does not say what it used at these radii.";

/** Large radii of appendix D.4. */
export const largeEpsilon: Experiment = accuracyTable({
  id: "large-epsilon",
  title: "Radii of 24/255 and 32/255",
  paper: "Appendix D.4, section 5",
  summary: "FGSM + GradAlign, and multi-step training beside it, at radii twice and more those of the other experiments.",
  cells: (scale) =>
    METHODS[scale].flatMap((method) => (scale === "smoke" ? [24] : [24, 32]).flatMap((eps) => SEEDS[scale].map((seed) => ({ method, eps, seed })))),
  changes: {
    paper: [LAMBDA],
    laptop: [LAMBDA, "One seed; PGD-2 instead of PGD-10."],
    smoke: ["ε = 24/255 alone."],
  },
  claims(rows, scale) {
    const last = (method: string) => rows.filter((row) => row.method === method && row.model === "last");
    return [
      {
        text: "FGSM + GradAlign does not overfit catastrophically even at these radii, with one of the weights tried.",
        holds: scale === "smoke" ? null : ALIGNED.some((method) => last(method).every((row) => row.overfitting_epoch === null && !row.diverged)),
        evidence: ALIGNED.flatMap(last)
          .map((row) => `${gridMethod(row.method).label}, ε = ${row.epsilon}, seed ${row.seed}: ${percent(row.robust)}`)
          .join("; "),
      },
    ];
  },
});
