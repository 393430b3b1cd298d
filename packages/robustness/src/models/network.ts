/**
 * @file Networks written once: as a function of layers, which make the tensors, compute with them, or write them down.
 *
 * A network sees only what flows between its layers (`H`): a shape while tensors are made, a traced value while it computes, a name while it
 * becomes the graph of an ONNX file.
 */
import type { ConvOptions } from "@gradalign/tensor";

/** A convolution layer: how many filters of which size, and how they move. */
export interface ConvolutionLayer {
  readonly out: number;
  /** Extent of the square filters. */
  readonly size: number;
  /** 1 unless set. */
  readonly stride?: number;
  readonly padding?: NonNullable<ConvOptions["padding"]>;
  readonly bias?: boolean;
}

/** Per channel: x becomes (x - mean) / std. */
export interface NormalizationLayer {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** What networks are made of. A name is the layer's in PyTorch: its tensors are `NAME.weight` and so on. */
export interface Layers<H> {
  normalize(x: H, layer: NormalizationLayer): H;
  convolution(name: string, x: H, layer: ConvolutionLayer): H;
  batchNorm(name: string, x: H): H;
  /** x [N, in] to [N, out]. */
  linear(name: string, x: H, out: number): H;
  relu(x: H): H;
  /** x times its logistic function. */
  swish(x: H): H;
  add(a: H, b: H): H;
  /** The largest element of each square window. */
  maxPool(x: H, window: { readonly size: number; readonly stride: number; readonly padding: number }): H;
  /** [N, C, H, W] to [N, C]. */
  globalAveragePool(x: H): H;
  /** [N, C, H, W] to [N, C H W]. */
  flatten(x: H): H;
  /** Channels of x. */
  channels(x: H): number;
}

/** A network as a function of layers, from images to logits. */
export type Network = <H>(layers: Layers<H>, x: H) => H;
