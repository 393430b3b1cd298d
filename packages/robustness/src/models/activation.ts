/** @file What networks of several activations share. */
import { choice } from "../options/option.ts";
import type { Layers } from "./network.ts";

/** Activations by name. */
export type Activation = "swish" | "relu";

/** Which activation; DeepMind's networks usually have Swish. */
export const ACTIVATION = choice(["swish", "relu"], { default: "swish", help: "the activation" });

/** Batch norm, then the activation. */
export function activated<H>(layers: Layers<H>, activation: Activation, name: string, x: H): H {
  return layers[activation](layers.batchNorm(name, x));
}

/** The zeros around an image with which a 3 x 3 convolution of stride 1 or 2 gives TensorFlow's SAME sizes of even extents: none before at stride 2. */
export function samePadding(stride: number): readonly [readonly [number, number], readonly [number, number]] {
  const side = stride === 1 ? ([1, 1] as const) : ([0, 1] as const);
  return [side, side];
}
