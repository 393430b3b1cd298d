/** @file Where the windows of a convolution lie in memory, and the forms of kernels that go over them. */
import { stridesOf } from "../../base/shape.ts";
import type { Node } from "../../ir/graph.ts";
import type { ImageStrides, Kernel } from "../../ir/kernel.ts";
import type { Target } from "../../ir/target.ts";
import type { Convolution, Pair } from "../../ops/convolution.ts";
import { kernelNode } from "../kernel-node.ts";
import { NHWC, type Numbers } from "../placed.ts";
import { type Forward, multiplyAdds, type Way } from "./contraction.ts";
import type { FilterView } from "./filter.ts";
import { padImage } from "./image.ts";

/** A convolution between channel-last images in memory, with padding made explicit. */
export interface Windows {
  readonly batch: number;
  /** Rows and columns of the result. */
  readonly size: Pair;
  /** Channels of all groups. */
  readonly inputs: number;
  readonly outputs: number;
  readonly groups: number;
  readonly window: Pair;
  /** Elements from one row and column of the window to the next. */
  readonly taps: Pair;
  /** Steps of the window over the image, and of its result. */
  readonly input: ImageStrides;
  readonly output: ImageStrides;
}

/** One form of filter and kernel. It serves convolutions, and input gradients part by part. */
export interface Form {
  readonly name: string;
  readonly fits: (shape: Convolution) => boolean;
  /** Vector instructions of so many multiply-adds, where a group of the result has so many channels. */
  readonly cost: (count: number, channels: number) => number;
  /** The filter in the order in which the kernel reads it. */
  readonly pack: (filter: FilterView, target: Target) => Node;
  /** Buffers: image, packed filter, result. */
  readonly kernel: (windows: Windows, packed: Node) => Kernel;
}

/** Strides of a dense [N, H, W, C] image. */
export function imageStrides(shape: Numbers, step: Pair, offset = 0): ImageStrides {
  const [image, row, pixel] = stridesOf(shape) as [number, number, number, number];
  return { offset, image, row: row * step[0], pixel: pixel * step[1] };
}

/** Elements from one row and column of a window to the next in a dense image. */
export function tapsOf(image: Numbers, dilation: Pair): Pair {
  const [, row, pixel] = stridesOf(image) as [number, number, number, number];
  return [row * dilation[0], pixel * dilation[1]];
}

/** The windows of a dense padded image [N, H, W, C] whose results lie densely, too. */
export function windowsOf(image: Numbers, shape: Pick<Convolution, "outputs" | "groups" | "window" | "stride" | "dilation" | "result">): Windows {
  const { outputs, groups, window, stride, dilation, result } = shape;
  const [batch, , , inputs] = image as [number, number, number, number];
  const output = imageStrides([batch, ...result, outputs], [1, 1]);
  return { batch, size: result, inputs, outputs, groups, window, taps: tapsOf(image, dilation), input: imageStrides(image, stride), output };
}

/** The convolution by kernels of a form. */
export function convolutionBy(form: Form): Way<Forward> {
  return {
    name: `${form.name} convolution`,
    fits: ({ shape }) => form.fits(shape),
    cost: ({ shape }) => form.cost(multiplyAdds(shape), shape.outputs / shape.groups),
    lower({ shape, image, filter }, target) {
      const x = padImage(image, shape, NHWC);
      const packed = form.pack(filter, target);
      const kernel = form.kernel(windowsOf(x.shape, shape), packed);
      return { node: kernelNode(kernel, [x, packed], [shape.batch, ...shape.result, shape.outputs]), permutation: NHWC };
    },
  };
}
