/** @file Random programs for property tests: small graphs that mix element-wise operations, movement, reductions, gathers and
 * contractions over odd shapes and every element type. Each value carries what its float32 elements can be, so that a test knows
 * whether two backends must agree exactly. */
import * as t from "@gradalign/tensor";
import * as build from "../../src/ops/build.ts";
import { pseudoRandom } from "./pseudo-random.ts";

/** A value with what is known of its elements. */
export interface Known {
  readonly value: t.Value;
  /** No element is larger in magnitude. */
  readonly bound: number;
  /** Every element is a multiple of this (floats with error 0). */
  readonly step: number;
  /** Largest difference that rounding may cause; 0: every backend must agree exactly. */
  readonly error: number;
}

/** Integers up to this, times a power of two, are float32 numbers. */
const EXACT = 2 ** 24;
const LARGEST_SIZE = 24_000;

export class Chooser {
  readonly #random: () => number;
  constructor(seed: number) {
    this.#random = pseudoRandom(seed);
  }
  /** An integer in [0, n). */
  below(n: number): number {
    return Math.floor(this.#random() * n);
  }
  chance(probability: number): boolean {
    return this.#random() < probability;
  }
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
  shuffled<T>(items: readonly T[]): T[] {
    const left = [...items];
    return items.map(() => left.splice(this.below(left.length), 1)[0]!);
  }
}

/** What the inputs look like. */
export interface InputOptions {
  /** Image batches and per-channel values instead of anything. */
  readonly images?: boolean;
}

/** Program inputs: tensors of odd shapes with small exact elements. */
export function randomInputs(seed: number, { images = false }: InputOptions = {}): t.Tensor[] {
  const choose = new Chooser(seed);
  if (images) {
    const shape = [1 + choose.below(3), choose.pick([1, 2, 3, 4, 5, 8, 11]), 3 + choose.below(7), 3 + choose.below(7)];
    return [shape, shape.slice(0, 2)].map((extents) => {
      const elements = Array.from({ length: t.sizeOf(extents) }, () => randomElement(choose, "float32"));
      return t.tensor(elements, extents);
    });
  }
  const dtypes: t.DType[] = ["float32", choose.pick(["float32", "int32"] as const), choose.pick(["float32", "int32", "uint8", "bool"] as const)];
  const large = choose.chance(0.08);
  return dtypes.map((dtype, i) => {
    const shape = large && i === 0 ? [5 + choose.below(20), 9 + choose.below(20), 17 + choose.below(30)] : randomShape(choose);
    return t.tensor(
      Float64Array.from({ length: t.sizeOf(shape) }, () => randomElement(choose, dtype)),
      shape,
      dtype,
    );
  });
}

function randomShape(choose: Chooser): number[] {
  return Array.from({ length: choose.pick([0, 1, 1, 2, 2, 2, 3, 3, 4]) }, () => (choose.chance(0.01) ? 0 : choose.pick([1, 2, 3, 4, 5, 6, 7, 8, 9, 13])));
}

function randomElement(choose: Chooser, dtype: t.DType): number {
  if (dtype === "float32") return choose.below(64) / 8 - 4;
  if (dtype === "int32") return choose.below(19) - 9;
  return dtype === "uint8" ? choose.below(256) : choose.below(2);
}

const BOUNDS: Readonly<Record<t.DType, number>> = { float32: 4, int32: 9, uint8: 255, bool: 1 };

export interface ProgramOptions {
  /** How many operations to try. */
  readonly steps: number;
  /** Leave out operations that round, so that everything compares exactly. */
  readonly exactOnly?: boolean;
  /** Mostly convolutions, and what changes the order of axes. */
  readonly images?: boolean;
}

/** All values of the program with this seed, in the order they were made; the first are the inputs. A program with fewer steps is
 * a prefix of one with more. */
export function randomProgram(seed: number, inputs: readonly t.Value[], { steps, exactOnly = false, images = false }: ProgramOptions): Known[] {
  const choose = new Chooser(seed);
  const pool: Known[] = inputs.map((value) => ({ value, bound: BOUNDS[value.dtype], step: value.dtype === "float32" ? 1 / 8 : 1, error: 0 }));
  const all = images ? [...RULES, ...Array.from({ length: 10 }, () => contraction), tame, tame, tame] : RULES;
  const rules = exactOnly ? all.filter((rule) => !ROUNDING.has(rule)) : all;
  for (let step = 0; step < steps; step++) {
    // Recent values are likelier, so that programs are deep as well as wide.
    const known = choose.chance(0.6) ? pool[Math.max(0, pool.length - 1 - choose.below(3))]! : choose.pick(pool);
    const result = choose.pick(rules)(known, pool, choose);
    if (result && t.sizeOf(result.value.shape) <= LARGEST_SIZE && acceptable(result)) pool.push(result);
  }
  return pool;
}

/** Whether the elements are certain to be what `Known` says. */
function acceptable({ value, bound, step, error }: Known): boolean {
  if (value.dtype !== "float32") return bound <= 2 ** 31;
  return error === 0 ? bound <= EXACT * step : error <= 1e-3 * bound && bound < 1e6;
}

type Rule = (x: Known, pool: readonly Known[], choose: Chooser) => Known | null;

const isFloat = (x: Known): boolean => x.value.dtype === "float32";
const rank = (x: Known): number => x.value.shape.length;

/** x with other elements of the same kind. */
const moved = (x: Known, value: t.Value, extra: Partial<Known> = {}): Known => ({ ...x, ...extra, value });

/** A value that broadcasts with x: another one, a part of x, the index, or a number. */
function partner(x: Known, pool: readonly Known[], choose: Chooser): Known {
  const fits = pool.filter(
    ({ value }) => value.dtype === x.value.dtype && value.shape.every((n, i) => n === 1 || n === x.value.shape[i + rank(x) - value.shape.length]),
  );
  const axis = choose.below(Math.max(1, rank(x)));
  switch (choose.below(5)) {
    case 0:
      if (rank(x) > 0) return moved(x, t.flip(x.value, [axis]));
      break;
    case 1:
      if (rank(x) > 0 && x.value.shape[axis]! > 0) {
        const cut = x.value.shape.map((n, i) => (i === axis ? 1 : n));
        return moved(
          x,
          t.slice(
            x.value,
            cut.map(() => 0),
            cut,
          ),
        );
      }
      break;
    case 2:
      if (rank(x) > 0 && (isFloat(x) || x.value.dtype === "int32")) {
        const value = t.convert(t.iota(x.value.shape, axis), x.value.dtype);
        return { value, bound: x.value.shape[axis]!, step: 1, error: 0 };
      }
      break;
    case 3:
      if (isFloat(x)) {
        const number = choose.pick([0, 1, -1, 0.5, 2, -3]);
        return { value: t.full([], number), bound: Math.abs(number), step: 0.5, error: 0 };
      }
  }
  return fits.length > 0 ? choose.pick(fits) : x;
}

const rounding = (bound: number): number => 2 ** -23 * bound;

function arithmetic(x: Known, y: Known, value: t.Value, bound: number, step: number, error: number): Known {
  const exact = x.error === 0 && y.error === 0;
  return { value, bound, step, error: exact ? 0 : error + rounding(bound) };
}

const addLike =
  (f: (a: t.Value, b: t.Value) => t.Value): Rule =>
  (x, pool, choose) => {
    if (x.value.dtype === "bool") return null;
    const y = partner(x, pool, choose);
    return arithmetic(x, y, f(x.value, y.value), x.bound + y.bound, Math.min(x.step, y.step), x.error + y.error);
  };

const multiply: Rule = (x, pool, choose) => {
  if (x.value.dtype === "bool") return null;
  const y = partner(x, pool, choose);
  return arithmetic(x, y, t.mul(x.value, y.value), x.bound * y.bound, x.step * y.step, x.error * y.bound + y.error * x.bound);
};

const extremum =
  (f: (a: t.Value, b: t.Value) => t.Value): Rule =>
  (x, pool, choose) => {
    if (x.value.dtype === "bool") return null;
    const y = partner(x, pool, choose);
    return arithmetic(x, y, f(x.value, y.value), Math.max(x.bound, y.bound), Math.min(x.step, y.step), Math.max(x.error, y.error));
  };

const bool = (value: t.Value): Known => ({ value, bound: 1, step: 1, error: 0 });

const compare: Rule = (x, pool, choose) => {
  const y = partner(x, pool, choose);
  return x.error + y.error > 0 ? null : bool(choose.pick([t.eq, t.ne, t.lt, t.le, t.gt, t.ge])(x.value, y.value));
};

const logic: Rule = (x, pool, choose) => {
  if (x.value.dtype !== "bool") return null;
  return bool(choose.chance(0.3) ? t.not(x.value) : choose.pick([t.and, t.or, t.xor])(x.value, partner(x, pool, choose).value));
};

const choice: Rule = (x, pool, choose) => {
  const y = partner(x, pool, choose);
  const conditions = pool.filter(
    ({ value }) => value.dtype === "bool" && value.shape.every((n, i) => n === 1 || n === x.value.shape[i + rank(x) - value.shape.length]),
  );
  const condition = conditions.length > 0 ? choose.pick(conditions).value : x.error === 0 ? t.lt(x.value, 1) : null;
  if (!condition) return null;
  const [a, b] = choose.chance(0.5) ? [x, y] : [y, x];
  return arithmetic(x, y, t.where(condition, a.value, b.value), Math.max(x.bound, y.bound), Math.min(x.step, y.step), Math.max(x.error, y.error));
};

const smallUnary: Rule = (x, _, choose) => {
  if (x.value.dtype === "bool" || x.value.dtype === "uint8") return null;
  switch (choose.below(4)) {
    case 0:
      return moved(x, t.neg(x.value));
    case 1:
      return moved(x, t.abs(x.value));
    case 2:
      return x.error > 0 ? null : moved(x, t.sign(x.value), { bound: 1, step: 1 });
    default:
      return moved(x, t.relu(x.value));
  }
};

/** Keeps numbers small, so that programs can go on. */
const tame: Rule = (x, _, choose) => {
  if (!isFloat(x) || x.error > 0) return null;
  return choose.chance(0.5) ? moved(x, t.floor(x.value), { bound: x.bound + 1, step: 1 }) : moved(x, t.clamp(x.value, -4, 3), { bound: Math.min(4, x.bound) });
};

const transcendental: Rule = (x, _, choose) => {
  if (!isFloat(x) || x.bound > 1e3) return null;
  const { value, bound, error } = x;
  const raised = t.add(t.abs(value), 0.5);
  const positive = bound + 0.5;
  switch (choose.below(7)) {
    case 0:
      return bound > 8 ? null : { value: t.exp(value), bound: Math.exp(bound), step: 0, error: Math.exp(bound) * (2 * error + 4e-7) };
    case 1:
      return { value: t.sin(value), bound: 1, step: 0, error: error + 2e-6 };
    case 2:
      return { value: t.cos(value), bound: 1, step: 0, error: error + 2e-6 };
    case 3:
      return { value: t.tanh(value), bound: 1, step: 0, error: error + 1e-6 };
    case 4:
      return { value: t.sqrt(raised), bound: positive, step: 0, error: error + rounding(4 * positive) };
    case 5:
      return { value: t.log(raised), bound: Math.log(positive) + 1, step: 0, error: 2 * error + 2e-6 };
    default:
      return { value: t.div(value, raised), bound: 1, step: 0, error: 4 * error + 1e-6 };
  }
};

const converting: Rule = (x, _, choose) => {
  if (x.error > 0) return null;
  const dtype = choose.pick(["float32", "int32", "uint8", "bool"] as const);
  const value = t.convert(x.value, dtype);
  if (dtype === "float32") return x.bound > EXACT ? null : moved(x, value);
  if (dtype === "int32") return moved(x, value, { step: 1 });
  return { value, bound: dtype === "bool" ? 1 : 255, step: 1, error: 0 };
};

const reducing: Rule = (x, _, choose) => {
  const axes = x.value.shape.map((__, axis) => axis).filter(() => choose.chance(0.5));
  const keepDims = choose.chance(0.3);
  const count = axes.reduce((n, axis) => n * x.value.shape[axis]!, 1);
  if (choose.chance(0.5)) {
    const bound = x.bound * Math.max(1, count);
    return { value: t.sum(x.value, axes, { keepDims }), bound, step: x.step, error: x.error === 0 ? 0 : count * (x.error + rounding(bound)) };
  }
  if (count === 0) return null;
  if (rank(x) > 0 && x.error === 0 && choose.chance(0.3)) {
    const axis = choose.below(rank(x));
    return x.value.shape[axis] === 0 ? null : { value: t.argmax(x.value, axis), bound: x.value.shape[axis]!, step: 1, error: 0 };
  }
  return moved(x, choose.pick([t.max, t.min])(x.value, axes, { keepDims }));
};

const reshaping: Rule = (x, _, choose) => {
  const { shape } = x.value;
  if (choose.chance(0.3)) return moved(x, t.expandDims(x.value, choose.below(rank(x) + 1)));
  if (choose.chance(0.3) && rank(x) > 1) {
    const axis = choose.below(rank(x) - 1);
    return moved(x, t.reshape(x.value, [...shape.slice(0, axis), shape[axis]! * shape[axis + 1]!, ...shape.slice(axis + 2)]));
  }
  let left = t.sizeOf(shape);
  if (left === 0) return null;
  const factors: number[] = [];
  for (const factor of [2, 3, 5, 7]) for (; left % factor === 0 && factors.length < 3 && choose.chance(0.8); left /= factor) factors.push(factor);
  return moved(x, t.reshape(x.value, choose.shuffled([...factors, left])));
};

const moving: Rule = (x, _, choose) => {
  const { shape } = x.value;
  const axes = shape.map((__, axis) => axis);
  switch (choose.below(6)) {
    case 0:
      return moved(x, t.transpose(x.value, choose.shuffled(axes)));
    case 1:
      return moved(
        x,
        t.flip(
          x.value,
          axes.filter(() => choose.chance(0.5)),
        ),
      );
    case 2: {
      const starts = shape.map((n) => choose.below(Math.ceil(n / 2) + 1));
      const ends = shape.map((n, axis) => starts[axis]! + choose.below(n - starts[axis]! + 1) || n);
      const steps = shape.map(() => 1 + choose.below(3));
      return moved(x, t.slice(x.value, starts, ends, steps));
    }
    case 3: {
      const value = x.value.dtype === "bool" || x.value.dtype === "uint8" ? 1 : choose.pick([0, 0, 2, -1]);
      const widths = (largest: number): number[] => shape.map(() => (choose.chance(0.4) ? choose.below(largest + 1) : 0));
      return moved(x, build.pad(x.value, widths(3), widths(2), choose.chance(0.3) ? widths(2) : shape.map(() => 0), value), {
        bound: Math.max(x.bound, Math.abs(value)),
        step: Math.min(x.step, 1),
      });
    }
    case 4:
      return rank(x) > 3 ? null : moved(x, t.broadcastTo(x.value, [1 + choose.below(4), ...shape]));
    default: {
      if (rank(x) > 3) return null;
      const at = choose.below(rank(x) + 1);
      const wide = [...shape.slice(0, at), 1 + choose.below(5), ...shape.slice(at)];
      const places = wide.map((__, axis) => axis).filter((axis) => axis !== at);
      return moved(x, t.broadcastAlong(x.value, wide, places));
    }
  }
};

const joining: Rule = (x, pool, choose) => {
  if (rank(x) === 0) return null;
  const axis = choose.below(rank(x));
  const others = pool.filter(
    ({ value }) => value.dtype === x.value.dtype && value.shape.length === rank(x) && value.shape.every((n, i) => i === axis || n === x.value.shape[i]),
  );
  const parts = [x, choose.pick(others), ...(choose.chance(0.3) ? [x] : [])];
  const widest = {
    bound: Math.max(...parts.map((part) => part.bound)),
    step: Math.min(...parts.map((part) => part.step)),
    error: Math.max(...parts.map((part) => part.error)),
  };
  return moved(
    x,
    t.concat(
      parts.map(({ value }) => value),
      axis,
    ),
    widest,
  );
};

/** Index tensors, some of them out of range on purpose. */
function randomIndices(pool: readonly Known[], choose: Chooser, count: number): t.Value[] {
  const available = pool.filter(({ value }) => value.dtype === "int32" && value.shape.length < 3 && t.sizeOf(value.shape) < 200);
  if (available.length > 0 && choose.chance(0.5)) {
    const { value } = choose.pick(available);
    return Array.from({ length: count }, (_, i) => t.add(value, i));
  }
  const shape = choose.chance(0.2) ? [] : [1 + choose.below(9)];
  const numbers = (): t.Value =>
    t.tensor(
      Array.from({ length: t.sizeOf(shape) }, () => choose.below(12) - 2),
      shape,
      "int32",
    );
  const index = t.add(t.and(t.randomBits(t.tensor([3, 4], [2], "int32"), shape), 7), numbers());
  return Array.from({ length: count }, () => (choose.chance(0.5) ? numbers() : index));
}

const gathering: Rule = (x, pool, choose) => {
  if (rank(x) === 0 || t.sizeOf(x.value.shape) === 0) return null;
  const depth = 1 + choose.below(rank(x));
  const indices = randomIndices(pool, choose, depth);
  if (indices[0]!.shape.length + rank(x) - depth > 5) return null;
  return moved(x, t.gather(x.value, indices));
};

const scattering: Rule = (x, _, choose) => {
  if (!isFloat(x) || rank(x) !== 2 || x.error > 0) return null;
  const rows = x.value.shape[0]!;
  const index = t.iota([rows], 0);
  const targets = choose.chance(0.5) ? t.and(index, 3) : t.sub(rows, index);
  return moved(x, build.scatterAdd(x.value, [targets], [1 + choose.below(6), x.value.shape[1]!]), { bound: x.bound * Math.max(1, rows) });
};

const contraction: Rule = (x, pool, choose) => {
  if (!isFloat(x) || x.error > 0 || t.sizeOf(x.value.shape) === 0) return null;
  const sized = (count: number, y: Known, value: t.Value): Known => ({ value, bound: count * x.bound * y.bound, step: x.step * y.step, error: 0 });
  if (rank(x) === 2) {
    const rows = x.value.shape[1]!;
    const fitting = pool.filter((y) => isFloat(y) && y.error === 0 && rank(y) === 2 && y.value.shape[0] === rows && y.value.shape[1] !== 0);
    const y = fitting.length > 0 ? choose.pick(fitting) : moved(x, t.transpose(x.value));
    return sized(rows, y, t.matmul(x.value, y.value));
  }
  if (rank(x) !== 4) return null;
  const [batch, channels, height, width] = x.value.shape as [number, number, number, number];
  const filterShape = [1 + choose.below(9), channels, Math.min(height, 1 + choose.below(3)), Math.min(width, 1 + choose.below(3))];
  const weights = t.reshape(t.sub(t.and(t.mul(t.iota([t.sizeOf(filterShape)]), 5), 7), 3), filterShape);
  const w: Known = { value: t.convert(weights, "float32"), bound: 4, step: 1, error: 0 };
  const options = { stride: 1 + choose.below(2), padding: choose.below(2) };
  const y = sized(t.sizeOf(filterShape.slice(1)), w, t.conv2d(x.value, w.value, options));
  switch (choose.below(3)) {
    case 0:
      return y;
    case 1: {
      const dx = t.conv2dInputGrad(y.value, w.value, { ...options, inputShape: x.value.shape });
      return { value: dx, bound: y.bound * 4 * t.sizeOf(filterShape), step: y.step, error: 0 };
    }
    default: {
      const dw = t.conv2dFilterGrad(x.value, y.value, { ...options, filterShape });
      return { value: dw, bound: y.bound * x.bound * batch * t.sizeOf(y.value.shape.slice(2)), step: y.step * x.step, error: 0 };
    }
  }
};

const ROUNDING: ReadonlySet<Rule> = new Set([transcendental]);

const RULES: readonly Rule[] = [
  addLike(t.add),
  addLike(t.sub),
  multiply,
  extremum(t.maximum),
  extremum(t.minimum),
  compare,
  logic,
  choice,
  choice,
  smallUnary,
  tame,
  tame,
  transcendental,
  converting,
  reducing,
  reducing,
  reshaping,
  reshaping,
  moving,
  moving,
  moving,
  joining,
  gathering,
  scattering,
  contraction,
  contraction,
];
