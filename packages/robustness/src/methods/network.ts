/** @file The network as a training step sees it: in train mode, every forward pass moving the batch-norm statistics. */
import { div, grad, mean, mul, stopGradient, sum, UnsupportedError, type Value, valueAndGrad } from "@gradalign/tensor";
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

/** A forward pass, and the way back to the images. */
export interface InputPass extends Forward {
  /** Gradient of the mean loss with respect to the images: [N, C, H, W]. */
  readonly gradient: Value;
}

/** A model at given parameters, on one batch's labels. Passes are ordered: each starts from the statistics the last one left. */
export interface TrainingNetwork {
  /** Loss and logits at images [N, C, H, W], of these classes if not the batch's. */
  forward(x: Value, labels?: Value): Forward;
  /** Loss, logits and the input gradient of one pass: of the mean loss, or of what `climbed` makes of the pass. */
  inputPass(x: Value, climbed?: (pass: Forward) => Value): InputPass;
  /** Gradient of the loss with respect to the images, of these classes if not the batch's. */
  inputGradient(x: Value, labels?: Value): Value;
  /**
   * The same two, but the derivative of their gradients passes through the first layer alone: what comes back to its output counts as constant.
   *
   * @throws UnsupportedError when the model does not tell its first layer.
   */
  readonly shallow: {
    inputPass(x: Value): InputPass;
    inputGradient(x: Value, labels?: Value): Value;
  };
  /** Gradient of any scalar of the images that goes through the network: what an attack of a loss of its own follows. */
  gradientOf(objective: (point: Value) => Value, x: Value): Value;
  /** Gradient of the loss at x clipped to [0, 1], and zero where the clip is active or just reached: what attacks follow. */
  boxedInputGradient(x: Value): Value;
  /** A forward pass in eval mode, with the statistics as they are, which it leaves alone. */
  evaluated(x: Value): Forward;
  /** The examples' classes: integers [N]. */
  readonly labels: Value;
  /** The batch-norm statistics now. */
  readonly state: Params;
}

/** Examples where a pass met them. */
export interface Seen {
  /** Cross-entropy of each example: [N]. */
  readonly losses: Value;
  /** Gradient, with respect to the images, of the mean loss or of what an attack climbed: [N, C, H, W]. */
  readonly gradient: Value;
}

/** What passes show on the way: where the attack took its first gradient, and the last pass of the batch that the loss is made of. */
export interface Witness {
  began?: Seen;
  trained?: Seen;
}

/** Binds a model to parameters, statistics and labels. Input gradients pass through the network times `scale`, where given; a `witness` notes passes. */
export function trainingNetwork(model: Model, params: Params, state: Params, labels: Value, scale?: Value, witness?: Witness): TrainingNetwork {
  let current = state;
  /** Of the latest pass of the batch. */
  let latest: Value | undefined;
  /** Gradients within which the network runs now. */
  let depth = 0;
  /** What a gradient is taken of; it is unscaled again before anyone takes its sign or compares it. */
  const scaled = (loss: Value): Value => (scale ? mul(loss, scale) : loss);
  const unscaled = (gradient: Value): Value => (scale ? div(gradient, scale) : gradient);
  const within = <Result>(run: () => Result): Result => {
    depth++;
    const result = run();
    depth--;
    return result;
  };
  const note = (gradient: Value, isPass: boolean): void => {
    if (!witness || !latest || depth > 0) return;
    const seen = { losses: latest, gradient };
    witness.began ??= seen;
    if (isPass) witness.trained = seen;
  };
  const gradient = (loss: (point: Value) => Value, x: Value): Value => {
    const slope = unscaled(within(() => grad((point: Value) => scaled(loss(point)))(x)));
    note(slope, false);
    return slope;
  };
  const judged = (logits: Value, classes = labels): Forward => {
    const losses = crossEntropyPerExample(logits, classes);
    if (classes === labels) latest = losses;
    return { losses, loss: mean(losses), logits };
  };
  const forward = (x: Value, classes?: Value, first?: Value): Forward => {
    const output = model.apply(params, current, x, first ? { train: true, first } : { train: true });
    current = output.state;
    return judged(output.logits, classes);
  };
  const inputPass = (x: Value, climbed: (pass: Forward) => Value = ({ loss }) => loss): InputPass => {
    const through = (point: Value): [Value, Forward] => {
      const pass = forward(point);
      return [scaled(climbed(pass)), pass];
    };
    const [[, pass], slope] = within(() => valueAndGrad(through)(x));
    return { ...pass, gradient: unscaled(slope) };
  };
  const shallowPass = (x: Value, classes?: Value): InputPass => {
    const before = current;
    const first = (point: Value): Value => {
      if (!model.first)
        throw new UnsupportedError(`method: the model ${model.name} does not tell its first layer; give it \`first\`, or take the whole network`);
      return model.first(params, before, point);
    };
    const through = (output: Value): [Value, Forward] => {
      const pass = forward(x, classes, output);
      return [scaled(pass.loss), pass];
    };
    const [[, pass], back] = within(() => valueAndGrad(through)(first(x)));
    const slope = grad((point: Value) => sum(mul(first(point), stopGradient(back))))(x);
    return { ...pass, gradient: unscaled(slope) };
  };
  return {
    forward(x, classes) {
      if (!witness || classes || depth > 0) return forward(x, classes);
      // The way back to the images that training makes anyway, but for its last step.
      const { gradient, ...pass } = inputPass(x);
      if (latest) witness.trained = { losses: latest, gradient };
      return pass;
    },
    evaluated: (x) => judged(model.apply(params, current, x, { train: false }).logits),
    labels,
    inputPass(x, climbed) {
      const pass = inputPass(x, climbed);
      note(pass.gradient, true);
      return pass;
    },
    gradientOf: gradient,
    inputGradient: (x, classes) => gradient((point) => forward(point, classes).loss, x),
    shallow: {
      inputPass(x) {
        const pass = shallowPass(x);
        note(pass.gradient, true);
        return pass;
      },
      inputGradient: (x, classes) => shallowPass(x, classes).gradient,
    },
    boxedInputGradient: (x) => gradient((point) => forward(saturatingClamp(point)).loss, x),
    get state() {
      return current;
    },
  };
}
