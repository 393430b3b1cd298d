/** @file Random programs: element-wise rules. */
import * as t from "@gradalign/tensor";
import { arithmetic, EXACT, isFloat, type Known, magnitude, moved, partner, type Rule, rank, rounded, rounding } from "./known.ts";

const addLike =
  (f: (a: t.Value, b: t.Value) => t.Value): Rule =>
  (x, context) => {
    if (x.value.dtype === "bool") return null;
    const y = partner(x, context);
    return arithmetic(x, y, f(x.value, y.value), x.bound + y.bound, Math.min(x.step, y.step), x.error + y.error);
  };

const multiply: Rule = (x, context) => {
  if (x.value.dtype === "bool") return null;
  const y = partner(x, context);
  return arithmetic(x, y, t.mul(x.value, y.value), x.bound * y.bound, x.step * y.step, x.error * y.bound + y.error * x.bound);
};

const extremum =
  (f: (a: t.Value, b: t.Value) => t.Value): Rule =>
  (x, context) => {
    if (x.value.dtype === "bool") return null;
    const y = partner(x, context);
    return arithmetic(x, y, f(x.value, y.value), Math.max(x.bound, y.bound), Math.min(x.step, y.step), Math.max(x.error, y.error));
  };

const bool = (value: t.Value): Known => ({ value, bound: 1, step: 1, error: 0 });

const compare: Rule = (x, context) => {
  const y = partner(x, context);
  return x.error + y.error > 0 ? null : bool(context.choose.pick([t.eq, t.ne, t.lt, t.le, t.gt, t.ge])(x.value, y.value));
};

const logic: Rule = (x, context) => {
  const { choose } = context;
  if (x.value.dtype !== "bool") return null;
  return bool(choose.chance(0.3) ? t.not(x.value) : choose.pick([t.and, t.or, t.xor])(x.value, partner(x, context).value));
};

const choice: Rule = (x, context) => {
  const { pool, choose } = context;
  const y = partner(x, context);
  const conditions = pool.filter(
    ({ value }) => value.dtype === "bool" && value.shape.every((n, i) => n === 1 || n === x.value.shape[i + rank(x) - value.shape.length]),
  );
  const condition = conditions.length > 0 ? choose.pick(conditions).value : x.error === 0 ? t.lt(x.value, 1) : null;
  if (!condition) return null;
  const [a, b] = choose.chance(0.5) ? [x, y] : [y, x];
  return arithmetic(x, y, t.where(condition, a.value, b.value), Math.max(x.bound, y.bound), Math.min(x.step, y.step), Math.max(x.error, y.error));
};

const smallUnary: Rule = (x, { choose }) => {
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

/** Shifts by 0 to 31 bits. */
const shift: Rule = (x, { choose }) => {
  if (x.value.dtype !== "int32") return null;
  return moved(x, t.shiftRight(x.value, choose.chance(0.5) ? t.and(x.value, 31) : choose.below(32)), { bound: 2 ** 31 });
};

const LARGEST_ANGLE = 100_000;

/** Keeps numbers small, so that programs can go on. */
export const tame: Rule = (x, { choose }) => {
  if (!isFloat(x) || x.error > 0) return null;
  return choose.chance(0.5) ? moved(x, t.floor(x.value), { bound: x.bound + 1, step: 1 }) : moved(x, t.clamp(x.value, -4, 3), { bound: Math.min(4, x.bound) });
};

const FUNCTIONS = [t.exp, t.sin, t.cos, t.tanh, (x: t.Value) => t.sqrt(t.abs(x)), (x: t.Value) => t.log(t.abs(x)), (x: t.Value) => t.div(x, 3)];

/** Of any number: a result, with relative and absolute errors that a function of moderate numbers may have. */
export const transcendentalOfAny: Rule = (x, { choose, family }) => {
  if (!isFloat(x)) return null;
  // Larger angles are taken for a bound, whose sine says nothing of theirs.
  const angle = t.where(t.and(t.lt(LARGEST_ANGLE, t.abs(x.value)), t.lt(t.abs(x.value), Infinity)), 1, x.value);
  const f = choose.pick(FUNCTIONS);
  if (f === t.exp && x.bound > 80 && family.extreme !== "any") return null;
  const value = f(f === t.sin || f === t.cos ? angle : x.value);
  return rounded(moved(x, value), t.add(t.mul(magnitude(value), 4e-6), 4e-6));
};

/** Of numbers whose bound is known. */
export const transcendental: Rule = (x, { choose }) => {
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

const converting: Rule = (x, { choose, family }) => {
  if (x.error > 0) return null;
  const dtype = choose.pick(["float32", "int32", "uint8", "bool"] as const);
  const value = t.convert(x.value, dtype);
  if (dtype === "float32") return x.bound > EXACT && !family.extreme ? null : moved(x, value);
  if (dtype === "int32") return moved(x, value, { step: 1 });
  return { value, bound: dtype === "bool" ? 1 : 255, step: 1, error: 0 };
};

/** All that lose nothing. */
export const ELEMENTWISE: readonly Rule[] = [
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
  shift,
  converting,
];
