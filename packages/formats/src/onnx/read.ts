/** @file Reading an ONNX file: bounded by the file, external weights from beside it only. */
import { FormatError } from "../errors.ts";
import { shown } from "../json.ts";
import { LIMITS } from "../limits.ts";
import { type ByteSource, readRange, sourceOf } from "../source.ts";
import { elementCount, type FileTensor, STORED_ARRAYS, type StoredDType, type StoredTensor, tensorOfBytes } from "../tensor.ts";
import { ONNX_DTYPES, type OnnxAttribute, type OnnxModel, type OnnxNode, type OnnxValue } from "./model.ts";
import { type Budget, type Field, fieldsOf, floatOf, floatsOf, intOf, intsOf, textOf } from "./protobuf.ts";

const damaged = (what: string): FormatError => new FormatError("damaged", `not a valid ONNX file: ${what}`);

/** How a model's weights in other files are found. */
export interface OnnxOptions {
  /** Opens a file beside the model; the name is a relative path without `..`. Without it such weights are refused. */
  readonly external?: (location: string) => ByteSource;
}

/**
 * Reads an ONNX model; weights are read when they are asked for.
 *
 * @throws FormatError saying what is wrong with the file, or what in it is not read.
 */
export function readOnnx(input: Uint8Array | ByteSource, options: OnnxOptions = {}): OnnxModel {
  const source = sourceOf(input);
  if (source.size > LIMITS.onnx) throw new FormatError("too-large", `the ONNX file has ${source.size} bytes, more than protobuf's limit of ${LIMITS.onnx}`);
  const budget: Budget = { items: 0 };
  let irVersion = 0;
  let producer = "";
  let graph: Uint8Array | undefined;
  const metadata: Record<string, string> = {};
  const opsets = new Map<string, number>();
  const functions: string[] = [];
  for (const field of fieldsOf(source.read(0, source.size), budget)) {
    if (field.number === 1) irVersion = intOf(field);
    else if (field.number === 2) producer = textOf(field);
    else if (field.number === 7) graph = field.bytes;
    else if (field.number === 8) {
      const { 1: domain, 2: version } = lastOf(field.bytes, budget);
      const name = domain ? textOf(domain) : "";
      opsets.set(name === "ai.onnx" ? "" : name, version ? intOf(version) : 0);
    } else if (field.number === 14) {
      const [key, value] = pairOf(field.bytes, budget);
      if (key !== "__proto__") metadata[key] = value;
    } else if (field.number === 25) functions.push("a function");
  }
  if (!graph) throw damaged("it has no graph");
  if (functions.length > 0) throw new FormatError("unsupported", `the ONNX model has ${functions.length} functions of its own; export it with them inlined`);
  const opset = opsets.get("") ?? 0;
  opsets.delete("");
  return { irVersion, opset, domains: Object.fromEntries(opsets), producer, metadata, ...graphOf(graph, options, budget) };
}

function graphOf(bytes: Uint8Array, options: OnnxOptions, budget: Budget): Pick<OnnxModel, "name" | "nodes" | "initializers" | "inputs" | "outputs"> {
  let name = "";
  const nodes: OnnxNode[] = [];
  const initializers = new Map<string, FileTensor>();
  const inputs: OnnxValue[] = [];
  const outputs: OnnxValue[] = [];
  for (const field of fieldsOf(bytes, budget)) {
    if (field.number === 1) nodes.push(nodeOf(field.bytes, options, budget));
    else if (field.number === 2) name = textOf(field);
    else if (field.number === 5) {
      const [tensorName, tensor] = onnxTensor(field.bytes, options, budget);
      if (initializers.has(tensorName)) throw damaged(`it has the initializer ${shown(tensorName)} twice`);
      initializers.set(tensorName, tensor);
    } else if (field.number === 11) inputs.push(valueInfo(field.bytes, budget));
    else if (field.number === 12) outputs.push(valueInfo(field.bytes, budget));
    else if (field.number === 15) throw new FormatError("unsupported", "the ONNX model has sparse weights, which are not read");
  }
  // Before IR version 4 every initializer was an input too.
  return { name, nodes, initializers, inputs: inputs.filter((input) => !initializers.has(input.name)), outputs };
}

function nodeOf(bytes: Uint8Array, options: OnnxOptions, budget: Budget): OnnxNode {
  const [inputs, outputs]: string[][] = [[], []];
  const attributes = new Map<string, OnnxAttribute>();
  const texts: Record<number, string> = {};
  for (const field of fieldsOf(bytes, budget)) {
    if (field.number === 1) inputs!.push(textOf(field));
    else if (field.number === 2) outputs!.push(textOf(field));
    else if (field.number === 3 || field.number === 4 || field.number === 7) texts[field.number] = textOf(field);
    else if (field.number === 5) {
      const [name, attribute] = attributeOf(field.bytes, options, budget);
      attributes.set(name, attribute);
    }
  }
  const domain = texts[7] ?? "";
  return { op: texts[4] ?? "", domain: domain === "ai.onnx" ? "" : domain, name: texts[3] ?? "", inputs: inputs!, outputs: outputs!, attributes };
}

/** AttributeProto: the field that holds the value for each type. */
function attributeOf(bytes: Uint8Array, options: OnnxOptions, budget: Budget): [string, OnnxAttribute] {
  let [name, type] = ["", 0];
  let [float, integer, string]: [number, number, string] = [0, 0, ""];
  const [floats, ints, strings]: [number[], number[], string[]] = [[], [], []];
  let tensor: FileTensor | undefined;
  for (const field of fieldsOf(bytes, budget)) {
    if (field.number === 1) name = textOf(field);
    else if (field.number === 2) float = floatOf(field);
    else if (field.number === 3) integer = intOf(field);
    else if (field.number === 4) string = textOf(field);
    else if (field.number === 5) tensor = onnxTensor(field.bytes, options, budget)[1];
    else if (field.number === 7) append(floats, floatsOf(field, 4), budget);
    else if (field.number === 8) append(ints, intsOf(field).map(Number), budget);
    else if (field.number === 9) strings.push(textOf(field));
    else if (field.number === 20) type = intOf(field);
  }
  if (type === 1) return [name, { kind: "float", value: float }];
  if (type === 2) return [name, { kind: "int", value: integer }];
  if (type === 3) return [name, { kind: "string", value: string }];
  if (type === 4 && tensor) return [name, { kind: "tensor", value: tensor }];
  if (type === 6) return [name, { kind: "floats", value: floats }];
  if (type === 7) return [name, { kind: "ints", value: ints }];
  if (type === 8) return [name, { kind: "strings", value: strings }];
  return [name, { kind: "other", value: type === 5 ? "a graph" : `attribute type ${type}` }];
}

/** A tensor of its own, as ONNX's test data are stored. */
export function readOnnxTensor(bytes: Uint8Array): FileTensor {
  return onnxTensor(bytes, {}, { items: 0 })[1];
}

/** TensorProto: its name and elements, wherever they are. */
function onnxTensor(bytes: Uint8Array, { external }: OnnxOptions, budget: Budget): [string, FileTensor] {
  const shape: number[] = [];
  let name = "";
  let type = 0;
  let raw: Uint8Array | undefined;
  let location = 0;
  const lists: Field[] = [];
  const outside: Record<string, string> = {};
  for (const field of fieldsOf(bytes, budget)) {
    if (field.number === 1) append(shape, intsOf(field).map(Number), budget);
    else if (field.number === 2) type = intOf(field);
    else if (field.number === 8) name = textOf(field);
    else if (field.number === 9) raw = field.bytes;
    else if (field.number === 13) {
      const [key, value] = pairOf(field.bytes, budget);
      if (key !== "__proto__") outside[key] = value;
    } else if (field.number === 14) location = intOf(field);
    else if ([4, 5, 7, 10, 11].includes(field.number)) lists.push(field);
  }
  const dtype = ONNX_DTYPES.get(type);
  if (!dtype)
    throw new FormatError("unsupported", `the ONNX tensor ${shown(name)} has element type ${type}${type === 8 ? " (strings)" : ""}, which is not read`);
  if (shape.length > LIMITS.axes) throw new FormatError("too-large", `${shown(name)} has ${shape.length} axes, more than the limit of ${LIMITS.axes}`);
  if (shape.some((extent) => !Number.isSafeInteger(extent) || extent < 0)) throw damaged(`the tensor ${shown(name)} has shape [${shape.join(", ")}]`);
  if (location === 1) {
    const { source, start, length } = externalPlace(name, outside, external);
    return [name, { dtype, shape, read: () => tensorOfBytes(name, dtype, shape, readRange(source(), start, length, `the weights of ${shown(name)}`)) }];
  }
  const data = raw;
  if (data) return [name, { dtype, shape, read: () => tensorOfBytes(name, dtype, shape, data) }];
  const count = elementCount(shape);
  const stored = lists.reduce((sum, { wire, bytes: list }) => sum + (wire === 2 ? list.length : 8), 0);
  // A number has at least one byte, a float four.
  if (count > Math.min(stored, LIMITS.onnxNumbers)) throw damaged(`the tensor ${shown(name)} should have ${count} elements, but ${stored} bytes are stored`);
  return [name, { dtype, shape, read: () => listed(name, dtype, shape, lists) }];
}

/** Elements from the lists of numbers that a tensor may have instead of bytes. */
function listed(name: string, dtype: StoredDType, shape: readonly number[], lists: readonly Field[]): StoredTensor {
  const wide = dtype === "int64" || dtype === "uint64";
  const values: (number | bigint)[] = [];
  for (const field of lists) {
    if (field.number === 4) append(values, floatsOf(field, 4));
    else if (field.number === 10) append(values, floatsOf(field, 8));
    else append(values, wide ? intsOf(field) : intsOf(field).map(Number));
  }
  const count = elementCount(shape);
  if (values.length !== count) throw damaged(`the tensor ${shown(name)} should have ${count} elements, but has ${values.length}`);
  const data = new STORED_ARRAYS[dtype](count);
  for (let i = 0; i < count; i++) {
    const value = values[i]!;
    if ((typeof value === "bigint") !== wide) throw damaged(`the tensor ${shown(name)} has elements of another type than ${dtype}`);
    data[i] = value as never;
  }
  return { dtype, shape, data };
}

/** Where a tensor's bytes lie in another file, which must be beside the model or below. */
function externalPlace(name: string, outside: Readonly<Record<string, string>>, external: OnnxOptions["external"]) {
  const { location = "", offset = "0", length = "" } = outside;
  const inside = location !== "" && !/^[/\\]|^[A-Za-z]:|\\|\0/.test(location) && !location.split("/").includes("..");
  if (!inside) throw new FormatError("unsupported", `the weights of ${shown(name)} are in ${shown(location)}, which is not inside the model's folder: refused`);
  if (!external) throw new FormatError("unsupported", `the weights of ${shown(name)} are in another file, ${shown(location)}; open the model with its folder`);
  if (!/^\d{1,15}$/.test(offset) || !/^\d{1,15}$/.test(length)) throw damaged(`the weights of ${shown(name)} have no place in ${shown(location)}`);
  return { source: () => external(location), start: Number(offset), length: Number(length) };
}

/** ValueInfoProto: name, and type { tensor_type { elem_type, shape { dim { value or name } } } }. */
function valueInfo(bytes: Uint8Array, budget: Budget): OnnxValue {
  const { 1: name, 2: type } = lastOf(bytes, budget);
  const { 1: tensor } = lastOf(type?.bytes, budget);
  const { 1: element, 2: shape } = lastOf(tensor?.bytes, budget);
  const dims =
    shape &&
    [...fieldsOf(shape.bytes, budget)].map((dim) => {
      const { 1: value, 2: symbol } = lastOf(dim.bytes, budget);
      return value ? intOf(value) : symbol ? textOf(symbol) : null;
    });
  return { name: name ? textOf(name) : "", dtype: (element && ONNX_DTYPES.get(intOf(element))) ?? null, shape: dims ?? null };
}

/** The last field of each number. */
function lastOf(bytes: Uint8Array | undefined, budget: Budget): Record<number, Field | undefined> {
  const fields: Record<number, Field | undefined> = {};
  for (const field of fieldsOf(bytes ?? new Uint8Array(0), budget)) fields[field.number] = field;
  return fields;
}

/** StringStringEntryProto. */
function pairOf(bytes: Uint8Array, budget: Budget): [string, string] {
  const { 1: key, 2: value } = lastOf(bytes, budget);
  return [key ? textOf(key) : "", value ? textOf(value) : ""];
}

/** Not `push(...)`, which has a limit of arguments. */
function append<T>(to: T[], values: readonly T[], budget?: Budget): void {
  if (to.length + values.length > LIMITS.onnxNumbers)
    throw new FormatError("too-large", `a list of more than ${LIMITS.onnxNumbers} numbers; store them as bytes`);
  if (budget) budget.items += values.length;
  for (const value of values) to.push(value);
}
