/** @file From what users write to what operations take: numbers become constants, shapes are broadcast, integers meet floats. */
import type { DType } from "../base/dtype.ts";
import { ShapeError, TraceError } from "../base/errors.ts";
import { checkNumber } from "../base/numbers.ts";
import { broadcastShapes, formatShape, type Shape } from "../base/shape.ts";
import { Node } from "../ir/graph.ts";
import { broadcast, convert, full } from "../ops/build.ts";
import type { Operand, Value } from "./tensor.ts";

/** Turns an operand into a value; a bare number takes `dtype`, which must hold it. */
export function toValue(op: string, operand: Operand, dtype: DType = "float32"): Value {
  if (operand instanceof Node) return operand;
  if (typeof operand === "boolean") return full([], Number(operand), "bool");
  if (typeof operand === "number") {
    checkNumber(op, dtype, operand);
    return full([], operand, dtype);
  }
  throw new TraceError(`${op}: expected a tensor or a number, got ${operand === null ? "null" : typeof operand}`);
}

/** The element type two operands meet in: bool and uint8 widen to the other's type, int32 widens to float32. */
function commonDType(operands: readonly Operand[]): DType {
  const order: readonly DType[] = ["bool", "uint8", "int32", "float32"];
  const types = operands.filter((operand): operand is Node => operand instanceof Node).map((node) => node.dtype);
  let widest = types.reduce((a, b) => (order.indexOf(b) > order.indexOf(a) ? b : a), types[0] ?? "float32");
  const fractional = operands.some((operand) => typeof operand === "number" && !Number.isInteger(operand));
  const numbers = operands.some((operand) => typeof operand === "number");
  if (fractional) widest = "float32";
  else if (numbers && (widest === "bool" || widest === "uint8")) widest = "int32";
  return widest;
}

/** Makes operands of one element type and one shape. */
export function align(op: string, ...operands: Operand[]): Value[] {
  const dtype = commonDType(operands);
  const values = operands.map((operand) => convert(toValue(op, operand, dtype), dtype));
  const shape = values.reduce<Shape>((common, value) => broadcastShapes(op, common, value.shape), []);
  return values.map((value) => broadcastTo(value, shape, op));
}

/** Repeats a value up to a shape, under NumPy's rules. */
export function broadcastTo(x: Value, shape: Shape, op = "broadcastTo"): Value {
  const missing = shape.length - x.shape.length;
  const common = broadcastShapes(op, x.shape, shape);
  if (common.some((extent, axis) => extent !== shape[axis])) {
    throw new ShapeError(`${op}: ${formatShape(x.shape)} cannot be broadcast to ${formatShape(shape)}`);
  }
  return broadcast(
    x,
    shape,
    x.shape.map((_, i) => i + missing),
  );
}
