/** @file What an operator sees of its place in an ONNX graph: inputs as traced values, attributes, and constants where it needs numbers. */
import { FormatError, type OnnxNode, shown } from "@gradalign/formats";
import type { Value } from "@gradalign/tensor";

/** One operator's call. */
export interface Call {
  readonly node: OnnxNode;
  readonly opset: number;
  /** Batch statistics, and moving the running ones. */
  readonly train: boolean;
  /** Input `i` if it is there. */
  optional(i: number): Value | undefined;
  /** The elements of input `i` if it is there; they must not depend on the images. */
  numbers(i: number): readonly number[] | undefined;
  /** Notes a value under an initializer's name: statistics after the pass. */
  moved(input: number, value: Value): void;
  /** The batch's extent where the file fixes it to another, and that. */
  readonly batch: { readonly declared: number | null; readonly actual: number };
}

/** An operator: results in the order of the node's outputs. */
export type Operator = (call: Call) => Value | readonly Value[];

/** A refusal that names the operator. */
export function unsupported({ node }: Call, what: string): FormatError {
  return new FormatError("unsupported", `onnx: ${node.op}${node.name ? ` ${shown(node.name)}` : ""}: ${what}`);
}

/** Input `i`, which must be there. */
export function input(call: Call, i: number): Value {
  const value = call.optional(i);
  if (!value) throw new FormatError("damaged", `onnx: ${call.node.op} ${shown(call.node.name)} has no input ${i}`);
  return value;
}

function attribute<Kind extends string>(call: Call, name: string, kind: Kind) {
  const found = call.node.attributes.get(name);
  if (found && found.kind !== kind) throw new FormatError("damaged", `onnx: ${call.node.op}'s attribute ${name} must be of kind ${kind}, got ${found.kind}`);
  return found?.value;
}

/** A whole number. */
export function int(call: Call, name: string, fallback: number): number {
  return (attribute(call, name, "int") as number | undefined) ?? fallback;
}

/** A real number. */
export function float(call: Call, name: string, fallback: number): number {
  return (attribute(call, name, "float") as number | undefined) ?? fallback;
}

/** A list of whole numbers. */
export function ints(call: Call, name: string): readonly number[] | undefined {
  return attribute(call, name, "ints") as readonly number[] | undefined;
}

/** A text. */
export function text(call: Call, name: string, fallback: string): string {
  return (attribute(call, name, "string") as string | undefined) ?? fallback;
}

/** Numbers that were an attribute before some opset, and are an input since. */
export function listOf(call: Call, name: string, i: number): readonly number[] | undefined {
  return ints(call, name) ?? call.numbers(i);
}

/** Axis numbers from the end count from 0 too. */
export function axisOf(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}
