/** @file What a training method is: the loss of one batch, written as in the paper and traced into the compiled step, with the options it declares. */
import type { Operand, Value } from "@gradalign/tensor";
import type { Circumstances, OptionTable, Recipe, TracedValues } from "../options/option.ts";
import type { Forward, TrainingNetwork } from "./network.ts";

/** What a method is given; everything is part of the program being traced. */
export interface MethodContext<Options extends OptionTable = OptionTable> {
  readonly network: TrainingNetwork;
  /** Augmented images [N, C, H, W]. */
  readonly x: Value;
  /** Radius in pixel units. */
  readonly epsilon: Operand;
  /** How far the warm-up has come: 1 after it, and without one. */
  readonly ramp: Operand;
  /** Fresh randomness of this iteration. */
  readonly key: Value;
  /** The perturbation carried from the last iteration; only for methods with `carriesDelta`. */
  readonly carry: Value | null;
  /** The method's options; those declared as lengths are in pixel units here. */
  readonly options: TracedValues<Options>;
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
export interface Method<Options extends OptionTable = OptionTable> {
  readonly id: string;
  readonly paper: string;
  /** What can be set, with defaults. */
  readonly options: Options;
  /** Where epochs and learning rate differ from those of the data set and the model. */
  recipe?(at: Pick<Circumstances, "dataset" | "model">): Partial<Pick<Recipe, "epochs" | "peak">>;
  /** Whether a perturbation is carried from one iteration to the next, across batches. */
  readonly carriesDelta?: boolean;
  loss(context: MethodContext<Options>): MethodResult;
}

/** The same method: makes its loss see the options that it declares. */
export function defineMethod<const Options extends OptionTable>(method: Method<Options>): Method<Options> {
  return method;
}
