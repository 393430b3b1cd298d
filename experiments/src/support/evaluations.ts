/** @file A run's evaluations as rows of a CSV file, and back. */
import type { Evaluation } from "@gradalign/robustness";
import type { FinishedTraining, Measurement } from "../paper/experiment.ts";
import { radius } from "./statistics.ts";

const QUANTITY = "evaluation";

/** One row per evaluation during a training, with what its numbers depend on. */
export function evaluationRows({ id, config, evaluations }: FinishedTraining): Measurement[] {
  return evaluations.map(({ filter_norms: _, outgoing_norms: __, seconds: ___, ...rest }) => ({
    quantity: QUANTITY,
    training: id,
    method: config.method.name,
    seed: config.seed,
    epsilon: radius(config.epsilon),
    n: config.evalExamples,
    attack: "fgsm, pgd-10",
    batch_norm: config.model.name === "cnn" ? "none in this network" : "running statistics",
    ...rest,
  }));
}

/** The evaluations among some rows, of one training if its id is given. */
export function rowsAsEvaluations(rows: readonly Measurement[], training?: string): Evaluation[] {
  return rows.filter((row) => row["quantity"] === QUANTITY && (training === undefined || row["training"] === training)) as unknown as Evaluation[];
}
