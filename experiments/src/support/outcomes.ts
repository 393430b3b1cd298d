/** @file The final accuracies of a grid as rows, and their means over seeds. */
import type { Comparison, Experiment, Lab, Measurement, PaperNumber, Scale, Training } from "../paper/experiment.ts";
import { type Cell, gridMethod } from "./resnet-grid.ts";
import { decimals, mean, percent, radius } from "./statistics.ts";

/** The outcome of each of a training's attacks, with all it depends on. */
export function outcomeRows(lab: Lab, cell: Cell, training: Training): Measurement[] {
  const finished = lab.finished(training);
  const collapse = finished.overfitting?.epoch ?? null;
  return training.attacks.map((attack) => {
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
      ...(finished.alarms && { alarm_epoch: finished.alarms[0] ?? null }),
      diverged: finished.diverged !== null && attack.which === "last",
      batch_norm: training.config.model.name === "cnn" ? "none in this network" : "running statistics",
    };
  });
}

/** Grid and measurement of an experiment that is about the outcomes of its trainings' attacks. */
export function attackedGrid(
  cells: (scale: Scale) => readonly Cell[],
  train: (scale: Scale, cell: Cell) => Training,
): Pick<Experiment, "trainings" | "measure"> {
  return {
    trainings: (scale) => cells(scale).map((cell) => train(scale, cell)),
    async measure(lab, scale) {
      return { measurements: cells(scale).flatMap((cell) => outcomeRows(lab, cell, train(scale, cell))) };
    },
  };
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
  /** When the guard first alarmed; absent where it did not watch. */
  readonly alarm_epoch?: number | null;
  /** Whether the model's numbers were not finite: it counts as having no right answers. */
  readonly diverged?: boolean;
}

/** The epoch of catastrophic overfitting, or that the run diverged, for a table. */
export function collapseOf({ overfitting_epoch, diverged }: Outcome): string {
  return diverged ? "diverged" : decimals(overfitting_epoch, 1);
}

/** Names the runs among the rows that diverged, for a caption; nothing if there are none. */
export function divergedWords(rows: readonly Outcome[]): string {
  const names = new Set(rows.filter((row) => row.diverged).map(({ method, epsilon, seed }) => `${gridMethod(method).label}, ε = ${epsilon}, seed ${seed}`));
  return names.size === 0 ? "" : ` Diverged, and counted as 0 %: ${[...names].join("; ")}.`;
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

/** Accuracies of the paper beside ours, a method per paper's number. */
export function methodComparisons(
  papers: Readonly<Record<string, PaperNumber>>,
  rowsOf: (method: string) => readonly Outcome[],
  stopping: string,
  scale: Scale,
): Comparison[] {
  return Object.entries(papers).map(([method, paper]) => {
    const robust = rowsOf(method).map((row) => row.robust);
    return {
      quantity: `${gridMethod(method).label}, ${stopping}`,
      paper,
      ours: percent(robust),
      basis: basisOf(rowsOf(method)),
      agrees: scale === "paper" ? Math.abs(100 * mean(robust) - paper.value) < 2 : null,
      ...(scale === "paper" ? {} : { remark: "Another network, radius or length of training: only the order can be compared." }),
    };
  });
}
