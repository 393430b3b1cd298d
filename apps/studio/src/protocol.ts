/** @file What the page and its training worker say to each other. */
import type { Evaluation, ImageDataset, Labels, Overfitting, TrainConfig, TrainEvent } from "@gradalign/robustness";
import type { TrainingSettings } from "@gradalign/runs";
import type { AttackCommand, AttackReport } from "./attack-protocol.ts";
import type { NamedFile } from "./files.ts";
import type { Backend, BySide, Side } from "./sides.ts";

export { type Backend, type BySide, CHOICES, SIDES, type Side } from "./sides.ts";

/** What is looked at with the models. */
export interface Subject {
  /** A test image's number, or pixels of one's own, float32 [C, H, W] in [0, 1]. */
  readonly image: number | Float32Array;
  /** The epoch of the models to look with: the latest ones at or before it; null for those of now. */
  readonly at: number | null;
  /** Filters that are set to zero. */
  readonly zeroed: BySide<readonly number[]>;
  /** The surface's second direction, beside FGSM's. */
  readonly direction: "random" | "pgd";
}

/** Where images come from: a list of parts, or files that were dropped. */
export type DataSource = { readonly type: "list"; readonly url: string } | { readonly type: "files"; readonly files: readonly NamedFile[] };

/** What the shelf says of a training that the browser keeps. */
export interface KeptTraining {
  readonly id: string;
  readonly labels: BySide<string>;
  readonly backend: Backend;
  readonly dataName: string;
  /** When it was last written, in milliseconds since 1970. */
  readonly saved: number;
  /** Epochs done and to do. */
  readonly progress: BySide<{ readonly epoch: number; readonly epochs: number }>;
}

/** A training that was opened, as far as it had come. */
export interface OpenedSide {
  readonly config: TrainConfig;
  readonly evaluations: readonly Evaluation[];
  readonly overfitting: Pick<Overfitting, "iteration" | "epoch" | "evidence"> | null;
  readonly done: boolean;
}

/** From the page. A round is a number that the page gives each start. */
export type Command =
  | { readonly type: "load"; readonly from: DataSource }
  | {
      readonly type: "train";
      readonly round: number;
      readonly settings: BySide<TrainingSettings>;
      readonly labels: BySide<string>;
      readonly backend: Backend;
      readonly pace: number | null;
    }
  | { readonly type: "pause" | "continue" | "stop" }
  /** Steps per second at most, of each side; null for as many as there can be. */
  | { readonly type: "pace"; readonly pace: number | null }
  | { readonly type: "look"; readonly subject: Subject | null }
  /** Opens what the browser keeps, or forgets it. */
  | { readonly type: "reopen"; readonly round: number; readonly id: string; readonly pace: number | null }
  | { readonly type: "forget"; readonly id: string }
  /** Opens run folders: one of each side, or one, beside which the other side is trained from its beginning. */
  | {
      readonly type: "open";
      readonly round: number;
      readonly files: readonly NamedFile[];
      readonly settings: BySide<TrainingSettings>;
      readonly backend: Backend;
      readonly pace: number | null;
    }
  /** Makes a file of a side: its run folder as an archive, or its weights. */
  | { readonly type: "export"; readonly side: Side; readonly form: "run" | "safetensors" }
  | AttackCommand;

/** The data set that the server offers. */
export interface DataDescription extends Pick<ImageDataset, "name" | "classNames" | "shape" | "flip" | "crop"> {
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

/** What one side's model makes of the subject. Images are float32 [C, H, W]. */
export interface Look {
  readonly iteration: number;
  readonly epoch: number;
  readonly image: Float32Array;
  /** The class that the attacks lead away from: the label, or of an image of one's own the network's answer. */
  readonly target: number;
  /** The label; null of an image of one's own. */
  readonly label: number | null;
  readonly deltas: { readonly fgsm: Float32Array; readonly pgd: Float32Array };
  /** Probabilities of all classes for the image and both adversarial ones. */
  readonly answers: { readonly clean: Float32Array; readonly fgsm: Float32Array; readonly pgd: Float32Array };
  /** Input gradients at the image and at a random point of the ball around it. */
  readonly gradients: { readonly here: Float32Array; readonly near: Float32Array };
  /** Of the two gradients; null where one is zero. */
  readonly cosine: number | null;
  readonly surface: Surface;
  /** The first layer of a `cnn`; null for other networks. */
  readonly filters: Filters | null;
}

/** The loss on a square grid around an image, row by row: along a row the steps go along FGSM's perturbation. */
export interface Surface {
  /** Points along each side. */
  readonly size: number;
  /** Where both coordinates begin and end: 0 is the image, 1 its full perturbation. */
  readonly from: number;
  readonly to: number;
  readonly losses: Float32Array;
  readonly direction: Subject["direction"];
}

/** The filters of the first layer as they are looked with. */
export interface Filters {
  /** [filters, channels, height, width]. */
  readonly shape: readonly [number, number, number, number];
  readonly weights: Float32Array;
  /** Euclidean norms of the filters and of the weights behind them. */
  readonly norms: readonly number[];
  readonly outgoing: readonly number[];
  /** Which one carries the network; none of those that are zero. */
  readonly grown: number;
  readonly zeroed: readonly number[];
  /** Gradient alignment and accuracies of the first test images with the zeroed filters; null if none is zeroed. */
  readonly without: { readonly images: number; readonly alignment: number | null; readonly clean: number; readonly fgsm: number } | null;
}

/** From the worker. */
export type Report =
  | AttackReport
  | { readonly type: "data"; readonly receivedBytes: number; readonly totalBytes: number; readonly etaSeconds: number }
  | { readonly type: "ready"; readonly data: DataDescription }
  | { readonly type: "device"; readonly device: DeviceDescription }
  | { readonly type: "training"; readonly round: number; readonly side: Side; readonly event: TrainEvent }
  | { readonly type: "look"; readonly side: Side; readonly look: Look }
  | { readonly type: "paused" | "ended"; readonly round: number }
  /** What the browser keeps, newest first; or why it keeps nothing. */
  | { readonly type: "kept"; readonly trainings: readonly KeptTraining[]; readonly problem: string | null }
  /** A training that goes on when it is continued. */
  | { readonly type: "opened"; readonly round: number; readonly sides: BySide<OpenedSide> }
  | { readonly type: "exported"; readonly name: string; readonly content: Blob }
  /** Something that was asked for cannot be done; nothing else is changed by it. */
  | { readonly type: "refused"; readonly message: string }
  /** Of a round, or of everything: the data could not be had. "continue" goes on from iteration `from`; null if nothing does. */
  | { readonly type: "failed"; readonly round: number | null; readonly message: string; readonly from: number | null };
