/** @file The final accuracies of a grid as rows, and their means over seeds. */
import type { FinalAttack, Lab, Measurement, Training } from "../experiment.ts";
import type { Cell } from "./resnet-grid.ts";
import { radius } from "./statistics.ts";

/** The outcome of each of a training's attacks, with all it depends on. */
export function outcomeRows(lab: Lab, cell: Cell, training: Training, attacks: readonly FinalAttack[] = training.attacks): Measurement[] {
  const finished = lab.finished(training);
  const collapse = finished.overfitting?.epoch ?? null;
  return attacks.map((attack) => {
    const { cleanAccuracy, robustAccuracy, confidence95, n } = finished.attacked(attack);
    return {
      quantity: "accuracy",
      training: finished.id,
      dataset: training.config.dataset,
      method: cell.method,
      epsilon: `${cell.eps}/255`,
      eps: cell.eps,
      seed: cell.seed,
      epochs: training.config.epochs,
      model: attack.which,
      attack: attack.attack,
      attack_epsilon: radius(attack.epsilon),
      n,
      clean: cleanAccuracy,
      robust: robustAccuracy,
      robust_low: confidence95[0],
      robust_high: confidence95[1],
      overfitting_epoch: collapse,
      batch_norm: training.config.model.name === "cnn" ? "none in this network" : "running statistics",
    };
  });
}

/** A row of {@link outcomeRows}. */
export interface Outcome {
  readonly quantity: string;
  readonly training: string;
  readonly dataset: string;
  readonly method: string;
  readonly epsilon: string;
  readonly eps: number;
  readonly seed: number;
  readonly epochs: number;
  readonly model: "last" | "best";
  readonly attack: string;
  readonly attack_epsilon: string;
  readonly n: number;
  readonly clean: number;
  readonly robust: number;
  readonly overfitting_epoch: number | null;
}

/** The outcomes among some rows. */
export function outcomesIn(rows: readonly Measurement[]): Outcome[] {
  return rows.filter((row) => row["quantity"] === "accuracy") as unknown as Outcome[];
}

/** Attack, images, seeds and radius behind a number, in words. */
export function basisOf(rows: readonly Outcome[]): string {
  const [first] = rows;
  if (!first) return "not measured";
  const seeds = rows.map(({ seed }) => seed);
  return `${first.attack.toUpperCase()}, ε = ${first.attack_epsilon}, n = ${first.n}, ${first.model} model, seed${seeds.length > 1 ? "s" : ""} ${seeds.join(", ")}`;
}
