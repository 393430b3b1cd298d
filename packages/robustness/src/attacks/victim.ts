/**
 * @file What an attack may ask of a classifier. A trained model, an imported one and a function of one's own are victims alike; what a
 * classifier does to its images first, such as a normalisation, is part of it, so that images stay in [0, 1].
 */
import { broadcastAlong, ConfigError, div, ShapeError, sub, tensor, type Value, zeros } from "@gradalign/tensor";
import type { Model } from "../models/model.ts";
import type { Params } from "../nn/params.ts";

/** Tensors that a program takes as inputs: named, perhaps in groups. */
export type VictimTensors = Readonly<Record<string, Params | Value>>;

/** A classifier of NCHW images in [0, 1] as a traced function of its tensors. */
export interface Classifier<Tensors extends VictimTensors = VictimTensors> {
  readonly name: string;
  /**
   * Logits [N, classes] of images [N, C, H, W].
   *
   * @param keys int32 [N, 2], one per image and pass: what a classifier that answers at random draws from; all others leave them alone.
   */
  logits(tensors: Tensors, x: Value, keys: Value): Value;
}

/** A classifier and its tensors. */
export interface Victim<Tensors extends VictimTensors = VictimTensors> extends Classifier<Tensors> {
  readonly tensors: Tensors;
  /** An image's shape [C, H, W]. */
  readonly shape: readonly number[];
  readonly classes: number;
}

/** What a classifier's images look like. */
export interface VictimOptions {
  /** An image's shape [C, H, W]. */
  readonly shape?: readonly number[];
  /** Per channel, subtracted from the images before the classifier sees them. */
  readonly mean?: readonly number[];
  /** Per channel; what the images are divided by after that. */
  readonly std?: readonly number[];
  readonly name?: string;
}

/** A model in eval mode as a function of its parameters and statistics. */
export function modelClassifier(model: Model): Classifier<{ readonly params: Params; readonly state: Params }> {
  return { name: model.name, logits: ({ params, state }, x) => model.apply(params, state, x, { train: false }).logits };
}

/**
 * A trained model in eval mode.
 *
 * @throws ConfigError where neither the model nor the options say what shape the images have.
 */
export function modelVictim(model: Model, params: Params, state: Params = {}, options: VictimOptions = {}): Victim {
  return victimOf(modelClassifier(model), { params, state }, { shape: model.config["shape"] as readonly number[], ...options });
}

/**
 * A function of one's own, from images [N, C, H, W] in [0, 1] to logits [N, classes], as a victim; its second argument are keys for functions
 * that answer at random.
 *
 * @throws ConfigError without a shape of the images.
 */
export function functionVictim(logits: (x: Value, keys: Value) => Value, options: VictimOptions & { readonly shape: readonly number[] }): Victim {
  return victimOf({ name: options.name ?? "function", logits: (_, x, keys) => logits(x, keys) }, {}, options);
}

function victimOf<Tensors extends VictimTensors>(
  classifier: Classifier<Tensors>,
  tensors: Tensors,
  { shape, mean, std, name = classifier.name }: VictimOptions,
): Victim<Tensors> {
  if (!shape) throw new ConfigError(`victim: ${name} does not say its images' shape; pass shape, e.g. [3, 32, 32]`);
  for (const [what, list] of Object.entries({ mean, std })) {
    if (list && list.length !== shape[0]) throw new ConfigError(`victim: ${what} must have a number per channel, ${shape[0]}, got ${list.length}`);
  }
  if (std?.some((value) => !(value > 0))) throw new ConfigError(`victim: std must be above 0 in every channel, got [${std.join(", ")}]`);
  const perChannel = (list: readonly number[], x: Value): Value => broadcastAlong(tensor(list), x.shape, [1]);
  const normalized = (x: Value): Value => {
    const centered = mean ? sub(x, perChannel(mean, x)) : x;
    return std ? div(centered, perChannel(std, x)) : centered;
  };
  const logits: Classifier<Tensors>["logits"] = (given, x, keys) => classifier.logits(given, normalized(x), keys);
  // Values are lazy: this finds the number of classes and computes nothing.
  const answer = logits(tensors, zeros([1, ...shape]), zeros([1, 2], "int32"));
  if (answer.shape.length !== 2 || answer.shape[0] !== 1) {
    throw new ShapeError(`victim: ${name} must answer images [N, ${shape.join(", ")}] with logits [N, classes], got [${answer.shape.join(", ")}] for one`);
  }
  return { name, logits, tensors, shape, classes: answer.shape[1] as number };
}
