/** @file What a training method is: the loss of one batch, written as in the paper and traced into the compiled step. */
import type { Operand, Value } from "@gradalign/tensor";
import type { DatasetRecipe } from "../data/definition.ts";
import type { Forward, TrainingNetwork } from "./network.ts";

/** A method's settings; each method uses some of them. */
export interface MethodOptions {
  /** Length of an attack step as a multiple of epsilon. */
  readonly stepSize: number;
  /** Attack steps. */
  readonly steps: number;
  /** Where the attack starts. */
  readonly start: "zero" | "random";
  /** Weight of the regulariser. */
  readonly lambda: number;
  /** Weight of the local linearity regulariser's second term. */
  readonly mu: number;
  /** Whether the regulariser's derivative goes through the gradient at the other point only (one), or also through the one at x (both). */
  readonly branches: "one" | "both";
  /** What the loss itself is on, beside a regulariser: FGSM's images, or clean ones. */
  readonly adversary: "fgsm" | "none";
  /** Updates per batch of Free adversarial training. */
  readonly replays: number;
  /** Epochs over which SVHN's runs ramp up the attack. */
  readonly warmupEpochs: number;
}

/** What a method is given; everything is part of the program being traced. */
export interface MethodContext {
  readonly network: TrainingNetwork;
  /** Augmented images [N, C, H, W]. */
  readonly x: Value;
  readonly epsilon: number;
  /** How far the warm-up has come: 1 after it, and without one. */
  readonly ramp: Operand;
  /** Fresh randomness of this iteration. */
  readonly key: Value;
  /** The perturbation carried from the last iteration; only for methods with `carriesDelta`. */
  readonly carry: Value | null;
  readonly options: MethodOptions;
}

/** What a method returns. */
export interface MethodResult {
  /** The training forward pass, on adversarial images. */
  readonly adversarial: Forward;
  /** Added to its loss. */
  readonly regularizer?: Value;
  readonly carry?: Value;
}

/** A training method: one file, one line in the registry. */
export interface Method {
  readonly id: string;
  readonly paper: string;
  /** The options it uses, with defaults. */
  readonly defaults: Partial<Omit<MethodOptions, "lambda">>;
  /** Default weight of its regulariser at a radius in pixel units; methods without a regulariser have none. */
  readonly lambda?: (epsilon: number, recipe: DatasetRecipe) => number;
  /** Which length the SVHN warm-up ramps. */
  readonly warmup: "step" | "epsilon" | "none";
  /** Whether a perturbation is carried from one iteration to the next, across batches. */
  readonly carriesDelta?: boolean;
  loss(context: MethodContext): MethodResult;
}
