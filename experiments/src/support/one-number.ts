/** @file Experiments that are a table of trainings and their final accuracies: what appendices D.4 and D.5 share. */
import type { Comparison, Experiment, Page, Scale } from "../paper/experiment.ts";
import { attackedGrid, collapseOf, type Outcome, outcomesIn } from "./outcomes.ts";
import { type Cell, gridMethod, RESNET_CHANGES, resnetTraining } from "./resnet-grid.ts";
import { percent } from "./statistics.ts";

/** How such an experiment is declared. */
export interface AccuracyTableOptions extends Pick<Experiment, "id" | "title" | "paper" | "summary"> {
  readonly cells: (scale: Scale) => readonly Cell[];
  /** What the scales change besides the network and the data. */
  readonly changes: Readonly<Record<Scale, readonly string[]>>;
  readonly claims: (rows: readonly Outcome[], scale: Scale) => Page["claims"];
  readonly comparisons?: (rows: readonly Outcome[], scale: Scale) => readonly Comparison[];
}

/** An experiment whose page is a table of last and best models. */
export function accuracyTable({ cells, changes, claims, comparisons, ...words }: AccuracyTableOptions): Experiment {
  return {
    ...words,
    defaultScale: "laptop",
    changes: {
      paper: [...RESNET_CHANGES.paper, ...changes.paper],
      laptop: [...RESNET_CHANGES.laptop, ...changes.laptop],
      smoke: [...RESNET_CHANGES.smoke, ...changes.smoke],
    },
    ...attackedGrid(cells, (scale, cell) => resnetTraining(scale, cell, ["last", "best"])),
    page({ measurements }, scale) {
      const rows = outcomesIn(measurements);
      return {
        claims: claims(rows, scale),
        comparisons: comparisons?.(rows, scale) ?? [],
        sections: [
          {
            title: "Each training",
            tables: [
              {
                title: "Accuracies",
                columns: ["method", "ε", "epochs", "seed", "model", "clean", "under attack", "attack", "n", "overfits at epoch"],
                rows: rows.map((row) => [
                  gridMethod(row.method).label,
                  row.epsilon,
                  row.epochs,
                  row.seed,
                  row.model,
                  percent(row.clean),
                  percent(row.robust),
                  row.attack.toUpperCase(),
                  row.n,
                  collapseOf(row),
                ]),
              },
            ],
          },
        ],
      };
    },
  };
}
