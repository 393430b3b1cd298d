/** @file A model in eval mode, compiled: its input gradients and its scores. Everything that attacks at evaluation need of it. */
import { type Compiled, convert, type Device, div, grad, jit, mul, sum, type Tensor, type Value } from "@gradalign/tensor";
import type { Model } from "../models/model.ts";
import { ascentLossPerExample, crossEntropyPerExample, isCorrect } from "../nn/cross-entropy.ts";
import { finiteExamples } from "../nn/finite.ts";
import type { Params } from "../nn/params.ts";

/** How a batch fares: float32 [N] each. */
export interface Scores {
  /** Cross-entropy. */
  readonly losses: Value;
  /** 1 where classified correctly, else 0. */
  readonly correct: Value;
  /** 1 where all logits are finite, else 0; other answers are wrong. */
  readonly finite: Value;
}

/** {@link Scores} on the device. */
export type Scored = Readonly<Record<keyof Scores, Tensor>>;

/** Where contractions multiply in float16, gradients pass through the network times this. */
const HALF_SCALE = 1024;

/** Compiled functions of (params, state, images, labels). */
export interface ModelPrograms {
  /** Each example's gradient with respect to its image: of its cross-entropy, or, where that vanishes, of a loss that rises in the same direction. */
  readonly gradient: Compiled<[Params, Params, Value, Value], Value>;
  readonly score: Compiled<[Params, Params, Value, Value], Scores>;
  dispose(): void;
}

/** Compiles a model for evaluation; each program is compiled when it is first called. */
export function modelPrograms(model: Model, device: Device): ModelPrograms {
  const logitsAt = (params: Params, state: Params, x: Value): Value => model.apply(params, state, x, { train: false }).logits;
  const gradient = jit(
    (params: Params, state: Params, x: Value, labels: Value): Value => {
      const loss = (point: Value): Value => sum(ascentLossPerExample(logitsAt(params, state, point), labels));
      return device.precision === "float16" ? div(grad((point: Value) => mul(loss(point), HALF_SCALE))(x), HALF_SCALE) : grad(loss)(x);
    },
    { device },
  );
  const score = jit(
    (params: Params, state: Params, x: Value, labels: Value): Scores => {
      const logits = logitsAt(params, state, x);
      return {
        losses: crossEntropyPerExample(logits, labels),
        correct: convert(isCorrect(logits, labels), "float32"),
        finite: convert(finiteExamples(logits), "float32"),
      };
    },
    { device },
  );
  return {
    gradient,
    score,
    dispose() {
      gradient.dispose();
      score.dispose();
    },
  };
}
