/** @file What a page says of each way in which a run can end. */
import type { Outcome } from "@gradalign/robustness";

/** The words, by outcome. */
export const VERDICTS: Readonly<Record<Outcome["kind"], string>> = {
  healthy: "No catastrophic overfitting",
  overfitted: "Catastrophic overfitting",
  diverged: "The training diverged",
  "learned nothing": "The model learned nothing",
  "not robust": "Not robust",
};
