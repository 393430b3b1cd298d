/** @file ONNX's operators of networks: contractions, normalisation, pooling, reductions. */
import {
  abs,
  add,
  broadcastAlong,
  div,
  exp,
  log,
  matmul,
  max,
  mean,
  min,
  mul,
  reshape,
  sqrt,
  square,
  stopGradient,
  sub,
  sum,
  transpose,
  type Value,
} from "@gradalign/tensor";
import { batchNorm } from "../nn/batch-norm.ts";
import { convolution } from "../nn/layers.ts";
import { averagePool, maxPool, type PoolWindow } from "../nn/pooling.ts";
import { axisOf, type Call, float, input, int, ints, listOf, type Operator, text, unsupported } from "./call.ts";

/** A one-dimensional image as one of height 1. */
const asImage = (x: Value): Value => (x.shape.length === 3 ? reshape(x, [x.shape[0]!, x.shape[1]!, 1, x.shape[2]!]) : x);
const asLine = (y: Value, like: Value): Value => (like.shape.length === 3 ? reshape(y, [y.shape[0]!, y.shape[1]!, y.shape[3]!]) : y);

/** A pair, [vertical, horizontal], of an attribute for one or two axes. */
function pairOf(list: readonly number[], first: number): [number, number] {
  return list.length === 1 ? [first, list[0]!] : [list[0]!, list[1]!];
}

/** Strides, paddings and dilations of a window over x. */
function windowOf(call: Call, x: Value, kernel: readonly number[]): PoolWindow & { readonly dilation: readonly [number, number] } {
  const axes = x.shape.length - 2;
  if (axes < 1 || axes > 2) throw unsupported(call, `images of ${axes} axes are not supported`);
  const ones = Array.from({ length: axes }, () => 1);
  const strides = ints(call, "strides") ?? ones;
  const dilations = ints(call, "dilations") ?? ones;
  let pads = ints(call, "pads") ?? Array.from({ length: 2 * axes }, () => 0);
  const auto = text(call, "auto_pad", "NOTSET");
  const reach = (axis: number): number => dilations[axis]! * (kernel[axis]! - 1) + 1;
  if (auto === "SAME_UPPER" || auto === "SAME_LOWER") {
    const totals = ones.map((_, axis) => {
      const extent = x.shape[axis + 2]!;
      return Math.max(0, (Math.ceil(extent / strides[axis]!) - 1) * strides[axis]! + reach(axis) - extent);
    });
    const [small, large] = [totals.map((total) => Math.floor(total / 2)), totals.map((total) => Math.ceil(total / 2))];
    pads = auto === "SAME_UPPER" ? [...small, ...large] : [...large, ...small];
  } else if (int(call, "ceil_mode", 0) === 1) {
    // A last window may begin inside the image or its padding and end outside.
    const grown = ones.map((_, axis) => {
      const [low, high] = [pads[axis]!, pads[axis + axes]!];
      const room = x.shape[axis + 2]! + low + high - reach(axis);
      let count = Math.ceil(room / strides[axis]!) + 1;
      if ((count - 1) * strides[axis]! >= x.shape[axis + 2]! + low) count--;
      return high + Math.max(0, (count - 1) * strides[axis]! - room);
    });
    pads = [...pads.slice(0, axes), ...grown];
  }
  const [tops, bottoms] = [pairOf(pads.slice(0, axes), 0), pairOf(pads.slice(axes), 0)];
  return {
    size: pairOf(kernel, 1),
    stride: pairOf(strides, 1),
    dilation: pairOf(dilations, 1),
    padding: [
      [tops[0], bottoms[0]],
      [tops[1], bottoms[1]],
    ],
  };
}

function conv(call: Call): Value {
  const [x, w, bias] = [input(call, 0), input(call, 1), call.optional(2)];
  const { stride, padding, dilation } = windowOf(call, x, w.shape.slice(2));
  return asLine(convolution(asImage(x), asImage(w), bias, { stride, padding, dilation, groups: int(call, "group", 1) }), x);
}

function pool(call: Call, f: (x: Value, window: PoolWindow) => Value): Value {
  const x = input(call, 0);
  const kernel = ints(call, "kernel_shape");
  if (!kernel) throw unsupported(call, "it has no kernel_shape");
  if (call.node.outputs.length > 1) throw unsupported(call, "the places of the largest elements are not supported");
  const window = windowOf(call, x, kernel);
  if (window.dilation.some((step) => step !== 1)) throw unsupported(call, "dilated windows are not supported");
  return asLine(f(asImage(x), window), x);
}

/** In train mode by the batch's statistics, moving the running ones. */
function normalized(call: Call): Value {
  const [x, weight, bias, runningMean, runningVar] = [0, 1, 2, 3, 4].map((i) => input(call, i)) as [Value, Value, Value, Value, Value];
  if (int(call, "spatial", 1) === 0) throw unsupported(call, "statistics per position (spatial = 0) are not supported");
  const image = x.shape.length === 2 ? reshape(x, [...x.shape, 1, 1]) : asImage(x);
  if (image.shape.length !== 4) throw unsupported(call, `images of ${x.shape.length - 2} axes are not supported`);
  const settings = { train: call.train, epsilon: float(call, "epsilon", 1e-5), momentum: 1 - float(call, "momentum", 0.9) };
  const result = batchNorm(image, { weight, bias, runningMean, runningVar }, settings);
  call.moved(3, result.runningMean);
  call.moved(4, result.runningVar);
  return reshape(result.y, x.shape);
}

/** Over the positions of each image's channel. */
function instanceNormalized(call: Call): Value {
  const [x, weight, bias] = [input(call, 0), input(call, 1), input(call, 2)];
  const axes = x.shape.map((_, axis) => axis).slice(2);
  const centered = sub(x, mean(x, axes, { keepDims: true }));
  const scale = sqrt(add(mean(square(centered), axes, { keepDims: true }), float(call, "epsilon", 1e-5)));
  const spread = (v: Value): Value => broadcastAlong(v, x.shape, [1]);
  return add(mul(div(centered, scale), spread(weight)), spread(bias));
}

function gemm(call: Call): Value {
  const [a, b, c] = [input(call, 0), input(call, 1), call.optional(2)];
  const product = matmul(int(call, "transA", 0) ? transpose(a) : a, int(call, "transB", 0) ? transpose(b) : b);
  const scaled = (x: Value, factor: number): Value => (factor === 1 ? x : mul(x, factor));
  const y = scaled(product, float(call, "alpha", 1));
  return c ? add(y, scaled(c, float(call, "beta", 1))) : y;
}

function product(call: Call): Value {
  const [a, b] = [input(call, 0), input(call, 1)];
  if (b.shape.length !== 2 || a.shape.length < 2) throw unsupported(call, `a product of [${a.shape.join(", ")}] and [${b.shape.join(", ")}] is not supported`);
  const rows = a.shape.slice(0, -1);
  const flat = reshape(a, [rows.reduce((x, y) => x * y, 1), a.shape.at(-1)!]);
  return reshape(matmul(flat, b), [...rows, b.shape[1]!]);
}

/** Up to opset 12 over all axes from one on; since 13 over one. */
function softmax(call: Call, logarithm: boolean): Value {
  const x = input(call, 0);
  const rank = x.shape.length;
  const axis = axisOf(int(call, "axis", call.opset < 13 ? 1 : -1), rank);
  const axes = call.opset < 13 ? x.shape.map((_, i) => i).slice(axis) : [axis];
  const shifted = sub(x, stopGradient(max(x, axes, { keepDims: true })));
  const total = sum(exp(shifted), axes, { keepDims: true });
  return logarithm ? sub(shifted, log(total)) : div(exp(shifted), total);
}

function reduction(f: (x: Value, axes: readonly number[] | undefined, options: { readonly keepDims: boolean }) => Value): Operator {
  return (call) => {
    const x = input(call, 0);
    const axes = listOf(call, "axes", 1)?.map((axis) => axisOf(axis, x.shape.length));
    if (!axes?.length && int(call, "noop_with_empty_axes", 0) === 1) return x;
    return f(x, axes?.length ? axes : undefined, { keepDims: int(call, "keepdims", 1) === 1 });
  };
}

const positions = (x: Value): number[] => x.shape.map((_, axis) => axis).slice(2);

/** By their names in ONNX. */
export const layers: Readonly<Record<string, Operator>> = {
  AveragePool: (call) => pool(call, (x, window) => averagePool(x, window, int(call, "count_include_pad", 0) === 1)),
  BatchNormalization: normalized,
  Conv: conv,
  // Left out: what is attacked or fine-tuned is the network without it.
  Dropout: (call) => input(call, 0),
  Gemm: gemm,
  GlobalAveragePool: (call) => mean(input(call, 0), positions(input(call, 0)), { keepDims: true }),
  GlobalMaxPool: (call) => max(input(call, 0), positions(input(call, 0)), { keepDims: true }),
  InstanceNormalization: instanceNormalized,
  LogSoftmax: (call) => softmax(call, true),
  MatMul: product,
  MaxPool: (call) => pool(call, maxPool),
  ReduceL1: reduction((x, axes, options) => sum(abs(x), axes, options)),
  ReduceL2: reduction((x, axes, options) => sqrt(sum(square(x), axes, options))),
  ReduceMax: reduction(max),
  ReduceMean: reduction(mean),
  ReduceMin: reduction(min),
  ReduceSum: reduction(sum),
  Softmax: (call) => softmax(call, false),
};
