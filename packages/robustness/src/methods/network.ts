/** @file The network as a training step sees it: in train mode, every forward pass moving the batch-norm statistics. */
import { div, grad, mean, mul, type Value } from "@gradalign/tensor";
import type { Model } from "../models/model.ts";
import { crossEntropyPerExample } from "../nn/cross-entropy.ts";
import type { Params } from "../nn/params.ts";
import { saturatingClamp } from "../threat/box.ts";

/** A forward pass. */
export interface Forward {
  /** Cross-entropy of each example: [N]. */
  readonly losses: Value;
  /** Mean cross-entropy over the batch. */
  readonly loss: Value;
  readonly logits: Value;
}

/** A model at given parameters, on one batch's labels. Passes are ordered: each starts from the statistics the last one left. */
export interface TrainingNetwork {
  /** Loss and logits at images [N, C, H, W]. */
  forward(x: Value): Forward;
  /** Gradient of the loss with respect to the images. */
  inputGradient(x: Value): Value;
  /** The same at x clipped to [0, 1], and zero where the clip is active or just reached: what attacks follow. */
  boxedInputGradient(x: Value): Value;
  /** A forward pass in eval mode, with the statistics as they are, which it leaves alone. */
  evaluated(x: Value): Forward;
  /** The examples' classes: integers [N]. */
  readonly labels: Value;
  /** The batch-norm statistics now. */
  readonly state: Params;
}

/** Binds a model to parameters, statistics and labels. Input gradients pass through the network times `scale`, where given. */
export function trainingNetwork(model: Model, params: Params, state: Params, labels: Value, scale?: Value): TrainingNetwork {
  let current = state;
  /** The gradient of a loss; unscaled again before anyone takes its sign or compares it. */
  const gradient = (loss: (point: Value) => Value, x: Value): Value => (scale ? div(grad((point: Value) => mul(loss(point), scale))(x), scale) : grad(loss)(x));
  const judged = (logits: Value): Forward => {
    const losses = crossEntropyPerExample(logits, labels);
    return { losses, loss: mean(losses), logits };
  };
  const forward = (x: Value): Forward => {
    const output = model.apply(params, current, x, { train: true });
    current = output.state;
    return judged(output.logits);
  };
  return {
    forward,
    evaluated: (x) => judged(model.apply(params, current, x, { train: false }).logits),
    labels,
    inputGradient: (x) => gradient((point) => forward(point).loss, x),
    boxedInputGradient: (x) => gradient((point) => forward(saturatingClamp(point)).loss, x),
    get state() {
      return current;
    },
  };
}
