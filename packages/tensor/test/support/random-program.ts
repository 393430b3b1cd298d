/** @file Random programs for property tests: small graphs that mix element-wise operations, movement, reductions, gathers and
 * contractions over odd shapes and every element type. Each value carries what its float32 elements can be, so that a test knows
 * whether two backends must agree exactly. */
import * as t from "@gradalign/tensor";
import { ELEMENTWISE, tame, transcendental, transcendentalOfAny } from "./random/elementwise.ts";
import { Chooser, type Context, EXACT, type Family, type Known, type Rule } from "./random/known.ts";
import { gathering, joining, moving, reshaping } from "./random/movement.ts";
import { contraction, pooling, reducing, scattering } from "./random/sums.ts";

const LARGEST_SIZE = 24_000;
/** The largest float32. */
const LARGEST = (2 - 2 ** -23) * 2 ** 127;

/** Numbers at the ends of their types, between ordinary ones. */
const EXTREMES = {
  int32: [2 ** 31 - 1, -(2 ** 31), -(2 ** 31) + 1, 2 ** 16, -(2 ** 16), 255, 2 ** 24 + 1],
  finite: [0, -0, 1e30, -1e30, 2 ** 31, -(2 ** 31), 2 ** 24 + 2, 255.5],
  any: [Infinity, -Infinity, NaN, LARGEST, -LARGEST, 1e-30, -1e-30, 2 ** -126, 1e-40, -1e-40, 2 ** -149, -(2 ** -149)],
} as const;

/** Program inputs: tensors of odd shapes with small exact elements, or extreme ones. */
export function randomInputs(seed: number, family: Family = {}): t.Tensor[] {
  const choose = new Chooser(seed);
  const filled = (shape: readonly number[], dtype: t.DType): t.Tensor =>
    t.tensor(
      Float64Array.from({ length: t.sizeOf(shape) }, () => randomElement(choose, dtype, family)),
      shape,
      dtype,
    );
  const zero = (extent: number): number => (family.empty && choose.chance(0.15) ? 0 : extent);
  if (family.images) {
    const shape = [1 + choose.below(3), choose.pick([1, 2, 3, 4, 5, 8, 11, 16]), 3 + choose.below(7), 3 + choose.below(7)].map(zero);
    return [shape, shape.slice(0, 2)].map((extents) => filled(extents, "float32"));
  }
  const dtypes: t.DType[] = ["float32", choose.pick(["float32", "int32"] as const), choose.pick(["float32", "int32", "uint8", "bool"] as const)];
  const large = choose.chance(0.08);
  return dtypes.map((dtype, i) => {
    const shape = large && i === 0 ? [5 + choose.below(20), 9 + choose.below(20), 17 + choose.below(30)] : randomShape(choose);
    return filled(shape.map(zero), dtype);
  });
}

function randomShape(choose: Chooser): number[] {
  return Array.from({ length: choose.pick([0, 1, 1, 2, 2, 2, 3, 3, 4]) }, () => (choose.chance(0.01) ? 0 : choose.pick([1, 2, 3, 4, 5, 6, 7, 8, 9, 13])));
}

function randomElement(choose: Chooser, dtype: t.DType, { extreme }: Family): number {
  if (extreme && choose.chance(0.3)) {
    if (dtype === "int32") return choose.pick(EXTREMES.int32);
    if (dtype === "float32") return choose.pick(extreme === "any" ? [...EXTREMES.finite, ...EXTREMES.any] : EXTREMES.finite);
  }
  if (dtype === "float32") return choose.below(64) / 8 - 4;
  if (dtype === "int32") return choose.below(19) - 9;
  return dtype === "uint8" ? choose.below(256) : choose.below(2);
}

/** No element is larger in magnitude. */
const BOUNDS: Readonly<Record<t.DType, number>> = { float32: 4, int32: 9, uint8: 255, bool: 1 };
const EXTREME_BOUNDS: typeof BOUNDS = { float32: 1e30, int32: 2 ** 31, uint8: 255, bool: 1 };

export interface ProgramOptions extends Family {
  /** How many operations to try. */
  readonly steps: number;
  /** Leave out operations that round, so that everything compares exactly. */
  readonly exactOnly?: boolean;
}

/** All values of the program with this seed, in the order they were made; the first are the inputs. A program with fewer steps is
 * a prefix of one with more. */
export function randomProgram(seed: number, inputs: readonly t.Value[], { steps, exactOnly = false, ...family }: ProgramOptions): Known[] {
  const choose = new Chooser(seed);
  const bounds = family.extreme ? EXTREME_BOUNDS : BOUNDS;
  const values: Known[] = inputs.map((value) => ({ value, bound: bounds[value.dtype], step: value.dtype === "float32" ? 1 / 8 : 1, error: 0 }));
  const pool = [...values];
  const context: Context = { pool, choose, family };
  const rules = rulesOf(family, exactOnly);
  for (let step = 0; step < steps; step++) {
    // Recent values are likelier, so that programs are deep as well as wide.
    const known = choose.chance(0.6) ? pool[Math.max(0, pool.length - 1 - choose.below(3))]! : choose.pick(pool);
    const result = choose.pick(rules)(known, context);
    if (!result || t.sizeOf(result.value.shape) > LARGEST_SIZE || !acceptable(result, family) || (exactOnly && result.error > 0)) continue;
    values.push(result);
    if (!result.allowed) pool.push(result);
  }
  return values;
}

/** Whether the elements are certain to be what `Known` says. */
function acceptable({ value, bound, step, error }: Known, { extreme }: Family): boolean {
  // Integers wrap around, and floats become infinite, the same everywhere; but WGSL promises nothing of what is not finite.
  if (extreme) return extreme === "any" || value.dtype !== "float32" || bound <= LARGEST;
  if (value.dtype !== "float32") return bound <= 2 ** 31;
  return error === 0 ? bound <= EXACT * step : error <= 1e-3 * bound && bound < 1e6;
}

function rulesOf({ images, extreme }: Family, exactOnly: boolean): readonly Rule[] {
  const functions = exactOnly ? [] : [extreme ? transcendentalOfAny : transcendental];
  const all = [...RULES, ...functions];
  return images ? [...all, ...Array.from({ length: 10 }, () => contraction), pooling, pooling, tame, tame, tame] : all;
}

const RULES: readonly Rule[] = [
  ...ELEMENTWISE,
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
