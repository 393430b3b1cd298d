/** @file What a training method is: the loss of one batch, written as in the paper and traced into the compiled step, with the options it declares. */
import { InvariantError, type Operand, type Value } from "@gradalign/tensor";
import type { Params } from "../nn/params.ts";
import type { Circumstances, OptionTable, Recipe, TracedValues, ValuesOf } from "../options/option.ts";
import type { Forward, TrainingNetwork } from "./network.ts";

/** What a method carries from one iteration to the next, by name. */
export type Carried = Readonly<Record<string, Value>>;

/** What the shapes of a method's {@link Carried} may depend on. */
export interface CarrySizes {
  /** Images per step. */
  readonly batch: number;
  /** An image's shape [C, H, W]. */
  readonly image: readonly number[];
  /** Training images. */
  readonly examples: number;
}

/** How often a step runs the network. A gradient that is differentiated in turn counts as a backward pass each time it is made, and twice more. */
export interface StepPasses {
  readonly forward: number;
  readonly backward: number;
}

/** What a method is given; everything is part of the program being traced. */
export interface MethodContext<Options extends OptionTable = OptionTable> {
  readonly network: TrainingNetwork;
  /** Augmented images [N, C, H, W]. */
  readonly x: Value;
  /** Which training images they are: int32 [N], each at most once per epoch. */
  readonly rows: Value;
  /** What `carry` has for these images, cut out and mirrored as they are: of [examples, C, H, W], 0 outside, [N, C, H, W]. */
  augmented(table: Value): Value;
  /** Radius in pixel units. */
  readonly epsilon: Operand;
  /** How far the warm-up has come: 1 after it, and without one. */
  readonly ramp: Operand;
  /** Number of the epoch, from 0; 0 always unless the method `usesEpoch`. */
  readonly epoch: Operand;
  /** Fresh randomness of this iteration. */
  readonly key: Value;
  /** What the last iteration's loss gave to carry on, or `carries` at first; empty for methods without. */
  readonly carry: Carried;
  /** What the `displacement`'s first pass found; only for methods with one. */
  readonly found?: Carried;
  /** The method's options; those declared as lengths are in pixel units here. */
  readonly options: TracedValues<Options>;
}

/** What a method returns. */
export interface MethodResult {
  /** The training forward pass, on adversarial images. */
  readonly adversarial: Forward;
  /** Added to its loss. */
  readonly regularizer?: Value;
  /** For the next iteration: the names, shapes and types of `carries`. */
  readonly carry?: Carried;
}

/** Where a method's weights go before its loss is taken; they are trained on from there, and go on from where that leads. */
export interface Displacement<Options extends OptionTable = OptionTable> {
  /** A loss at the weights as they are, and what of its pass the method's loss is told. */
  first(context: MethodContext<Options>): { readonly loss: Value; readonly found: Carried };
  /** The weights at which the loss is taken, given those before and after the step that the optimiser would make on the first loss. */
  moved(before: Params, after: Params, options: TracedValues<Options>): Params;
}

/** A training method: one file, one line in the registry. */
export interface Method<Options extends OptionTable = OptionTable> {
  readonly id: string;
  /** Where it comes from: authors, title or number, equation. */
  readonly paper: string;
  /** What a step minimises: ℓ the mean cross-entropy, Π the clip to the ball, α the step, p the probabilities, Z the logits. */
  readonly formula: string;
  /** What it trains on, in a few words of Markdown. */
  readonly trainsOn: string;
  /** What can be set, with defaults. */
  readonly options: Options;
  /** Where epochs and learning rate differ from those of the data set and the model. */
  recipe?(at: Pick<Circumstances, "dataset" | "model">): Partial<Pick<Recipe, "epochs" | "peak">>;
  /** An option whose value another one forbids, and what it must be; null where all go together. */
  conflict?(options: ValuesOf<Options>): { readonly option: keyof Options & string; readonly rule: string } | null;
  /** How far from an image it trains on purpose, in multiples of ε; 1 unless set. */
  reach?(options: ValuesOf<Options>): number;
  /** What an iteration costs. */
  passes(options: ValuesOf<Options>): StepPasses;
  /** What it carries from one iteration to the next, as it is before the first; saved and resumed with everything else. */
  carries?(sizes: CarrySizes): Carried;
  readonly displacement?: Displacement<Options>;
  /** On which iterations it is computed with its options: every so many-th, and those between with these others. All of them without. */
  cadence?(options: ValuesOf<Options>): { readonly every: number; readonly between: ValuesOf<OptionTable> } | undefined;
  /** Whether its loss depends on the epoch's number. */
  readonly usesEpoch?: boolean;
  loss(context: MethodContext<Options>): MethodResult;
}

/** The same method: makes its loss see the options that it declares. */
export function defineMethod<const Options extends OptionTable>(method: Method<Options>): Method<Options> {
  return method;
}

/** A carried tensor by name. */
export function carried({ carry }: Pick<MethodContext, "carry">, name: string): Value {
  const value = carry[name];
  if (!value) throw new InvariantError(`method: it carries no "${name}"`);
  return value;
}

/** Of any small batch. */
const SIZES: CarrySizes = { batch: 2, image: [1, 1, 1], examples: 2 };

/** Whether what a method carries has a place for each image of the batch, or for each of all examples. */
export function carriesForEach(size: "batch" | "examples", { carries }: Pick<Method, "carries">): boolean {
  const shapes = (sizes: CarrySizes): string =>
    Object.values(carries?.(sizes) ?? {})
      .map(({ shape }) => shape.join())
      .join(";");
  return shapes(SIZES) !== shapes({ ...SIZES, [size]: SIZES[size] + 1 });
}
