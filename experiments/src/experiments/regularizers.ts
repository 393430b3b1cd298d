/** @file Appendix D.5: GradAlign against regularisers of the input gradient's size and of the curvature. */
import type { Experiment, Scale } from "../paper/experiment.ts";
import { accuracyTable } from "../support/one-number.ts";
import { gridMethod } from "../support/resnet-grid.ts";
import { mean, percent } from "../support/statistics.ts";

const METHODS = ["cure", "grad-norm", "llr-2", "fgsm-gradalign"] as const;
const GRID: Readonly<Record<Scale, { readonly radii: readonly number[]; readonly seeds: readonly number[] }>> = {
  paper: { radii: [8, 16], seeds: [0, 1, 2, 3, 4] },
  laptop: { radii: [8, 16], seeds: [0] },
  smoke: { radii: [8], seeds: [0] },
};

/** Appendix D.5. */
export const regularizers: Experiment = accuracyTable({
  id: "regularizers",
  title: "GradAlign and other regularisers",
  paper: "Appendix D.5",
  summary: "FGSM training with CURE or with a penalty on the gradient's norm, and LLR with two steps, beside FGSM + GradAlign.",
  cells: (scale) => METHODS.flatMap((method) => GRID[scale].radii.flatMap((eps) => GRID[scale].seeds.map((seed) => ({ method, eps, seed })))),
  changes: {
    paper: [
      "The paper's weights of these regularisers are not known: for CURE and the gradient norm those of a later comparison are used, for LLR its authors'.",
    ],
    laptop: [
      "One seed. The paper's weights of these regularisers are not known: for CURE and the gradient norm those of a later comparison are used, for LLR its authors'.",
    ],
    smoke: [],
  },
  claims(rows, scale) {
    const largest = Math.max(...rows.map((row) => row.eps));
    const robust = (method: string): number[] =>
      rows.filter((row) => row.method === method && row.eps === largest && row.model === "last").map((row) => row.robust);
    const others = METHODS.filter((method) => method !== "fgsm-gradalign");
    return [
      {
        text: "GradAlign, which is invariant to the gradient's norm, gives more robustness than regularisers that act on it.",
        holds: scale === "smoke" ? null : others.every((method) => mean(robust("fgsm-gradalign")) > mean(robust(method))),
        evidence: `ε = ${largest}/255: ${METHODS.map((method) => `${gridMethod(method).label} ${percent(robust(method))}`).join(", ")}`,
      },
    ];
  },
});
