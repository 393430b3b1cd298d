/** @file Transcendental functions as formulas of scalar instructions, shared by all targets, so that every backend rounds alike.
 * Range reduction and minimax polynomials as in Cephes (S. Moshier, single precision); relative error below 2 ulp. */
import { constant, type Expr, type ScalarOp, scalar } from "./scalar.ts";

const f = (value: number): Expr => constant("float32", value);
const i = (value: number): Expr => constant("int32", value);
const float = (op: ScalarOp, ...args: Expr[]): Expr => scalar(op, "float32", ...args);
const int = (op: ScalarOp, ...args: Expr[]): Expr => scalar(op, "int32", ...args);
const test = (op: ScalarOp, ...args: Expr[]): Expr => scalar(op, "bool", ...args);

/** Horner's rule, highest power first. */
function polynomial(x: Expr, coefficients: readonly number[]): Expr {
  return coefficients.slice(1).reduce((sum: Expr, c) => float("add", float("mul", sum, x), f(c)), f(coefficients[0]!));
}

/** An odd function's value, and x where x is 0: the polynomials lose the sign of −0. */
function keepZero(x: Expr, value: Expr): Expr {
  return float("select", test("eq", x, f(0)), x, value);
}

/** 2^n for whole n in [-126, 127], by writing the exponent's bits. */
function powerOfTwo(n: Expr): Expr {
  return float("bitsToFloat", int("shiftLeft", int("add", int("toInt", n), i(127)), i(23)));
}

/** e^x = 2^n·e^r with n = round(x/ln 2), |r| ≤ ln 2 / 2. The lower limit lies where the rounded result is already 0. */
export function expExpr(x: Expr): Expr {
  const clamped = float("max", float("min", x, f(88.72283)), f(-104));
  const n = float("floor", float("add", float("mul", clamped, f(Math.LOG2E)), f(0.5)));
  const r = float("sub", float("sub", clamped, float("mul", n, f(0.693359375))), float("mul", n, f(-2.1219444e-4)));
  const p = polynomial(r, [1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1]);
  const e = float("add", float("add", float("mul", p, float("mul", r, r)), r), f(1));
  // Two factors reach 2^128 and the subnormals without overflowing on the way.
  const half = float("floor", float("mul", n, f(0.5)));
  const value = float("mul", float("mul", e, powerOfTwo(half)), powerOfTwo(float("sub", n, half)));
  const overflow = float("select", test("lt", f(88.72283), x), f(Infinity), value);
  const isNumber = test("eq", x, x);
  return float("select", isNumber, overflow, x);
}

/** ln x = e·ln 2 + ln m with m in [√½, √2). */
export function logExpr(x: Expr): Expr {
  const subnormal = test("lt", x, f(1.17549435e-38));
  const scaled = float("select", subnormal, float("mul", x, f(2 ** 25)), x);
  const bits = int("floatToBits", scaled);
  const exponent = float("toFloat", int("sub", int("shiftRight", bits, i(23)), i(126)));
  const m = float("bitsToFloat", int("or", int("and", bits, i(0x007fffff)), i(0x3f000000)));
  const small = test("lt", m, f(Math.SQRT1_2));
  const e0 = float("select", small, float("sub", exponent, f(1)), exponent);
  const e = float("sub", e0, float("select", subnormal, f(25), f(0)));
  const t = float("sub", float("select", small, float("add", m, m), m), f(1));
  const z = float("mul", t, t);
  const p = polynomial(
    t,
    [7.0376836292e-2, -1.151461031e-1, 1.167699874e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1],
  );
  const y0 = float("add", float("mul", float("mul", p, t), z), float("mul", e, f(-2.1219444e-4)));
  const y = float("sub", y0, float("mul", z, f(0.5)));
  const value = float("add", float("add", t, y), float("mul", e, f(0.693359375)));
  const finite = float("select", test("lt", x, f(Infinity)), value, x);
  const positive = float("select", test("lt", f(0), x), finite, f(NaN));
  return float("select", test("eq", x, f(0)), f(-Infinity), positive);
}

/** tanh x: an odd polynomial near 0, where the exponential formula would cancel; beyond, 1 − 2/(e^(2|x|) + 1) with x's sign. */
export function tanhExpr(x: Expr): Expr {
  const z = float("mul", x, x);
  const p = polynomial(z, [-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1]);
  const near = float("add", float("mul", float("mul", p, z), x), x);
  const size = float("abs", x);
  const far = float("sub", f(1), float("div", f(2), float("add", expExpr(float("add", size, size)), f(1))));
  const signed = float("select", test("lt", x, f(0)), float("neg", far), far);
  return keepZero(x, float("select", test("lt", size, f(0.625)), near, signed));
}

/** π/2 as a sum. A whole number up to 2^16 times a part of 8 bits is exact, with and without fused multiply-add. */
const RIGHT_ANGLE = { exact: [1.5703125, 4.84466552734375e-4], rounded: [-6.407499313354492e-7, 9.89530235528946e-10, 2.5579538487363607e-12] };
const REST_OF_RIGHT_ANGLE = 5.390302953474238e-15;
/** π/2 for the few right angles of one turn. */
const RIGHT_ANGLE_IN_TURN = [1.5703125, 4.837512969970703e-4, 7.549789948768648e-8];
/** Below 2^16 right angles; larger angles are taken for this one. */
const LARGEST_ANGLE = 102_943;

/** x − n·Σ parts, in this order. */
function subtractParts(x: Expr, n: Expr, parts: readonly number[]): Expr {
  return parts.reduce((rest, part) => float("sub", rest, float("mul", n, f(part))), x);
}

/** x − n·π/2. The first differences are exact; what rounding takes from the others is added up and put back at the end. */
function beyondRightAngles(x: Expr, n: Expr): Expr {
  let r = subtractParts(x, n, RIGHT_ANGLE.exact);
  let lost = float("mul", n, f(-REST_OF_RIGHT_ANGLE));
  for (const part of RIGHT_ANGLE.rounded) {
    const product = float("mul", n, f(part));
    const difference = float("sub", r, product);
    lost = float("add", lost, float("sub", float("sub", r, difference), product));
    r = difference;
  }
  return float("add", r, lost);
}

/** sin(x + shift·π/2) by reduction to |r| ≤ π/4. `inTurn`: x is known to lie within a turn of 0, where an absolute error of 1e-13 will do. */
function sineOfQuadrant(x: Expr, shift: number, inTurn: boolean): Expr {
  const angle = inTurn ? x : float("max", float("min", x, f(LARGEST_ANGLE)), f(-LARGEST_ANGLE));
  const n = float("floor", float("add", float("mul", angle, f(2 / Math.PI)), f(0.5)));
  const r = inTurn ? subtractParts(x, n, RIGHT_ANGLE_IN_TURN) : beyondRightAngles(angle, n);
  const quadrant = int("and", int("add", int("toInt", n), i(shift)), i(3));
  const z = float("mul", r, r);
  const sine = float("add", float("mul", float("mul", polynomial(z, [-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1]), z), r), r);
  const tail = float("mul", float("mul", polynomial(z, [2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2]), z), z);
  const cosine = float("add", float("sub", tail, float("mul", z, f(0.5))), f(1));
  const odd = test("eq", int("and", quadrant, i(1)), i(1));
  const value = float("select", odd, cosine, sine);
  const signed = float("select", test("lt", quadrant, i(2)), value, float("neg", value));
  if (inTurn) return signed;
  const finite = test("lt", int("and", int("floatToBits", x), i(0x7fffffff)), i(0x7f800000));
  return float("select", finite, signed, f(NaN));
}

export function sinExpr(x: Expr, inTurn: boolean): Expr {
  const value = sineOfQuadrant(x, 0, inTurn);
  return inTurn ? value : keepZero(x, value);
}

export function cosExpr(x: Expr, inTurn: boolean): Expr {
  return sineOfQuadrant(x, 1, inTurn);
}
