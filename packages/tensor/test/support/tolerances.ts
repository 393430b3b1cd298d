/** @file How far the backends that compute in float32, wasm and webgpu, may be from float64: relative errors in the L2 norm. */
import type { Operation } from "../../src/ops/definition.ts";

/** Bits are moved, compared or counted, or the nearest float32 is the result. */
const EXACT = 0;
/** Rounding of a short formula or a sum; WGSL lets quotients and roots be off by 2.5 units, polynomials of transcendental functions are by about 2. */
const ROUNDED = 2e-6;
/** Winograd's transformations add and subtract multiples before they multiply. */
const TRANSFORMED = 1e-5;

export interface Tolerance {
  /** Of an operation's result. */
  readonly value: number;
  /** Of its gradients; null if it has none. */
  readonly gradient: number | null;
}

const tolerance = (value: number, gradient: number | null): Tolerance => ({ value, gradient });

const OPERATIONS: Readonly<Record<string, Tolerance>> = {
  abs: tolerance(EXACT, EXACT),
  add: tolerance(EXACT, ROUNDED),
  alias: tolerance(EXACT, EXACT),
  and: tolerance(EXACT, null),
  broadcast: tolerance(EXACT, ROUNDED),
  conv2d: tolerance(TRANSFORMED, TRANSFORMED),
  "conv2d-filter-grad": tolerance(TRANSFORMED, TRANSFORMED),
  "conv2d-input-grad": tolerance(TRANSFORMED, TRANSFORMED),
  convert: tolerance(EXACT, null),
  cos: tolerance(ROUNDED, ROUNDED),
  div: tolerance(ROUNDED, ROUNDED),
  dot: tolerance(ROUNDED, ROUNDED),
  eq: tolerance(EXACT, null),
  exp: tolerance(ROUNDED, ROUNDED),
  flip: tolerance(EXACT, EXACT),
  floor: tolerance(EXACT, EXACT),
  full: tolerance(EXACT, null),
  gather: tolerance(EXACT, ROUNDED),
  iota: tolerance(EXACT, null),
  le: tolerance(EXACT, null),
  log: tolerance(ROUNDED, ROUNDED),
  lt: tolerance(EXACT, null),
  max: tolerance(EXACT, ROUNDED),
  "max-pool2d": tolerance(EXACT, ROUNDED),
  maximum: tolerance(EXACT, ROUNDED),
  min: tolerance(EXACT, ROUNDED),
  minimum: tolerance(EXACT, ROUNDED),
  mul: tolerance(EXACT, ROUNDED),
  neg: tolerance(EXACT, EXACT),
  not: tolerance(EXACT, null),
  or: tolerance(EXACT, null),
  pad: tolerance(EXACT, EXACT),
  "random-bits": tolerance(EXACT, null),
  reshape: tolerance(EXACT, EXACT),
  "scatter-add": tolerance(ROUNDED, EXACT),
  select: tolerance(EXACT, ROUNDED),
  "shift-right": tolerance(EXACT, null),
  sign: tolerance(EXACT, EXACT),
  sin: tolerance(ROUNDED, ROUNDED),
  slice: tolerance(EXACT, EXACT),
  sqrt: tolerance(ROUNDED, ROUNDED),
  "stop-gradient": tolerance(EXACT, EXACT),
  sub: tolerance(EXACT, ROUNDED),
  sum: tolerance(ROUNDED, EXACT),
  tanh: tolerance(ROUNDED, ROUNDED),
  transpose: tolerance(EXACT, EXACT),
  "window-argmax": tolerance(EXACT, null),
  "window-gather": tolerance(EXACT, ROUNDED),
  "window-scatter": tolerance(ROUNDED, EXACT),
  xor: tolerance(EXACT, null),
};

/** An operation's tolerance; every operation must have one. */
export function toleranceOf({ name }: Operation): Tolerance {
  const found = OPERATIONS[name];
  if (!found) throw new Error(`state the tolerance of ${name}`);
  return found;
}

/** Of gradients of random programs by their order, each as a whole. */
export const RANDOM_GRADIENT_TOLERANCES = { 1: 1e-5, 2: 1e-4 } as const;

/** Of what PyTorch computed in float64, by what it is of: results and gradients of first and second order. */
export const FIXTURE_TOLERANCES = {
  attacks: 5e-6,
  "cross-entropy": 1e-6,
  "batch normalisation": 5e-6,
  convolution: 1e-5,
  pooling: 1e-6,
  optimisers: 1e-5,
  mixing: 5e-6,
  CNN: 1e-4,
  "PreAct ResNet-18": 1e-4,
  "ResNet-34": 1e-4,
  "ResNet-50": 1e-4,
  "regularised losses": 1e-4,
  methods: 1e-4,
} as const;

/** Of the same on the reference backend, which computes in float64 too: `rounded` where the stored result was rounded to float32. */
export const REFERENCE_TOLERANCES = { exact: 1e-9, rounded: 1e-7 } as const;
