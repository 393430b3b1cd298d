/** @file Random programs: rules that add up: reductions and contractions. */
import * as t from "@gradalign/tensor";
import * as build from "../../../src/ops/build.ts";
import { type Context, isFloat, type Known, magnitude, moved, type Rule, rank, rounded, rounding } from "./known.ts";

/** A sum of `terms` numbers; where they may be anything, `magnitudes` is the same sum of their magnitudes. */
function summed({ family }: Context, exact: Known, terms: number, magnitudes: () => t.Value): Known {
  return family.extreme ? rounded(exact, t.mul(magnitudes(), rounding(terms + 2))) : exact;
}

const summing: Rule = (x, context) => {
  const { choose, family } = context;
  const { shape } = x.value;
  const axes = shape.map((_, axis) => axis).filter(() => choose.chance(0.5));
  const keepDims = choose.chance(0.3);
  const count = axes.reduce((n, axis) => n * shape[axis]!, 1);
  const sum = (value: t.Value): t.Value => t.sum(value, axes, { keepDims });
  const value = sum(x.value);
  // Integers wrap around, the same everywhere.
  if (family.extreme && !isFloat(x)) return moved(x, value);
  const error = x.error === 0 ? 0 : count * (x.error + rounding(x.bound));
  return summed(context, { value, bound: x.bound * Math.max(1, count), step: x.step, error }, count, () => sum(magnitude(x.value)));
};

const extremum: Rule = (x, { choose }) => {
  const { shape } = x.value;
  // Nothing has no maximum.
  const axes = shape.map((_, axis) => axis).filter((axis) => shape[axis]! > 0 && choose.chance(0.5));
  if (rank(x) > 0 && x.error === 0 && choose.chance(0.3)) {
    const axis = choose.below(rank(x));
    return shape[axis] === 0 ? null : { value: t.argmax(x.value, axis), bound: shape[axis]!, step: 1, error: 0 };
  }
  return moved(x, choose.pick([t.max, t.min])(x.value, axes, { keepDims: choose.chance(0.3) }));
};

/** Sums, and the largest and smallest elements. */
export const reducing: Rule = (x, context) => (context.choose.chance(0.5) ? summing : extremum)(x, context);

export const scattering: Rule = (x, context) => {
  const { choose } = context;
  if (!isFloat(x) || rank(x) !== 2 || x.error > 0) return null;
  const rows = x.value.shape[0]!;
  const index = t.iota([rows], 0);
  const targets = choose.chance(0.5) ? t.and(index, 3) : t.sub(rows, index);
  const shape = [1 + choose.below(6), x.value.shape[1]!];
  const scatter = (value: t.Value): t.Value => build.scatterAdd(value, [targets], shape);
  return summed(context, moved(x, scatter(x.value), { bound: x.bound * Math.max(1, rows) }), rows, () => scatter(magnitude(x.value)));
};

const product: Rule = (x, context) => {
  const { pool, choose, family } = context;
  const depth = x.value.shape[1]!;
  const fitting = pool.filter((y) => isFloat(y) && y.error === 0 && rank(y) === 2 && y.value.shape[0] === depth);
  // Times infinity, a zero is NaN, and whether a sum of the largest numbers overflows depends on the order: one factor is small.
  const small = family.extreme ? smallNumbers([depth, 1 + choose.below(20)]) : null;
  const y = small ?? (fitting.length > 0 ? choose.pick(fitting) : moved(x, t.transpose(x.value)));
  const known = { value: t.matmul(x.value, y.value), bound: depth * x.bound * y.bound, step: x.step * y.step, error: 0 };
  return summed(context, known, depth, () => t.matmul(magnitude(x.value), t.abs(y.value)));
};

/** Integers from -3 to 4. */
function smallNumbers(shape: readonly number[]): Known {
  const numbers = t.reshape(t.sub(t.and(t.mul(t.iota([t.sizeOf(shape)]), 5), 7), 3), shape);
  return { value: t.convert(numbers, "float32"), bound: 4, step: 1, error: 0 };
}

/** Winograd's transformations, which round, are used from so many channels on both sides on. */
const WIDE = 16;

/** A convolution or one of its two gradients: in all three the value of the pool is one operand, and the other is small. */
const convolution: Rule = (x, context) => {
  const { choose, family } = context;
  const [batch, channels, ...size] = x.value.shape as [number, number, number, number];
  const few = (most: number): number => (family.empty && choose.chance(0.1) ? 0 : 1 + choose.below(most));
  const groups = choose.chance(0.3) ? choose.pick([1, 2, 3, 4, channels].filter((n) => n > 0 && channels % n === 0)) : 1;
  const others = channels === WIDE && !family.extreme && choose.chance(0.7) ? WIDE : groups * few(Math.ceil(9 / groups));
  const window = size.map((extent) => Math.min(extent, few(3))) as [number, number];
  const dilation = window.map(() => (choose.chance(0.2) ? 2 : 1)) as [number, number];
  const even = choose.below(2);
  const sides = [0, 1].map(() => (choose.chance(0.2) ? [choose.below(3), choose.below(3)] : [even, even])) as [[number, number], [number, number]];
  const options = { stride: 1 + choose.below(2), padding: sides, dilation, groups };
  const extents = window.map((extent, axis) => (extent - 1) * dilation[axis]! + 1 - sides[axis]![0] - sides[axis]![1]);
  const linear = (shape: readonly number[], terms: number, apply: (value: t.Value, small: t.Value) => t.Value): Known => {
    const small = smallNumbers(shape).value;
    const value = apply(x.value, small);
    const bound = terms * x.bound * 4;
    const error = channels * others >= WIDE * WIDE ? 1e-5 * bound : 0;
    return summed(context, { value, bound, step: x.step, error }, terms, () => apply(magnitude(x.value), t.abs(small)));
  };
  switch (choose.below(3)) {
    case 0:
      if (size.some((extent, axis) => extent < extents[axis]!)) return null;
      return linear([others, channels / groups, ...window], channels * t.sizeOf(window), (image, w) => t.conv2d(image, w, options));
    case 1: {
      // The image whose convolution has this size.
      const image = size.map((extent, axis) => (extent - 1) * options.stride + extents[axis]!);
      if (image.some((extent) => extent < 0) || size.includes(0)) return null;
      const inputShape = [batch, others, ...image];
      return linear([channels, others / groups, ...window], channels * t.sizeOf(window), (dy, w) => t.conv2dInputGrad(dy, w, { ...options, inputShape }));
    }
    default: {
      const result = size.map((extent, axis) => Math.floor((extent - extents[axis]!) / options.stride) + 1);
      if (result.some((extent) => extent < 1)) return null;
      const filterShape = [others, channels / groups, ...window];
      return linear([batch, others, ...result], batch * t.sizeOf(result), (image, dy) => t.conv2dFilterGrad(image, dy, { ...options, filterShape }));
    }
  }
};

/** Pooling, most often with several maxima in a window; or an element of each window by its number, and the transpose of that. */
export const pooling: Rule = (x, { choose }) => {
  if (!isFloat(x) || rank(x) !== 4 || x.value.shape.includes(0)) return null;
  const [batch, channels, ...size] = x.value.shape as [number, number, number, number];
  const window = size.map((extent) => Math.min(extent, 1 + choose.below(3))) as [number, number];
  const stride = [1 + choose.below(3), 1 + choose.below(3)] as const;
  const padding = window.flatMap((extent) => [0, 1].map(() => choose.below(Math.floor(extent / 2) + 1))) as [number, number, number, number];
  const geometry = { window, stride, padding };
  const result = size.map((extent, d) => Math.floor((extent + padding[2 * d]! + padding[2 * d + 1]! - window[d]!) / stride[d]!) + 1);
  const numbers = (shape: readonly number[]): t.Value => {
    const some = t.and(t.mul(t.iota([t.sizeOf(shape)]), 5), 15);
    return t.reshape(t.convert(some, "int32"), shape);
  };
  switch (choose.below(3)) {
    case 0: {
      const sides: [[number, number], [number, number]] = [
        [padding[0], padding[1]],
        [padding[2], padding[3]],
      ];
      return moved(x, t.maxPool2d(x.value, { kernel: window, stride, padding: sides }));
    }
    case 1:
      return moved(x, build.windowGather(x.value, numbers([batch, channels, ...result]), geometry));
    default: {
      if (x.error > 0) return null;
      // The image whose windows are as many as there are elements.
      const image = size.map((extent, d) => (extent - 1) * stride[d]! + window[d]! - padding[2 * d]! - padding[2 * d + 1]!);
      if (image.some((extent) => extent < 1)) return null;
      const scattered = build.windowScatter(x.value, numbers(x.value.shape), geometry, image as [number, number]);
      return moved(x, scattered, { bound: x.bound * window[0] * window[1] });
    }
  }
};

/** Matrix products, convolutions, and gradients of convolutions. */
export const contraction: Rule = (x, context) => {
  if (!isFloat(x) || x.error > 0) return null;
  if (rank(x) === 2) return product(x, context);
  return rank(x) === 4 ? convolution(x, context) : null;
};
