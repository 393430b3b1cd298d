/** @file Writing an ONNX file. */
import { FormatError } from "../errors.ts";
import { shown } from "../json.ts";
import type { StoredDType, StoredTensor } from "../tensor.ts";
import { ONNX_DTYPES, type OnnxAttribute, type OnnxNode, type OnnxValue } from "./model.ts";
import { bytes, float, int, joined, message, type Piece, text } from "./protobuf.ts";

/** A model to be written: what reading gives, with weights in memory. */
export interface OnnxContent {
  readonly irVersion: number;
  readonly opset: number;
  readonly producer: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  readonly initializers: ReadonlyMap<string, StoredTensor>;
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
}

const NUMBER_OF: ReadonlyMap<StoredDType, number> = new Map([...ONNX_DTYPES].map(([number, dtype]) => [dtype, number]));
/** AttributeProto's types and the fields of their values. */
const ATTRIBUTE_TYPES = { float: 1, int: 2, string: 3, tensor: 4, floats: 6, ints: 7, strings: 8 } as const;

/** A model as the bytes of an ONNX file. */
export function encodeOnnx(model: OnnxContent): Uint8Array {
  const graph = message(
    7,
    ...model.nodes.map((node) => message(1, ...nodePieces(node))),
    text(2, model.name),
    ...[...model.initializers].map(([name, tensor]) => message(5, ...tensorPieces(tensor), text(8, name))),
    ...model.inputs.map((value) => message(11, ...valuePieces(value))),
    ...model.outputs.map((value) => message(12, ...valuePieces(value))),
  );
  return joined(
    int(1, model.irVersion),
    text(2, model.producer),
    graph,
    message(8, text(1, ""), int(2, model.opset)),
    ...Object.entries(model.metadata ?? {}).map(([key, value]) => message(14, text(1, key), text(2, value))),
  );
}

function nodePieces({ op, domain, name, inputs, outputs, attributes }: OnnxNode): Piece[] {
  return [
    ...inputs.map((input) => text(1, input)),
    ...outputs.map((output) => text(2, output)),
    ...(name ? [text(3, name)] : []),
    text(4, op),
    ...[...attributes].map(([key, attribute]) => message(5, text(1, key), ...attributePieces(key, attribute))),
    ...(domain ? [text(7, domain)] : []),
  ];
}

function attributePieces(name: string, attribute: OnnxAttribute): Piece[] {
  const { kind, value } = attribute;
  if (kind === "other") throw new FormatError("unsupported", `encodeOnnx: the attribute ${shown(name)} is ${value}, which cannot be written`);
  const pieces = {
    float: () => [float(2, value as number)],
    int: () => [int(3, value as number)],
    string: () => [text(4, value as string)],
    tensor: () => [message(5, ...tensorPieces((attribute as Extract<OnnxAttribute, { kind: "tensor" }>).value.read()))],
    floats: () => (value as readonly number[]).map((item) => float(7, item)),
    ints: () => (value as readonly number[]).map((item) => int(8, item)),
    strings: () => (value as readonly string[]).map((item) => text(9, item)),
  }[kind]();
  return [...pieces, int(20, ATTRIBUTE_TYPES[kind])];
}

function tensorPieces({ dtype, shape, data }: StoredTensor): Piece[] {
  return [...shape.map((extent) => int(1, extent)), int(2, NUMBER_OF.get(dtype)!), bytes(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength))];
}

function valuePieces({ name, dtype, shape }: OnnxValue): Piece[] {
  const dims = (shape ?? []).map((extent) =>
    message(1, ...(typeof extent === "number" ? [int(1, extent)] : typeof extent === "string" ? [text(2, extent)] : [])),
  );
  return [text(1, name), message(2, message(1, int(1, NUMBER_OF.get(dtype ?? "float32")!), ...(shape ? [message(2, ...dims)] : [])))];
}
