/**
 * @file An ONNX graph as a model: its forward pass is traced in our tensor functions, its weights become parameters.
 *
 * Shapes are known while a function is traced, so the arithmetic with which converters compute a shape before a Reshape is done then and there,
 * in the same operators, on the reference backend; nothing of it is left in the program.
 */
import { elementCount, FormatError, type JsonObject, type OnnxModel, type OnnxNode, type StoredTensor, shown, toFloat32 } from "@gradalign/formats";
import { createDevice, type Device, evaluate, type Tensor, tensor, type Value, zeros } from "@gradalign/tensor";
import type { Model, ModelTensors } from "../models/model.ts";
import type { Params } from "../nn/params.ts";
import type { Call } from "./call.ts";
import { operators, PASSING, STATISTICS, WEIGHTS } from "./operators.ts";

/** Options of {@link onnxModel}. */
export interface OnnxModelOptions {
  /** An image's shape [C, H, W], where the file does not say. */
  readonly shape?: readonly [number, number, number];
}

/** A model out of an ONNX file, with its weights. */
export interface OnnxImport extends ModelTensors {
  readonly model: Model;
  readonly classes: number;
  /** What was changed or left out, in sentences. */
  readonly notes: readonly string[];
}

const OLDEST = 9;

/**
 * Makes a model of an ONNX graph.
 *
 * Its parameters are the initializers that layers use as weights, its state batch norm's statistics; what normalises the images stays as it
 * is. A Softmax at the end is taken off.
 * @throws FormatError naming what is not supported, or what is wrong with the graph.
 */
export async function onnxModel(onnx: OnnxModel, options: OnnxModelOptions = {}): Promise<OnnxImport> {
  if (onnx.opset < OLDEST) throw new FormatError("unsupported", `onnx: opset ${onnx.opset} is older than ${OLDEST}; convert it with onnx.version_converter`);
  const graph = prepared(onnx);
  const [inputValue, output] = [onnx.inputs[0], onnx.outputs[0]];
  if (onnx.inputs.length !== 1 || onnx.outputs.length !== 1 || !inputValue || !output) {
    throw new FormatError("unsupported", `onnx: a classifier has one input and one output, this graph has ${onnx.inputs.length} and ${onnx.outputs.length}`);
  }
  const shape = imageShape(inputValue.shape, options.shape);
  const declared = typeof inputValue.shape?.[0] === "number" && inputValue.shape[0] > 0 ? inputValue.shape[0] : null;
  const host = await createDevice({ backend: "reference" });
  const { params, state, constants, names } = weightsOf(onnx, graph.nodes);
  const model: Model = {
    name: "onnx",
    config: { graph: onnx.name, opset: onnx.opset, operators: graph.nodes.length, shape: [...shape] } satisfies JsonObject,
    // The file's own weights, whatever the key: there are no others.
    init: () => ({ params, state }),
    apply: (givenParams, givenState, x, { train }) => {
      const moved: Record<string, Value> = {};
      const values = new Map<string, Known>(constants);
      for (const [name, source] of names) values.set(name, { value: (givenParams[name] ?? givenState[name]) as Value, constant: false, source });
      values.set(inputValue.name, { value: x, constant: false });
      const batch = { declared, actual: x.shape[0]! };
      for (const node of graph.nodes) runNode(node, { values, moved, host, train, batch, opset: onnx.opset });
      return { logits: outputOf(values, graph.output), state: { ...givenState, ...moved } };
    },
  };
  // Values are lazy: this finds out that every operator can be traced, and computes nothing.
  const { logits } = model.apply(params, state, zeros([2, ...shape]), { train: false });
  if (logits.shape.length !== 2 || logits.shape[0] !== 2) {
    const remedy = declared === null ? "" : "; export it with a dynamic batch (dynamic_axes or dynamic_shapes)";
    throw new FormatError("unsupported", `onnx: the output for two images has shape [${logits.shape.join(", ")}], expected [2, classes]${remedy}`);
  }
  return { model, params, state, classes: logits.shape[1]!, notes: graph.notes };
}

/**
 * Any graph as a function of its inputs by name, weights as constants: what operators compute, for checks.
 *
 * @throws FormatError naming operators that are not supported.
 */
export async function onnxFunction(onnx: OnnxModel): Promise<(inputs: Readonly<Record<string, Value>>) => Record<string, Value>> {
  checkOperators(onnx);
  const nodes = onnx.nodes.filter(({ op }) => op !== "Constant");
  const host = await createDevice({ backend: "reference" });
  const { params, state, constants } = weightsOf(onnx, nodes);
  const weights = Object.entries({ ...params, ...state }).map(([name, value]) => [name, { value, constant: true }] as const);
  return (inputs) => {
    const given = Object.entries(inputs).map(([name, value]) => [name, { value, constant: false }] as const);
    const values = new Map<string, Known>([...constants, ...weights, ...given]);
    for (const node of nodes) runNode(node, { values, moved: {}, host, train: false, batch: { declared: null, actual: 0 }, opset: onnx.opset });
    return Object.fromEntries(onnx.outputs.map(({ name }) => [name, outputOf(values, name)]));
  };
}

function outputOf(values: ReadonlyMap<string, Known>, name: string): Value {
  const found = values.get(name);
  if (!found) throw new FormatError("damaged", `onnx: no operator computes the output ${shown(name)}`);
  return found.value;
}

/** A value while a graph is traced; one that does not depend on images or weights is constant, and computed. */
interface Known {
  readonly value: Value;
  readonly constant: boolean;
  /** The initializer that this is. */
  readonly source?: string;
}

/** What all operators of a pass share. */
interface Pass extends Pick<Call, "batch" | "opset" | "train"> {
  readonly values: Map<string, Known>;
  readonly moved: Record<string, Value>;
  readonly host: Device;
}

function runNode(node: OnnxNode, { values, moved, host, train, batch, opset }: Pass): void {
  const known = (i: number): Known | undefined => {
    const name = node.inputs[i];
    if (!name) return undefined;
    const found = values.get(name);
    if (!found) throw new FormatError("damaged", `onnx: ${node.op} ${shown(node.name)} uses ${shown(name)}, which nothing before it computes`);
    return found;
  };
  const call: Call = {
    node,
    opset,
    train,
    batch,
    optional: (i) => known(i)?.value,
    numbers(i) {
      const found = known(i);
      if (!found) return undefined;
      if (!found.constant) throw new FormatError("unsupported", `onnx: ${node.op} ${shown(node.name)}: its input ${i} depends on the images`);
      return [...(found.value as Tensor).data()];
    },
    moved(i, value) {
      const source = known(i)?.source;
      if (source !== undefined) moved[source] = value;
    },
  };
  const inputs = node.inputs.map((_, i) => known(i));
  const result = operators[node.op]!(call);
  // A shape's numbers do not depend on what the images show.
  const constant = node.op === "Shape" || node.op === "Size" || inputs.every((entry) => entry === undefined || entry.constant);
  const results = Array.isArray(result) ? (result as readonly Value[]) : [result as Value];
  node.outputs.forEach((name, i) => {
    const value = results[i];
    if (name === "" || !value) return;
    values.set(name, { value: constant ? computed(value, host) : value, constant });
  });
}

/** Elements of a constant: arithmetic of shapes, perhaps a picture's worth of numbers. */
const LARGEST_CONSTANT = 2 ** 22;

/** Elements in memory, on no device's side. */
function computed(value: Value, host: Device): Tensor {
  const { shape, dtype } = value;
  if (elementCount(shape) > LARGEST_CONSTANT) {
    throw new FormatError("too-large", `onnx: a constant of [${shape.join(", ")}] would have to be computed; at most ${LARGEST_CONSTANT} elements are`);
  }
  return tensor((evaluate(value, host) as Tensor).data(), shape, dtype);
}

function checkOperators(onnx: OnnxModel): void {
  const foreign = new Set(onnx.nodes.filter(({ domain }) => domain !== "").map(({ domain, op }) => `${domain}.${op}`));
  const unknown = new Set(onnx.nodes.filter(({ domain, op }) => domain === "" && op !== "Constant" && !Object.hasOwn(operators, op)).map(({ op }) => op));
  const refused = [...foreign, ...unknown].map((name) => name.slice(0, 80));
  if (refused.length > 0) throw new FormatError("unsupported", `onnx: operators that are not supported: ${refused.slice(0, 12).join(", ")}`);
}

/** A graph to be traced: constants among its nodes taken out, a last Softmax too. */
function prepared(onnx: OnnxModel) {
  checkOperators(onnx);
  const notes: string[] = [];
  let nodes = onnx.nodes.filter(({ op }) => op !== "Constant");
  let output = onnx.outputs[0]?.name ?? "";
  for (;;) {
    const last = nodes.find(({ outputs }) => outputs.includes(output));
    if (last?.op !== "Softmax" && last?.op !== "Identity") break;
    if (last.op === "Softmax") notes.push("the Softmax at the end was taken off: logits are what it was given");
    nodes = nodes.filter((node) => node !== last);
    output = last.inputs[0] ?? "";
  }
  if (nodes.some(({ op }) => op === "Dropout")) notes.push("Dropout is left out, in training too");
  const used = new Set(nodes.flatMap(({ inputs }) => inputs));
  const unused = [...onnx.initializers.keys()].filter((name) => !used.has(name));
  if (unused.length > 0) notes.push(`${unused.length} initializers are used by no operator`);
  return { nodes, output, notes };
}

/** Initializers and Constant nodes: which of them training changes, which are statistics, and the others as constants. */
function weightsOf(onnx: OnnxModel, nodes: readonly OnnxNode[]) {
  const stored = new Map<string, StoredTensor>();
  for (const [name, entry] of onnx.initializers) stored.set(name, entry.read());
  for (const node of onnx.nodes) if (node.op === "Constant" && node.outputs[0]) stored.set(node.outputs[0], constantOf(node));
  const producers = new Map(nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
  const isFloat = (name: string): boolean => /float/.test(stored.get(name)?.dtype ?? "");
  /** The initializer that a value is, perhaps in another order. */
  const origin = (name: string, steps = 0): string | undefined => {
    if (stored.has(name)) return isFloat(name) ? name : undefined;
    const producer = producers.get(name);
    return producer && PASSING.has(producer.op) && producer.inputs[0] && steps < 8 ? origin(producer.inputs[0], steps + 1) : undefined;
  };
  const [weights, statistics] = [new Set<string>(), new Set<string>()];
  for (const node of nodes) {
    const note = (places: readonly number[] | undefined, into: Set<string>): void => {
      for (const place of places ?? []) {
        const name = origin(node.inputs[place] ?? "");
        if (name !== undefined) into.add(name);
      }
    };
    note(WEIGHTS[node.op], weights);
    note(STATISTICS[node.op], statistics);
    // A layer's bias as an operator of its own.
    const [a = "", b = ""] = node.inputs;
    if (node.op === "Add" && ["MatMul", "Conv"].includes(producers.get(a)?.op ?? producers.get(b)?.op ?? "")) note(stored.has(a) ? [0] : [1], weights);
  }
  const [params, state]: [Record<string, Value>, Record<string, Value>] = [{}, {}];
  const constants: [string, Known][] = [];
  for (const [name, entry] of stored) {
    const value = tensorOf(entry);
    if (statistics.has(name)) state[name] = value;
    else if (weights.has(name)) params[name] = value;
    else constants.push([name, { value, constant: true }]);
  }
  const names = [...Object.keys(params), ...Object.keys(state)].map((name) => [name, name] as const);
  return { params: params as Params, state: state as Params, constants, names };
}

/** A stored tensor as ours: float32, int32 or bool; longer whole numbers, such as "to the end", become the nearest. */
function tensorOf(entry: StoredTensor): Tensor {
  const { dtype, shape, data } = entry;
  if (/float/.test(dtype)) return tensor(toFloat32(entry), shape);
  if (dtype === "bool") return tensor(data as Uint8Array, shape, "bool");
  const near = (value: number): number => Math.min(Math.max(value, -(2 ** 31)), 2 ** 31 - 1);
  return tensor(
    Int32Array.from({ length: elementCount(shape) }, (_, i) => near(Number(data[i]))),
    shape,
  );
}

function constantOf({ attributes }: OnnxNode): StoredTensor {
  for (const [name, { kind, value }] of attributes) {
    if (name === "value" && kind === "tensor") return value.read();
    if (name === "value_float" && kind === "float") return { dtype: "float32", shape: [], data: Float32Array.of(value) };
    if (name === "value_floats" && kind === "floats") return { dtype: "float32", shape: [value.length], data: Float32Array.from(value) };
    if (name === "value_int" && kind === "int") return { dtype: "int64", shape: [], data: BigInt64Array.of(BigInt(value)) };
    if (name === "value_ints" && kind === "ints") return { dtype: "int64", shape: [value.length], data: BigInt64Array.from(value, BigInt) };
  }
  throw new FormatError("unsupported", "onnx: Constant: its value is of a kind that is not supported");
}

/** [C, H, W] of the input [N, C, H, W], as the file or the caller says. */
function imageShape(
  declared: readonly (number | string | null)[] | null,
  given: readonly [number, number, number] | undefined,
): readonly [number, number, number] {
  if (declared && declared.length !== 4) {
    throw new FormatError("unsupported", `onnx: the input must be images [N, C, H, W], this graph's has ${declared.length} axes`);
  }
  const shape = [0, 1, 2].map((axis) => {
    const known = declared?.[axis + 1];
    return typeof known === "number" && known > 0 ? known : given?.[axis];
  });
  const [channels, height, width] = shape;
  if (channels === undefined || height === undefined || width === undefined) {
    throw new FormatError("unsupported", "onnx: the graph does not say its images' shape; give it, e.g. [3, 32, 32]");
  }
  if (given?.some((extent, axis) => extent !== shape[axis])) {
    throw new FormatError("unsupported", `onnx: the graph takes images of [${shape.join(", ")}], not [${given.join(", ")}]`);
  }
  return [channels, height, width];
}
