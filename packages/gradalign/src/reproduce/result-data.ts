/** @file What an experiment's data.json holds. */
import type { Comparison, Findings, Page, Scale } from "@gradalign/experiments";
import type { TrainConfig } from "@gradalign/robustness";
import type { DataKind, Provenance } from "@gradalign/runs/node";
import type { DoneBy } from "./grid.ts";

/** Everything data.json holds; the page is made from it alone. */
export interface Results {
  readonly experiment: string;
  readonly title: string;
  readonly paper: string;
  readonly scale: Scale;
  /** What the scale changed of the paper's setting. */
  readonly changes: readonly string[];
  /** The command that gives these results again. */
  readonly command: string;
  readonly provenance: Provenance & { readonly backend: string; readonly threads: number };
  readonly trainings: readonly {
    readonly id: string;
    readonly label: string;
    readonly data: DataKind;
    readonly doneBy: DoneBy;
    readonly config: TrainConfig;
  }[];
  readonly findings: Findings;
  readonly claims: Page["claims"];
  readonly comparisons: readonly Comparison[];
}
