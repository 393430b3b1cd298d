/** @file ONNX's element-wise operators. */
import {
  abs,
  add,
  and,
  broadcastAlong,
  clamp,
  convert,
  div,
  eq,
  exp,
  floor,
  ge,
  gt,
  le,
  log,
  lt,
  maximum,
  minimum,
  mul,
  neg,
  not,
  or,
  reciprocal,
  relu,
  sign,
  sqrt,
  square,
  stopGradient,
  sub,
  tanh,
  type Value,
  where,
} from "@gradalign/tensor";
import { type Call, float, input, int, type Operator, unsupported } from "./call.ts";

const unary =
  (f: (x: Value) => Value): Operator =>
  (call) =>
    f(input(call, 0));
const binary =
  (f: (a: Value, b: Value) => Value): Operator =>
  (call) =>
    f(input(call, 0), input(call, 1));
const many =
  (f: (a: Value, b: Value) => Value): Operator =>
  (call) =>
    call.node.inputs.map((_, i) => input(call, i)).reduce(f);

/** By tanh, which does not overflow. */
export const sigmoid = (x: Value): Value => add(0.5, mul(0.5, tanh(mul(0.5, x))));
/** log(1 + e^x). */
const softplus = (x: Value): Value => add(maximum(x, 0), log(add(1, exp(neg(abs(x))))));

/** ONNX's numbers of element types as ours: whole numbers of any width are int32. */
function cast(call: Call): Value {
  const to = int(call, "to", 1);
  const x = input(call, 0);
  if ([1, 10, 11, 16].includes(to)) return convert(x, "float32");
  if (to === 9) return x.dtype === "bool" ? x : not(eq(x, 0));
  if (to === 2) return convert(x, "uint8");
  if ([3, 4, 5, 6, 7, 12, 13].includes(to)) return convert(x, "int32");
  throw unsupported(call, `element type ${to} is not supported`);
}

/** Bounds are attributes up to opset 10, then inputs. */
function clip(call: Call): Value {
  const [low, high] = ["min", "max"].map((name, i) => call.optional(i + 1) ?? (call.node.attributes.has(name) ? float(call, name, 0) : undefined));
  const x = input(call, 0);
  // At its bounds PyTorch's clamp passes gradients on; `clamp` is what the project has for that.
  if (low !== undefined && high !== undefined) return clamp(x, low, high);
  return low !== undefined ? maximum(x, low) : high !== undefined ? minimum(x, high) : x;
}

/** Whole powers are products, whose derivatives are defined everywhere. */
function pow(call: Call): Value {
  const x = input(call, 0);
  const exponents = call.numbers(1);
  const [exponent] = exponents ?? [];
  if (exponents?.length !== 1 || exponent === undefined) throw unsupported(call, "the exponent must be one constant number");
  if (exponent === 2) return square(x);
  if (exponent === 0.5) return sqrt(x);
  if (exponent === -1) return reciprocal(x);
  if (Number.isInteger(exponent) && exponent > 0 && exponent <= 8) return Array.from({ length: exponent }, () => x).reduce((a, b) => mul(a, b));
  return exp(mul(log(x), exponent));
}

/** Whole numbers are divided as C does. */
const divide = (a: Value, b: Value): Value => (a.dtype === "float32" || b.dtype === "float32" ? div(a, b) : convert(div(a, b), "int32"));

/** Rounding to the nearest, of two the even one; no gradient. */
function round(x: Value): Value {
  const low = floor(x);
  const rest = sub(x, low);
  const odd = not(eq(sub(low, mul(2, floor(mul(0.5, low)))), 0));
  return stopGradient(where(or(gt(rest, 0.5), and(eq(rest, 0.5), odd)), add(low, 1), low));
}

/** By their names in ONNX. */
export const elementwise: Readonly<Record<string, Operator>> = {
  Abs: unary(abs),
  Add: binary(add),
  And: binary(and),
  Cast: cast,
  Ceil: unary((x) => neg(floor(neg(x)))),
  Clip: clip,
  Div: binary(divide),
  Elu: (call) => negativePart(call, (x) => mul(float(call, "alpha", 1), sub(exp(x), 1))),
  Equal: binary(eq),
  Exp: unary(exp),
  Floor: unary(floor),
  Greater: binary(gt),
  GreaterOrEqual: binary(ge),
  HardSigmoid: (call) => hardSigmoid(input(call, 0), float(call, "alpha", 0.2), float(call, "beta", 0.5)),
  HardSwish: unary((x) => mul(x, hardSigmoid(x, 1 / 6, 0.5))),
  Identity: unary((x) => x),
  LeakyRelu: (call) => negativePart(call, (x) => mul(x, float(call, "alpha", 0.01))),
  Less: binary(lt),
  LessOrEqual: binary(le),
  Log: unary(log),
  Max: many(maximum),
  Min: many(minimum),
  Mul: binary(mul),
  Neg: unary(neg),
  Not: unary(not),
  Or: binary(or),
  Pow: pow,
  PRelu: (call) => negativePart(call, (x) => mul(x, slopesOf(input(call, 1), x))),
  Reciprocal: unary(reciprocal),
  Relu: unary(relu),
  Round: unary(round),
  Selu: (call) => {
    const [alpha, gamma] = [float(call, "alpha", 1.6732632423543772), float(call, "gamma", 1.0507009873554805)];
    return mul(
      gamma,
      negativePart(call, (x) => mul(alpha, sub(exp(x), 1))),
    );
  },
  Sigmoid: unary(sigmoid),
  Sign: unary(sign),
  Softplus: unary(softplus),
  Softsign: unary((x) => div(x, add(1, abs(x)))),
  Sqrt: unary(sqrt),
  Sub: binary(sub),
  Sum: many(add),
  Tanh: unary(tanh),
  Where: (call) => where(input(call, 0), input(call, 1), input(call, 2)),
};

/** x where it is above 0, else a function of it, which never sees what is above. */
function negativePart(call: Call, f: (x: Value) => Value): Value {
  const x = input(call, 0);
  return where(gt(x, 0), x, f(minimum(x, 0)));
}

/** Before opset 7 slopes were one per channel, without axes for the positions. */
function slopesOf(slopes: Value, x: Value): Value {
  const perChannel = slopes.shape.length === 1 && slopes.shape[0] !== 1 && slopes.shape[0] === x.shape[1];
  return perChannel ? broadcastAlong(slopes, x.shape, [1]) : slopes;
}

function hardSigmoid(x: Value, alpha: number, beta: number): Value {
  return clamp(add(mul(alpha, x), beta), 0, 1);
}
