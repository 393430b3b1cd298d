/** @file Images with their padding made explicit. */
import type { Node } from "../../ir/graph.ts";
import { pad, slice } from "../../ops/build.ts";
import type { Pair } from "../../ops/convolution.ts";
import { arrange, type Numbers, type Placed, permute } from "../placed.ts";

/** The image in this order of axes, with zeros before its first and after its last rows and columns; less than none cuts them off. */
export function padImage(image: Placed, { low, high }: { readonly low: Pair; readonly high: Pair }, order: Numbers): Node {
  const along = (list: Pair, part: (n: number) => number): number[] => permute([0, 0, part(list[0]), part(list[1])], order);
  const negative = (n: number): number => Math.max(0, -n);
  const positive = (n: number): number => Math.max(0, n);
  const whole = arrange(image, order);
  const ends = along(high, negative);
  const cut = slice(
    whole,
    along(low, negative),
    whole.shape.map((extent, axis) => extent - ends[axis]!),
    [1, 1, 1, 1],
  );
  return pad(cut, along(low, positive), along(high, positive), [0, 0, 0, 0]);
}
