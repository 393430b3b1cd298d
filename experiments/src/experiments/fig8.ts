/** @file Figure 8: accuracy and robustness of six methods against the radius on CIFAR-10 and SVHN. */
import type { Experiment } from "../paper/experiment.ts";
import { attackedGrid, outcomesIn } from "../support/outcomes.ts";
import { RESNET_CHANGES, resnetTraining } from "../support/resnet-grid.ts";
import {
  COMPARISON_CHANGE,
  type Compared,
  comparisonCells,
  curveComparisons,
  reference,
  robustnessFigure,
  robustnessTable,
} from "../support/robustness-curves.ts";
import { mean, percent } from "../support/statistics.ts";

const DATASETS: readonly Compared[] = ["cifar10", "svhn"];
const NAMES: Readonly<Record<Compared, string>> = { cifar10: "CIFAR-10", svhn: "SVHN" };

/** Figure 8. */
export const fig8: Experiment = {
  id: "fig8",
  title: "Accuracy and robustness on CIFAR-10 and SVHN",
  paper: "Figure 8, section 5",
  summary: "Clean and PGD-50-10 accuracy of six training methods on two data sets against the radius, without early stopping.",
  defaultScale: "laptop",
  changes: {
    paper: RESNET_CHANGES.paper,
    laptop: [...RESNET_CHANGES.laptop, COMPARISON_CHANGE, "CIFAR-10 alone."],
    smoke: [...RESNET_CHANGES.smoke, "ε = 8/255 alone, and on SVHN FGSM alone."],
  },
  ...attackedGrid(
    (scale) => comparisonCells(scale, DATASETS),
    (scale, cell) => resnetTraining(scale, cell, ["last"]),
  ),
  page({ measurements }, scale) {
    const rows = outcomesIn(measurements);
    const datasets = DATASETS.filter((dataset) => rows.some((row) => row.dataset === dataset));
    const { key: multi, label: multiStep } = reference(rows);
    const told = scale !== "smoke";
    return {
      claims: datasets.flatMap((dataset) => {
        const own = rows.filter((row) => row.dataset === dataset);
        const largest = Math.max(...own.map((row) => row.eps));
        const at = (method: string): number[] => own.filter((row) => row.method === method && row.eps === largest).map((row) => row.robust);
        return [
          {
            text: `${NAMES[dataset]}: at the largest radius GradAlign keeps FGSM training robust where FGSM and FGSM-RS fail.`,
            holds: told ? mean(at("fgsm-gradalign")) > 2 * Math.max(mean(at("fgsm")), mean(at("fgsm-rs"))) : null,
            evidence: `ε = ${largest}/255: FGSM ${percent(at("fgsm"))}, FGSM-RS ${percent(at("fgsm-rs"))}, FGSM + GradAlign ${percent(at("fgsm-gradalign"))}, ${multiStep} ${percent(at(multi))}`,
          },
        ];
      }),
      comparisons: curveComparisons(rows, scale, ["pgd-50-10", "clean"]),
      sections: [
        {
          title: "Figure",
          figures: datasets.map((dataset) =>
            robustnessFigure(
              rows.filter((row) => row.dataset === dataset),
              { id: `fig8-${dataset}`, title: NAMES[dataset], clean: true },
            ),
          ),
          tables: datasets.map((dataset) =>
            robustnessTable(
              rows.filter((row) => row.dataset === dataset),
              NAMES[dataset],
            ),
          ),
        },
      ],
    };
  },
};
