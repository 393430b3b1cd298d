/** @file Appendix D.2: what early stopping costs in clean accuracy. */
import type { Experiment } from "../paper/experiment.ts";
import { outcomesIn } from "../support/outcomes.ts";
import { gridMethod } from "../support/resnet-grid.ts";
import { curveComparisons, LAST_AND_BEST, reference, robustnessFigure, robustnessTable, valuesAt } from "../support/robustness-curves.ts";
import { decimals, mean, percent } from "../support/statistics.ts";

/** Appendix D.2. */
export const earlyStopping: Experiment = {
  id: "early-stopping",
  title: "What early stopping costs",
  paper: "Appendix D.2",
  summary: "Clean and robust accuracy of the models that early stopping keeps, against the last ones, on CIFAR-10.",
  ...LAST_AND_BEST,
  page({ measurements }, scale) {
    const rows = outcomesIn(measurements);
    const of = (model: "last" | "best") => rows.filter((row) => row.model === model);
    const largest = Math.max(...rows.map((row) => row.eps));
    const clean = valuesAt(rows, "clean", largest);
    const { key: multi, label: multiStep } = reference(rows);
    const methods = [...new Set(rows.map(({ method }) => method))];
    const told = scale !== "smoke";
    return {
      claims: [
        {
          text: `Where FGSM overfits, early stopping keeps some robustness at the price of much clean accuracy; GradAlign's clean accuracy is ${multiStep}'s.`,
          holds: told
            ? mean(clean("fgsm", "best")) < mean(clean("fgsm-gradalign", "last")) &&
              Math.abs(mean(clean("fgsm-gradalign", "last")) - mean(clean(multi, "last"))) < 0.05
            : null,
          evidence: `clean accuracy at ε = ${largest}/255: FGSM stopped early ${percent(clean("fgsm", "best"))}, GradAlign ${percent(clean("fgsm-gradalign", "last"))}, ${multiStep} ${percent(clean(multi, "last"))}`,
        },
      ],
      comparisons: curveComparisons(of("best"), scale, ["pgd-50-10"]),
      sections: [
        {
          title: "With early stopping",
          figures: [
            robustnessFigure(of("best"), { id: "stopped", title: "Stopped early", clean: true }),
            robustnessFigure(of("last"), { id: "not-stopped", title: "Not stopped", clean: true }),
          ],
          tables: [
            {
              title: "Difference that stopping makes, in points",
              columns: ["method", "ε", "clean", "under attack"],
              rows: methods.flatMap((method) =>
                [...new Set(rows.map((row) => row.eps))].flatMap((eps) => {
                  const pick = (model: "last" | "best", key: "clean" | "robust") => mean(valuesAt(rows, key, eps)(method, model));
                  const change = (key: "clean" | "robust") => 100 * (pick("best", key) - pick("last", key));
                  return [[gridMethod(method).label, `${eps}/255`, decimals(change("clean"), 1), decimals(change("robust"), 1)]];
                }),
              ),
            },
            robustnessTable(rows, "All numbers"),
          ],
        },
      ],
    };
  },
};
