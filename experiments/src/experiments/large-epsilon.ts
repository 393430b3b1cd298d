/** @file Appendix D.4, first part: FGSM + GradAlign at radii 24/255 and 32/255. */
import type { Experiment, Scale } from "../paper/experiment.ts";
import { accuracyTable } from "../support/one-number.ts";
import { percent } from "../support/statistics.ts";

const METHODS: Readonly<Record<Scale, readonly string[]>> = {
  paper: ["fgsm-gradalign", "pgd-10"],
  laptop: ["fgsm-gradalign", "pgd-2"],
  smoke: ["fgsm-gradalign"],
};
const SEEDS: Readonly<Record<Scale, readonly number[]>> = { paper: [0, 1, 2, 3, 4], laptop: [0], smoke: [0] };

/** Large radii of appendix D.4. */
export const largeEpsilon: Experiment = accuracyTable({
  id: "large-epsilon",
  title: "Radii of 24/255 and 32/255",
  paper: "Appendix D.4, section 5",
  summary: "FGSM + GradAlign, and multi-step training beside it, at radii twice and more those of the other experiments.",
  cells: (scale) =>
    METHODS[scale].flatMap((method) => (scale === "smoke" ? [24] : [24, 32]).flatMap((eps) => SEEDS[scale].map((seed) => ({ method, eps, seed })))),
  changes: {
    paper: ["λ is FGSM + GradAlign's schedule continued (20 and 200); the paper does not say what it used at these radii."],
    laptop: ["λ is FGSM + GradAlign's schedule continued (20 and 200); one seed; PGD-2 instead of PGD-10."],
    smoke: ["ε = 24/255 alone."],
  },
  claims(rows, scale) {
    const own = rows.filter((row) => row.method === "fgsm-gradalign" && row.model === "last");
    return [
      {
        text: "FGSM + GradAlign does not overfit catastrophically even at these radii.",
        holds: scale === "smoke" ? null : own.every((row) => row.overfitting_epoch === null && !row.diverged),
        evidence: own.map((row) => `ε = ${row.epsilon}, seed ${row.seed}: ${percent(row.robust)}`).join("; "),
      },
    ];
  },
});
