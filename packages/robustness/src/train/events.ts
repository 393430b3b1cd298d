/** @file What a training run reports while it goes on. */

import type { Alarm } from "./guard.ts";
import type { GuardChange } from "./guard-change.ts";
import type { AttackSigns } from "./watched.ts";

/**
 * Measurements at one iteration; accuracies in [0, 1], losses are mean cross-entropies, `train_*` means since the last evaluation.
 * (Besides those of every `evalEvery` steps there is one after the last step, which the paper's code does not make.)
 */
export interface Evaluation extends Partial<AttackSigns> {
  /** Optimiser steps done. */
  readonly iteration: number;
  /** Epochs done, fractional. */
  readonly epoch: number;
  /** Learning rate of the last step. */
  readonly lr: number;
  /** Mean cross-entropy on the images trained on, without the regulariser (the paper's code logs their sum). */
  readonly train_loss: number;
  /** Regulariser, already multiplied by lambda: what is minimised is `train_loss + train_reg`. */
  readonly train_reg: number;
  readonly train_acc: number;
  /** On unaugmented training images in eval mode; decides which checkpoint is the best, unless there are images held out for that. */
  readonly train_pgd_acc: number;
  /** On the images held out of training, if any: decides which checkpoint is the best. */
  readonly validation_pgd_acc?: number;
  readonly test_clean_acc: number;
  readonly test_fgsm_acc: number;
  readonly test_pgd_acc: number;
  readonly test_fgsm_loss: number;
  readonly test_pgd_loss: number;
  /** Mean cosine between the input gradients at x and at x + eta (Eq. 5) over the images where both are neither zero nor infinite; null if there are none. */
  readonly gradient_alignment: number | null;
  /** Share of the images where that cosine is undefined. */
  readonly undefined_alignment: number;
  /** Mean cosine between FGSM's and PGD's perturbations over the images where neither is zero; null if there are none. */
  readonly cos_fgsm_pgd: number | null;
  /** Mean Euclidean norm of FGSM's perturbations. */
  readonly delta_l2: number;
  /** Share of the test images whose logits are not finite, clean or under attack: they count as wrong answers. */
  readonly non_finite: number;
  /** Seconds of training and evaluation so far. */
  readonly seconds: number;
  /** Steps of the run that were skipped because gradients overflowed; only with multiplications in float16. */
  readonly skipped_steps?: number;
  /** Norm of each filter (single-layer network only). */
  readonly filter_norms?: readonly number[];
  /** Norm of the linear weights behind each filter (single-layer network only). */
  readonly outgoing_norms?: readonly number[];
}

/** The best checkpoint, and the accuracy that decided it: on training images, or on those held out. */
export type BestCheckpoint = { readonly iteration: number } & Partial<Pick<Evaluation, "train_pgd_acc" | "validation_pgd_acc">>;

/**
 * What early stopping goes by: PGD accuracy on the first training images, as in the paper's code, or on images held out of training.
 * The checkpoint where it is highest, the first of equals, is the best.
 */
export function selectionAccuracy({ train_pgd_acc, validation_pgd_acc }: Pick<Evaluation, "train_pgd_acc" | "validation_pgd_acc">): number {
  return validation_pgd_acc ?? train_pgd_acc;
}

/** An alarm of the guard; `change` is what `rollback` changed. */
export interface AlarmEvent extends Alarm {
  readonly type: "alarm";
  readonly epoch: number;
  readonly change: GuardChange | null;
}

/** An event of a run, in the order they happen. */
export type TrainEvent =
  | {
      readonly type: "start";
      readonly iterations: number;
      readonly iteration: number;
      readonly parameters: number;
      readonly compileMs: number;
      /** Bytes of device memory that steps need, data and weights included, and that there are at most, where that is known: not before the first step. */
      readonly memory?: { readonly needed: number; readonly most?: number };
      /** In how many parts a step computes a batch, of how many images, and whether each is normalised by itself. */
      readonly microBatches?: { readonly parts: number; readonly size: number; readonly normalized: boolean };
    }
  | {
      readonly type: "step";
      readonly iteration: number;
      readonly epoch: number;
      /** Mean since the last step event. */
      readonly loss: number;
      readonly imagesPerSecond: number;
      readonly etaSeconds: number;
    }
  | { readonly type: "evaluation"; readonly evaluation: Evaluation }
  | {
      readonly type: "catastrophic-overfitting";
      readonly iteration: number;
      readonly epoch: number;
      readonly evidence: string;
      readonly before: Evaluation;
      readonly after: Evaluation;
    }
  | AlarmEvent
  | { readonly type: "checkpoint"; readonly kind: "last" | "best"; readonly iteration: number; readonly path?: string }
  | {
      readonly type: "end";
      readonly iteration: number;
      readonly interrupted: boolean;
      readonly best: BestCheckpoint | null;
      readonly overfitting: { readonly iteration: number; readonly epoch: number } | null;
    };
