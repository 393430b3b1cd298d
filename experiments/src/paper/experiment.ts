/**
 * @file What an experiment of the paper is: the trainings it needs, what is measured on them, and the page that shows it.
 *
 * An experiment says nothing of folders, processes or progress: whoever runs it hands it a {@link Lab}.
 */

import type { Evaluation, ImageDataset, JsonObject, Model, Overfitting, Params, RobustnessReport, TrainConfig } from "@gradalign/robustness";
import type { FigureOptions } from "@gradalign/runs";
import type { Device } from "@gradalign/tensor";

/** How large an experiment is run: as in the paper; in minutes to hours on two cores; in seconds, as a test. */
export type Scale = "paper" | "laptop" | "smoke";

/** Every scale, largest first. */
export const SCALES: readonly Scale[] = ["paper", "laptop", "smoke"];

/** An attack on a saved model after training. */
export interface FinalAttack {
  /** As `attackPlan` reads it, e.g. `pgd-50-10`. */
  readonly attack: string;
  /** Radius in pixel units [0, 1]. */
  readonly epsilon: number;
  /** The first so many test images. */
  readonly examples: number;
  /** The last parameters, or those of the paper's early stopping. */
  readonly which: "last" | "best";
}

/** One training of an experiment's grid; experiments that need the same one share it. */
export interface Training {
  /** Short name, e.g. `fgsm, ε = 8/255, seed 0`. */
  readonly label: string;
  readonly config: TrainConfig;
  readonly attacks: readonly FinalAttack[];
}

/** Parameters and statistics of a saved model. */
export interface SavedParameters {
  readonly model: Model;
  readonly params: Params;
  readonly state: Params;
  readonly iteration: number;
}

/** A training that is done. */
export interface FinishedTraining {
  /** Its content address: method, radius, seed and a hash of all settings. */
  readonly id: string;
  readonly config: TrainConfig;
  readonly evaluations: readonly Evaluation[];
  readonly overfitting: Overfitting | null;
  /** Epochs of the guard's alarms; null when it did not watch. */
  readonly alarms: readonly number[] | null;
  /** Why it ended early, if its numbers were not finite any more; its last model then has no right answers. */
  readonly diverged: string | null;
  /** The outcome of one of the training's attacks. */
  attacked(attack: FinalAttack): Pick<RobustnessReport, "cleanAccuracy" | "robustAccuracy" | "confidence95" | "n">;
  load(which: "last" | "best"): SavedParameters;
}

/** What an experiment measures with. */
export interface Lab {
  readonly device: Device;
  readonly signal: AbortSignal;
  dataset(name: string): Promise<ImageDataset>;
  /** Whether a training and its attacks are done; for experiments whose page may be `partial`. */
  isFinished(training: Training): boolean;
  finished(training: Training): FinishedTraining;
  /** Tells how far the measurement has come; lets the process breathe. */
  progress(done: number, total: number): Promise<void>;
}

/** One measured number with all that it depends on; a row of the CSV file. */
export type Measurement = Readonly<Record<string, string | number | boolean | null>>;

/** All an experiment found, as plain JSON; its page is made from this alone. */
export interface Findings {
  readonly measurements: readonly Measurement[];
  /** What has no place in a table, such as filters. */
  readonly details?: JsonObject;
}

/** A number of the paper and where it was taken from. */
export interface PaperNumber {
  readonly value: number;
  readonly unit?: "%" | "epoch";
  /** Standard deviation over the paper's seeds, in the same unit. */
  readonly deviation?: number;
  readonly where: string;
  readonly trust: Trust;
}

/** How sure we are of a number of the paper. */
export type Trust = "printed" | "read-off" | "derived";

/** A number of the paper beside ours. */
export interface Comparison {
  readonly quantity: string;
  readonly paper: PaperNumber | null;
  /** Ours, written out with its unit; a dash when it was not measured. */
  readonly ours: string;
  /** Number of images, seeds and the like behind our number. */
  readonly basis: string;
  /** Whether they agree; null when they cannot be compared. */
  readonly agrees: boolean | null;
  readonly remark?: string;
}

/** A statement of the paper and whether it holds here. */
export interface Claim {
  readonly text: string;
  /** null: this scale cannot tell. */
  readonly holds: boolean | null;
  readonly evidence: string;
}

/** A figure, before it is drawn. */
export interface Figure {
  readonly id: string;
  readonly title: string;
  readonly caption: string;
  readonly wide?: boolean;
  readonly options: FigureOptions;
}

/** A table; numbers are set flush right. */
export interface Table {
  readonly title: string;
  readonly caption?: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number | null)[])[];
  /** Whether it is sorted by a column where its head is clicked at. */
  readonly sortable?: boolean;
}

/** A part of a page. */
export interface Section {
  readonly title: string;
  readonly text?: string;
  readonly figures?: readonly Figure[];
  readonly tables?: readonly Table[];
}

/** What an experiment's page says. */
export interface Page {
  readonly claims: readonly Claim[];
  readonly comparisons: readonly Comparison[];
  readonly sections: readonly Section[];
}

/** An experiment: one file, one line in the registry. */
export interface Experiment {
  readonly id: string;
  readonly title: string;
  /** Its place in the paper, e.g. `Figure 5, section 4`. */
  readonly paper: string;
  /** What it shows, in a sentence or two. */
  readonly summary: string;
  /** The scale that is run unless another is asked for. */
  readonly defaultScale: Scale;
  /** Whether it can be measured, and its page made, of those trainings that are finished. */
  readonly partial?: boolean;
  /** What each scale changes of the paper's setting, as sentences; for `paper`, what differs nevertheless. */
  readonly changes: Readonly<Record<Scale, readonly string[]>>;
  /** The grid: every training that is needed. */
  trainings(scale: Scale): readonly Training[];
  /** Measures on the finished trainings. */
  measure(lab: Lab, scale: Scale): Promise<Findings>;
  page(findings: Findings, scale: Scale): Page;
}
