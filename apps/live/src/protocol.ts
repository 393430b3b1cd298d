/** @file What the page and its training worker say to each other. */
import type { Evaluation, Labels, TrainEvent } from "@gradalign/robustness";

/** Methods the page offers. */
export type LiveMethod = "fgsm" | "fgsm-gradalign";

/** Where to compute; `auto` prefers a GPU, `webgpu` takes one that the processor imitates too. */
export type LiveBackend = "auto" | "webgpu" | "wasm";

/** One run, as the form describes it. */
export interface RunSettings {
  readonly method: LiveMethod;
  /** Radius in steps of 1/255. */
  readonly epsilon: number;
  readonly seed: number;
  readonly epochs: number;
  /** Train on the first so many images; null for all. */
  readonly trainSize: number | null;
  /** Iterations between evaluations. */
  readonly evalEvery: number;
  /** Images of each split that evaluations use. */
  readonly evalExamples: number;
}

/** From the page. A run is named by a number that the page chooses. */
export type Command =
  | { readonly type: "train"; readonly run: number; readonly settings: RunSettings; readonly backend: LiveBackend }
  | { readonly type: "pause" | "continue" | "stop" };

/** The data set that the server offers. */
export interface DataDescription {
  readonly name: string;
  readonly classes: number;
  readonly trainImages: number;
  /** Of the test images, one byte each. */
  readonly testLabels: Labels;
}

/** What computes. */
export interface DeviceDescription {
  readonly backend: string;
  readonly threads: number;
  /** Which GPU, or why there is none or only one thread; null if there is nothing to say. */
  readonly remark: string | null;
}

/** From the worker. */
export type Report =
  | { readonly type: "data"; readonly receivedBytes: number; readonly totalBytes: number; readonly etaSeconds: number }
  | { readonly type: "ready"; readonly data: DataDescription }
  | { readonly type: "device"; readonly device: DeviceDescription }
  | { readonly type: "training"; readonly run: number; readonly event: TrainEvent }
  | { readonly type: "paused" | "ended"; readonly run: number }
  /** Of `run`, or of everything: the data could not be had. "continue" goes on from iteration `from`; null if nothing does. */
  | { readonly type: "failed"; readonly run: number | null; readonly message: string; readonly from: number | null };

/** A run's measurements as the page keeps and exports them. */
export interface RunRecord {
  readonly run: number;
  readonly settings: RunSettings;
  readonly evaluations: Evaluation[];
}
