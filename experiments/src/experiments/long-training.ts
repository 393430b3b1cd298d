/** @file Appendix D.4, second part: FGSM + GradAlign trained for up to 200 epochs. */
import type { Experiment, Scale } from "../paper/experiment.ts";
import { accuracyTable } from "../support/one-number.ts";
import { shortened } from "../support/resnet-grid.ts";
import { mean, percent } from "../support/statistics.ts";

const EPOCHS: Readonly<Record<Scale, readonly number[]>> = { paper: [30, 50, 100, 200], laptop: [30, 60, 120], smoke: [60] };
const SEEDS: Readonly<Record<Scale, readonly number[]>> = { paper: [0, 1, 2, 3, 4], laptop: [0], smoke: [0] };

/** Long training of appendix D.4. */
export const longTraining: Experiment = accuracyTable({
  id: "long-training",
  title: "Training for longer",
  paper: "Appendix D.4, section 5",
  summary:
    "FGSM + GradAlign at ε = 8/255 with more and more epochs: no catastrophic overfitting, but slightly less robustness on test images (robust overfitting).",
  cells: (scale) => EPOCHS[scale].flatMap((epochs) => SEEDS[scale].map((seed) => ({ method: "fgsm-gradalign", eps: 8, seed, epochs }))),
  changes: {
    paper: ["The paper says “up to 200 epochs”; 30, 50, 100 and 200 are used."],
    laptop: [`${EPOCHS.laptop.map(shortened).join(", ")} epochs for the paper's ${EPOCHS.laptop.join(", ")}; one seed.`],
    smoke: [],
  },
  claims(rows, scale) {
    const last = rows.filter((row) => row.model === "last");
    const epochs = [...new Set(last.map((row) => row.epochs))].sort((a, b) => a - b);
    const robust = (count: number | undefined): number[] => last.filter((row) => row.epochs === count).map((row) => row.robust);
    const evidence = epochs.map((count) => `${count} epoch${count === 1 ? "" : "s"}: ${percent(robust(count))}`).join("; ");
    return [
      {
        text: "FGSM + GradAlign does not overfit catastrophically however long it is trained.",
        holds: scale === "smoke" ? null : last.every((row) => row.overfitting_epoch === null && !row.diverged),
        evidence,
      },
      {
        text: "Training longer leads to slightly worse robustness on test images.",
        holds: scale === "smoke" ? null : mean(robust(epochs.at(-1))) < mean(robust(epochs[0])),
        evidence,
      },
    ];
  },
});
