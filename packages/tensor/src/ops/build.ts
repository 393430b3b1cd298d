/** @file Typed constructors of every operation, for derivatives and passes; operands must already have fitting shapes.
 * (The public functions, which broadcast and convert, are in `frontend/`.) They find operations by name, so that an
 * operation's file can use any other operation without an import cycle. */
import type { DType } from "../base/dtype.ts";
import { type Shape, sameShape } from "../base/shape.ts";
import type { Attributes, Node } from "../ir/graph.ts";
import type { ConvGeometry, Pair } from "./convolution.ts";
import { apply } from "./definition.ts";
import type { PoolGeometry } from "./pooling.ts";

const unary =
  (name: string) =>
  (x: Node): Node =>
    apply(name, [x]);
const binary =
  (name: string) =>
  (a: Node, b: Node): Node =>
    apply(name, [a, b]);

export const neg = unary("neg");
export const exp = unary("exp");
export const log = unary("log");
export const sqrt = unary("sqrt");
export const abs = unary("abs");
export const sign = unary("sign");
export const floor = unary("floor");
export const tanh = unary("tanh");
export const not = unary("not");
export const stopGradient = unary("stop-gradient");
export const alias = unary("alias");
export const add = binary("add");
export const sub = binary("sub");
export const mul = binary("mul");
export const div = binary("div");
export const maximum = binary("maximum");
export const minimum = binary("minimum");
export const eq = binary("eq");
export const lt = binary("lt");
export const le = binary("le");
export const and = binary("and");
export const or = binary("or");
export const xor = binary("xor");
export const shiftRight = binary("shift-right");

/** `inTurn`: the angle is known to lie within a turn of 0, which costs less. */
const ofAngle =
  (name: string) =>
  (x: Node, inTurn = false): Node =>
    apply(name, [x], inTurn ? { inTurn } : {});

export const sin = ofAngle("sin");
export const cos = ofAngle("cos");

export function select(condition: Node, then: Node, otherwise: Node): Node {
  return apply("select", [condition, then, otherwise]);
}
export function convert(x: Node, dtype: DType): Node {
  return x.dtype === dtype ? x : apply("convert", [x], { dtype });
}
export function full(shape: Shape, value: number, dtype: DType = "float32"): Node {
  return apply("full", [], { shape: [...shape], value, dtype });
}
/** A constant of the same type as another value. */
export function fullLike(x: Node, value: number): Node {
  return full(x.shape, value, x.dtype);
}
export function iota(shape: Shape, axis: number): Node {
  return apply("iota", [], { shape: [...shape], axis });
}
/** Sums over the axes and drops them. */
export function sum(x: Node, axes: readonly number[]): Node {
  return axes.length === 0 ? x : apply("sum", [x], { axes: [...axes] });
}
export function max(x: Node, axes: readonly number[]): Node {
  return axes.length === 0 ? x : apply("max", [x], { axes: [...axes] });
}
export function min(x: Node, axes: readonly number[]): Node {
  return axes.length === 0 ? x : apply("min", [x], { axes: [...axes] });
}
/** Places the axes of `x` at `axes` of the result and repeats along all others. */
export function broadcast(x: Node, shape: Shape, axes: readonly number[]): Node {
  return sameShape(x.shape, shape) ? x : apply("broadcast", [x], { shape: [...shape], axes: [...axes] });
}
export function reshape(x: Node, shape: Shape): Node {
  return sameShape(x.shape, shape) ? x : apply("reshape", [x], { shape: [...shape] });
}
export function transpose(x: Node, permutation: readonly number[]): Node {
  return sameShape(permutation, [...x.shape.keys()]) ? x : apply("transpose", [x], { permutation: [...permutation] });
}
export function slice(x: Node, starts: readonly number[], ends: readonly number[], steps: readonly number[]): Node {
  const whole =
    sameShape(ends, x.shape) &&
    sameShape(
      starts,
      ends.map(() => 0),
    ) &&
    sameShape(
      steps,
      ends.map(() => 1),
    );
  return whole ? x : apply("slice", [x], { starts: [...starts], ends: [...ends], steps: [...steps] });
}
/** Adds `low` and `high` elements around each axis and `interior` elements between neighbours, all of the given value. */
export function pad(x: Node, low: readonly number[], high: readonly number[], interior: readonly number[], value = 0): Node {
  const nothing = [...low, ...high, ...interior].every((n) => n === 0);
  return nothing ? x : apply("pad", [x], { low: [...low], high: [...high], interior: [...interior], value });
}
export function flip(x: Node, axes: readonly number[]): Node {
  return axes.length === 0 ? x : apply("flip", [x], { axes: [...axes] });
}
/** x[i0, i1, …, :] with index tensors of one common shape, clipped to their axes. */
export function gather(x: Node, indices: readonly Node[]): Node {
  return apply("gather", [x, ...indices]);
}
/** Zeros of `shape` with updates[i…, :] added at [i0, i1, …, :]. */
export function scatterAdd(updates: Node, indices: readonly Node[], shape: Shape): Node {
  return apply("scatter-add", [updates, ...indices], { shape: [...shape] });
}
export function dot(a: Node, b: Node): Node {
  return apply("dot", [a, b]);
}

export function conv2d(x: Node, w: Node, geometry: ConvGeometry): Node {
  return apply("conv2d", [x, w], attributesOf(geometry));
}
export function conv2dInputGrad(dy: Node, w: Node, geometry: ConvGeometry, inputSize: Pair): Node {
  return apply("conv2d-input-grad", [dy, w], { ...attributesOf(geometry), inputSize: [...inputSize] });
}
export function conv2dFilterGrad(x: Node, dy: Node, geometry: ConvGeometry, filterSize: Pair): Node {
  return apply("conv2d-filter-grad", [x, dy], { ...attributesOf(geometry), filterSize: [...filterSize] });
}
/** The geometry alone, in this order: equal operations have equal attributes. */
function attributesOf({ stride, padding, dilation, groups }: ConvGeometry): Attributes {
  return { stride: [...stride], padding: [...padding], dilation: [...dilation], groups };
}
/** The largest element of each window. */
export function maxPool2d(x: Node, geometry: PoolGeometry): Node {
  return apply("max-pool2d", [x], poolAttributes(geometry));
}
/** The number of the largest element of each window. */
export function windowArgmax(x: Node, geometry: PoolGeometry): Node {
  return apply("window-argmax", [x], poolAttributes(geometry));
}
/** Of each window the element with this number; 0 in the padding. */
export function windowGather(x: Node, index: Node, geometry: PoolGeometry): Node {
  return apply("window-gather", [x, index], poolAttributes(geometry));
}
/** Zeros with `dy` added to each window's element with this number. */
export function windowScatter(dy: Node, index: Node, geometry: PoolGeometry, inputSize: Pair): Node {
  return apply("window-scatter", [dy, index], { ...poolAttributes(geometry), inputSize: [...inputSize] });
}
function poolAttributes({ window, stride, padding }: PoolGeometry): Attributes {
  return { window: [...window], stride: [...stride], padding: [...padding] };
}
export function randomBits(key: Node, stream: Node, shape: Shape): Node {
  return apply("random-bits", [key, stream], { shape: [...shape] });
}
