/** @file A network large enough that its activations are stored in float16: two convolutions with batch normalisation between, one with a stride,
 * and a linear layer. */
import {
  add,
  broadcastAlong,
  conv2d,
  div,
  exp,
  log,
  matmul,
  max,
  maximum,
  mean,
  mul,
  type Shape,
  sizeOf,
  sqrt,
  sub,
  sum,
  type Tensor,
  tensor,
  type Value,
} from "@gradalign/tensor";
import { pseudoRandom } from "./pseudo-random.ts";

export interface Network {
  readonly x: Value;
  readonly w1: Value;
  readonly w2: Value;
  readonly w3: Value;
}

const SHAPES: Readonly<Record<keyof Network, Shape>> = { x: [4, 3, 16, 16], w1: [16, 3, 3, 3], w2: [16, 16, 3, 3], w3: [16, 12] };

/** Images in [0, 1] and filters of about unit gain. */
export function networkInputs(): Record<keyof Network, Tensor> {
  const random = pseudoRandom(5);
  const values = (shape: Shape, low: number, high: number): Tensor =>
    tensor(
      Float64Array.from({ length: sizeOf(shape) }, () => low + random() * (high - low)),
      shape,
    );
  return { x: values(SHAPES.x, 0, 1), w1: values(SHAPES.w1, -0.4, 0.4), w2: values(SHAPES.w2, -0.2, 0.2), w3: values(SHAPES.w3, -0.5, 0.5) };
}

function normalized(x: Value): Value {
  const along = (v: Value): Value => broadcastAlong(v, x.shape, [1]);
  const centered = sub(x, along(mean(x, [0, 2, 3])));
  return div(centered, along(sqrt(add(mean(mul(centered, centered), [0, 2, 3]), 1e-5))));
}

/** A cross-entropy-like loss: mean over the batch of log Σ exp of the logits, less the first logit. */
export function networkLoss({ x, w1, w2, w3 }: Network): Value {
  const first = conv2d(x, w1, { padding: 1 });
  const second = conv2d(maximum(normalized(first), 0), w2, { stride: 2, padding: 1 });
  const features = mean(maximum(normalized(second), 0), [2, 3]);
  const logits = matmul(features, w3);
  const top = broadcastAlong(max(logits, [1]), logits.shape, [0]);
  const spread = add(log(sum(exp(sub(logits, top)), [1])), max(logits, [1]));
  return mean(sub(spread, mean(logits, [1])));
}
