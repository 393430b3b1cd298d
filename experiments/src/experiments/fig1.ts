/** @file Figure 1: robustness of six methods against the radius on CIFAR-10, without and with early stopping. */
import type { Experiment } from "../paper/experiment.ts";
import { outcomesIn } from "../support/outcomes.ts";
import { curveComparisons, LAST_AND_BEST, reference, robustnessFigure, robustnessTable, valuesAt } from "../support/robustness-curves.ts";
import { mean, percent } from "../support/statistics.ts";

/** Figure 1. */
export const fig1: Experiment = {
  id: "fig1",
  title: "Robustness of fast adversarial training",
  paper: "Figure 1, section 1",
  summary: "PGD-50-10 accuracy of six training methods on CIFAR-10 against the radius, for the last model and for the one that early stopping keeps.",
  ...LAST_AND_BEST,
  page({ measurements }, scale) {
    const rows = outcomesIn(measurements);
    const of = (model: "last" | "best") => rows.filter((row) => row.model === model);
    const largest = Math.max(...rows.map((row) => row.eps));
    const at = valuesAt(rows, "robust", largest);
    const { key: multi, label: multiStep } = reference(rows);
    const told = scale !== "smoke";
    return {
      claims: [
        {
          text: "Without early stopping, FGSM and FGSM-RS overfit catastrophically at large radii; FGSM + GradAlign does not.",
          holds: told ? mean(at("fgsm-gradalign", "last")) > 2 * Math.max(mean(at("fgsm", "last")), mean(at("fgsm-rs", "last"))) : null,
          evidence: `ε = ${largest}/255: FGSM ${percent(at("fgsm", "last"))}, FGSM-RS ${percent(at("fgsm-rs", "last"))}, FGSM + GradAlign ${percent(at("fgsm-gradalign", "last"))}`,
        },
        {
          text: `FGSM + GradAlign comes close to ${multiStep}.`,
          holds: told ? mean(at(multi, "last")) - mean(at("fgsm-gradalign", "last")) < 0.07 : null,
          evidence: `ε = ${largest}/255: ${multiStep} ${percent(at(multi, "last"))}`,
        },
        {
          text: `With early stopping a gap to ${multiStep} remains at large radii.`,
          holds: told ? mean(at(multi, "best")) > mean(at("fgsm-rs", "best")) && mean(at(multi, "best")) > mean(at("fgsm", "best")) : null,
          evidence: `ε = ${largest}/255, best models: FGSM ${percent(at("fgsm", "best"))}, FGSM-RS ${percent(at("fgsm-rs", "best"))}, ${multiStep} ${percent(at(multi, "best"))}`,
        },
      ],
      comparisons: curveComparisons(rows, scale, ["pgd-50-10"]),
      sections: [
        {
          title: "Figure",
          figures: [
            robustnessFigure(of("last"), { id: "fig1-last", title: "Without early stopping", clean: false }),
            robustnessFigure(of("best"), { id: "fig1-best", title: "With early stopping", clean: false }),
          ],
          tables: [robustnessTable(rows, "In numbers")],
        },
      ],
    };
  },
};
