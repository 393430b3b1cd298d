/** @file A network as an ONNX file: its layers written down as operators, normalisation first, so that the graph takes images in [0, 1]. */
import { encodeOnnx, type OnnxAttribute, type OnnxNode, type StoredTensor } from "@gradalign/formats";
import { UnsupportedError } from "@gradalign/tensor";
import type { ReadableTensor } from "../interop/pytorch-export.ts";
import type { Model } from "../models/model.ts";
import type { Layers } from "../models/network.ts";

/** Options of {@link exportOnnx}. */
export interface OnnxExportOptions {
  /** Per channel, subtracted from the images inside the graph. */
  readonly mean?: readonly number[];
  /** Per channel, what the images are divided by after that. */
  readonly std?: readonly number[];
  /** Free-form strings for the file. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** What flows through the graph: a value's name and its channels. */
interface Named {
  readonly name: string;
  readonly channels: number;
}

type Attributes = Readonly<Record<string, OnnxAttribute>>;

const int = (value: number): OnnxAttribute => ({ kind: "int", value });
const ints = (value: readonly number[]): OnnxAttribute => ({ kind: "ints", value });

/**
 * A model in eval mode as the bytes of an ONNX file (opset 17, IR version 8): images [batch, C, H, W] in, logits [batch, classes] out. Weights keep
 * their names.
 *
 * @throws UnsupportedError for a model that does not say of what layers it is made.
 */
export function exportOnnx(
  model: Model,
  params: Readonly<Record<string, ReadableTensor>>,
  state: Readonly<Record<string, ReadableTensor>>,
  { mean, std, metadata = {} }: OnnxExportOptions = {},
): Uint8Array {
  const { network } = model;
  const shape = model.config["shape"] as readonly [number, number, number];
  if (!network) throw new UnsupportedError(`exportOnnx: ${model.name} does not say of what layers it is made; a model of \`layeredModel\` does`);
  const nodes: OnnxNode[] = [];
  const initializers = new Map<string, StoredTensor>();
  const emit = (op: string, inputs: readonly string[], channels: number, attributes: Attributes = {}): Named => {
    const name = `${op}_${nodes.length}`;
    nodes.push({ op, domain: "", name, inputs, outputs: [name], attributes: new Map(Object.entries(attributes)) });
    return { name, channels };
  };
  const weight = (name: string): string => {
    const tensor = (params[name] ?? state[name])!;
    initializers.set(name, { dtype: tensor.dtype, shape: tensor.shape, data: tensor.data() });
    return name;
  };
  const normalized = (x: Named, prefix: string, given: { readonly mean?: readonly number[] | undefined; readonly std?: readonly number[] | undefined }) => {
    let y = x;
    for (const [op, list] of [["Sub", given.mean] as const, ["Div", given.std] as const]) {
      if (!list) continue;
      const name = `${prefix}normalization.${op === "Sub" ? "mean" : "std"}`;
      initializers.set(name, { dtype: "float32", shape: [1, list.length, 1, 1], data: Float32Array.from(list) });
      y = emit(op, [y.name, name], y.channels);
    }
    return y;
  };
  const layers = writingLayers(emit, weight, (x, layer) => normalized(x, "network.", layer));
  const { channels: classes } = network(layers, normalized({ name: "images", channels: shape[0] }, "", { mean, std }));
  nodes[nodes.length - 1] = { ...nodes.at(-1)!, outputs: ["logits"] };
  return encodeOnnx({
    irVersion: 8,
    opset: 17,
    producer: "gradalign",
    metadata,
    name: model.name,
    nodes,
    initializers,
    inputs: [{ name: "images", dtype: "float32", shape: ["batch", ...shape] }],
    outputs: [{ name: "logits", dtype: "float32", shape: ["batch", classes] }],
  });
}

/** Layers that write themselves down. */
function writingLayers(
  emit: (op: string, inputs: readonly string[], channels: number, attributes?: Attributes) => Named,
  weight: (name: string) => string,
  normalize: Layers<Named>["normalize"],
): Layers<Named> {
  return {
    normalize,
    convolution(name, x, { out, size, bias = false, stride = 1, padding = 0 }) {
      const [tops, lefts] = typeof padding === "number" ? [padding, padding] : padding;
      const [[top, bottom], [left, right]] = [tops, lefts].map((side) => (typeof side === "number" ? [side, side] : side)) as [
        [number, number],
        [number, number],
      ];
      return emit("Conv", [x.name, weight(`${name}.weight`), ...(bias ? [weight(`${name}.bias`)] : [])], out, {
        kernel_shape: ints([size, size]),
        strides: ints([stride, stride]),
        pads: ints([top, left, bottom, right]),
      });
    },
    batchNorm: (name, x) =>
      emit("BatchNormalization", [x.name, ...["weight", "bias", "running_mean", "running_var"].map((what) => weight(`${name}.${what}`))], x.channels, {
        epsilon: { kind: "float", value: 1e-5 },
        momentum: { kind: "float", value: 0.9 },
      }),
    linear: (name, x, out) => emit("Gemm", [x.name, weight(`${name}.weight`), weight(`${name}.bias`)], out, { transB: int(1) }),
    relu: (x) => emit("Relu", [x.name], x.channels),
    swish: (x) => emit("Mul", [x.name, emit("Sigmoid", [x.name], x.channels).name], x.channels),
    add: (a, b) => emit("Add", [a.name, b.name], a.channels),
    maxPool: (x, { size, stride, padding }) =>
      emit("MaxPool", [x.name], x.channels, {
        kernel_shape: ints([size, size]),
        strides: ints([stride, stride]),
        pads: ints([padding, padding, padding, padding]),
      }),
    globalAveragePool: (x) => emit("Flatten", [emit("GlobalAveragePool", [x.name], x.channels).name], x.channels, { axis: int(1) }),
    flatten: (x) => emit("Flatten", [x.name], x.channels, { axis: int(1) }),
    channels: (x) => x.channels,
  };
}
