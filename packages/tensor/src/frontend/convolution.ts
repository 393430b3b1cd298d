/** @file Convolutions of images [N, C, H, W], and their two gradients as functions of their own. */
import { ShapeError } from "../base/errors.ts";
import type { Shape } from "../base/shape.ts";
import * as build from "../ops/build.ts";
import type { ConvGeometry } from "../ops/convolution.ts";
import type { Value } from "./tensor.ts";

/** One number for both directions, or [vertical, horizontal]. */
export type Both = number | readonly [number, number];

/** How a convolution's window moves over the image. */
export interface ConvOptions {
  /** Step of the window; 1 by default. */
  readonly stride?: Both;
  /** Zeros around the image, none by default; [[top, bottom], [left, right]] where the sides differ. */
  readonly padding?: Both | readonly [readonly [number, number], readonly [number, number]];
  /** Distance of the window's neighbouring elements; 1 by default. */
  readonly dilation?: Both;
  /** The channels of x and the filters are cut into so many groups, each convolved on its own; 1 by default. */
  readonly groups?: number;
}

/** An option for both directions, checked. */
export function pair(op: string, name: string, option: Both): readonly [number, number] {
  if (typeof option === "number") return [option, option];
  if (option.length !== 2) throw new ShapeError(`${op}: ${name} is one number or [vertical, horizontal], got ${JSON.stringify(option)}`);
  return option;
}

/** Padding of the four sides, checked. */
export function sides(op: string, padding: NonNullable<ConvOptions["padding"]>): ConvGeometry["padding"] {
  if (typeof padding === "number") return [padding, padding, padding, padding];
  const [vertical, horizontal] = padding.map((side) => (typeof side === "number" ? [side, side] : side));
  if (padding.length !== 2 || vertical?.length !== 2 || horizontal?.length !== 2)
    throw new ShapeError(`${op}: padding is one number, [vertical, horizontal] or [[top, bottom], [left, right]], got ${JSON.stringify(padding)}`);
  return [vertical[0]!, vertical[1]!, horizontal[0]!, horizontal[1]!];
}

function geometry(op: string, { stride = 1, padding = 0, dilation = 1, groups = 1 }: ConvOptions): ConvGeometry {
  return { stride: pair(op, "stride", stride), padding: sides(op, padding), dilation: pair(op, "dilation", dilation), groups };
}

/** 2-D cross-correlation of x [N, C, H, W] with filters w [K, C / groups, R, S]: [N, K, OH, OW]. */
export function conv2d(x: Value, w: Value, options: ConvOptions = {}): Value {
  return build.conv2d(x, w, geometry("conv2d", options));
}
/** Cotangent of conv2d's input from its output's cotangent. */
export function conv2dInputGrad(dy: Value, w: Value, options: ConvOptions & { readonly inputShape: Shape }): Value {
  return build.conv2dInputGrad(dy, w, geometry("conv2dInputGrad", options), [options.inputShape[2]!, options.inputShape[3]!]);
}
/** Cotangent of conv2d's filter from its output's cotangent. */
export function conv2dFilterGrad(x: Value, dy: Value, options: ConvOptions & { readonly filterShape: Shape }): Value {
  return build.conv2dFilterGrad(x, dy, geometry("conv2dFilterGrad", options), [options.filterShape[2]!, options.filterShape[3]!]);
}
