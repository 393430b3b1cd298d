/** @file What the page and its worker say to each other about a model that is attacked. */
import type { ImageOutcome, Warning } from "@gradalign/robustness";
import type { EvaluationRecord, Fraction, JudgedModel } from "@gradalign/runs";
import type { NamedFile } from "./files.ts";
import type { Backend, Side } from "./sides.ts";

/** The model: files that were dropped, or a side's as it is now or was at an epoch. */
export type ModelChoice =
  | { readonly type: "files"; readonly files: readonly NamedFile[] }
  | { readonly type: "side"; readonly side: Side; readonly label: string; readonly at: number | null };

/** What is asked for. */
export interface AttackRequest {
  readonly model: ModelChoice;
  /** Of a file of weights, where its tensors do not tell: the network, and what is done to images first. */
  readonly arch?: string;
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
  readonly norm: string;
  readonly epsilon: Fraction;
  /** As the command takes it, e.g. `autoattack`. */
  readonly attack: string;
  /** The first so many test images. */
  readonly count: number;
  readonly seed: number;
  readonly backend: Backend;
}

/** To the worker. An attack has a number that the page gives it. */
export type AttackCommand = { readonly type: "attack"; readonly attack: number; readonly request: AttackRequest } | { readonly type: "stop-attack" };

/** An image that has been through all attacks. */
export interface JudgedImage extends Pick<ImageOutcome, "index" | "label" | "clean" | "robust" | "predicted" | "brokenBy" | "norm"> {
  /** Of one that was broken: as it is and as it was left, [C, H, W] in [0, 1]. */
  readonly pixels: { readonly image: Float32Array; readonly adversarial: Float32Array } | null;
}

/** From the worker. */
export type AttackReport = { readonly attack: number } & (
  | { readonly type: "attack-began"; readonly model: JudgedModel; readonly notes: readonly string[]; readonly count: number }
  /** The next images, in order, and the share of the work that is done. */
  | { readonly type: "attack-images"; readonly images: readonly JudgedImage[]; readonly fraction: number }
  | { readonly type: "attack-warning"; readonly warning: Warning }
  /** The record, as the command writes it, and the file of the images that were broken. */
  | { readonly type: "attack-ended"; readonly record: EvaluationRecord; readonly adversarials: Uint8Array }
  | { readonly type: "attack-stopped" }
  | { readonly type: "attack-failed"; readonly message: string }
);
