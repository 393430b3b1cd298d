/** @file All that the page shows, as data. */
import type { Evaluation, TrainConfig, TrainEvent } from "@gradalign/robustness";
import { labelOf } from "../names.ts";
import type { BySide, DataDescription, DeviceDescription, KeptTraining, Look, OpenedSide } from "../protocol.ts";
import type { Address } from "./address.ts";
import type { Drafts } from "./setting-field.tsx";

/** What can be done now. */
export type Phase = "loading" | "idle" | "training" | "pausing" | "paused" | "stopping" | "broken";

/** Why nothing can be opened beside what goes on, and what to do about it; null where it can. */
export function refusalOf(phase: Phase): string | null {
  if (phase === "loading") return "Images are being fetched; wait until they are here.";
  if (phase === "stopping") return "The training is being stopped; wait until it is.";
  return phase === "idle" || phase === "broken" ? null : "Stop the training that is open first.";
}

/** A training as the page knows it. */
export interface Run {
  readonly label: string;
  readonly config: TrainConfig;
  /** Not too many, evenly over what has been. */
  readonly evaluations: readonly Evaluation[];
  /** Said by the detector; null while there is nothing to say. */
  readonly overfitting: { readonly iteration: number; readonly epoch: number; readonly evidence: string } | null;
  readonly iterations: number;
  readonly step: Extract<TrainEvent, { type: "step" }> | null;
  readonly end: "ended" | "stopped" | "failed" | null;
}

/** All that is shown. */
export interface State {
  readonly phase: Phase;
  readonly headline: string;
  /** Share of what is going on that is done. */
  readonly progress: number;
  readonly numbers: readonly string[];
  readonly device: DeviceDescription | null;
  readonly problem: string | null;
  readonly data: DataDescription | null;
  readonly address: Address;
  /** What is wrong in the form's fields. */
  readonly drafts: Drafts;
  /** Pixels of an image of one's own that is looked at instead of the test image. */
  readonly own: Float32Array | null;
  readonly runs: BySide<Run> | null;
  readonly looks: Partial<BySide<Look>>;
  /** Trainings in the browser's storage, the one that is open left out; and why nothing is kept there. */
  readonly kept: readonly KeptTraining[];
  readonly keptProblem: string | null;
}

/** A training that is about to begin. */
export function unbegunRun(config: TrainConfig): Run {
  return { label: labelOf(config), config, evaluations: [], overfitting: null, iterations: 0, step: null, end: null };
}

/** One that was opened. */
export function openedRun({ config, evaluations, overfitting, done }: OpenedSide): Run {
  return { ...unbegunRun(config), evaluations, overfitting, end: done ? "ended" : null };
}
