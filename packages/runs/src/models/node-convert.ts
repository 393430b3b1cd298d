/** @file A model's file in another format, whole: what is renamed or left out is told. */
import { encodeSafetensors, FormatError, identifyFile, type OnnxModel, openWeights, readOnnx, type StoredTensor, type WeightsFile } from "@gradalign/formats";
import { describeModelFor, exportOnnx } from "@gradalign/robustness";
import { modelFile, ofFile } from "./node-model-file.ts";
import { chosenNormalization, type GivenNormalization } from "./normalization.ts";
import type { ModelBytes } from "./open-model.ts";
import { type NetworkOptions, networkOfWeights, notesOfFile } from "./weights-network.ts";

/** A format that is written. */
export type WrittenFormat = "safetensors" | "onnx";

/** What is said of the file. */
export interface ConvertOptions extends NetworkOptions, GivenNormalization {
  /** Of a PyTorch file with several models: the key of one. */
  readonly part?: string | undefined;
}

/** A file's content, and what became of it on the way, in sentences. */
export interface Converted {
  readonly content: Uint8Array;
  readonly notes: readonly string[];
}

/**
 * Converts a .pth, .pt or safetensors file to safetensors or ONNX, or an ONNX file's weights to safetensors.
 *
 * Every tensor is kept, with its type; an ONNX graph has those that its network computes with, in float32.
 * @throws FormatError naming the file where it cannot be read, or has no network for a graph; ConfigError where there is no such network.
 */
export function convertModel(path: string, to: WrittenFormat, options: ConvertOptions = {}): Promise<Converted> {
  return ofFile(path, () => {
    const file = modelFile(path);
    const isGraph = identifyFile(file.source) === "onnx";
    if (isGraph && to === "onnx") throw new FormatError("unsupported", "an ONNX model already");
    const { weights, notes } = isGraph ? weightsOfGraph(file) : weightsOf(file, options);
    const converted = to === "onnx" ? graphOf(weights, options) : safetensorsOf(weights, options);
    return { content: converted.content, notes: [...notes, ...converted.notes] };
  });
}

interface Weights {
  readonly weights: WeightsFile;
  readonly notes: readonly string[];
}

function weightsOf({ source }: ModelBytes, { part }: ConvertOptions): Weights {
  const weights = openWeights(source, part === undefined ? {} : { part });
  return { weights, notes: notesOfFile(weights) };
}

/** A graph's initializers as a file of weights. */
function weightsOfGraph({ source, external }: ModelBytes): Weights {
  const onnx: OnnxModel = readOnnx(source, { external });
  const constants = onnx.nodes.filter(({ op }) => op === "Constant").length;
  const among = constants > 0 ? `, ${constants} constants among them` : "";
  return {
    weights: { format: "safetensors", tensors: new Map(onnx.initializers), metadata: onnx.metadata, wrappers: [], prefixes: [], others: {} },
    notes: [`left out: the graph of ${onnx.nodes.length} operators${among}; a safetensors file holds weights alone`],
  };
}

function safetensorsOf(weights: WeightsFile, options: ConvertOptions): Converted {
  const tensors = new Map<string, StoredTensor>([...weights.tensors].map(([name, tensor]) => [name, tensor.read()]));
  const { metadata, notes } = description(weights, options);
  return { content: encodeSafetensors(tensors, { ...weights.metadata, ...metadata, format: "pt" }), notes };
}

/** What the file says of its network, as far as that is known. */
function description(
  weights: WeightsFile,
  options: ConvertOptions,
): { readonly metadata: Readonly<Record<string, string>>; readonly notes: readonly string[] } {
  try {
    const { model, normalization: found, notes } = networkOfWeights(weights, options);
    const chosen = chosenNormalization(found, options, placeOf(model));
    return { metadata: describeModelFor(model, chosen.normalization), notes: [...notes.chosen, ...chosen.notes] };
  } catch (error) {
    const told = options.arch ?? options.mean ?? options.std;
    if (told !== undefined || !(error instanceof FormatError) || error.problem !== "other-model") throw error;
    return { metadata: {}, notes: [`the file does not say which network it is of: ${error.message}`] };
  }
}

function graphOf(weights: WeightsFile, options: ConvertOptions): Converted {
  const { model, params, state, normalization: found, notes } = networkOfWeights(weights, options);
  const { normalization, notes: told } = chosenNormalization(found, options, placeOf(model));
  const metadata = { ...weights.metadata, ...describeModelFor(model, normalization) };
  const counters = [...weights.tensors.keys()].filter((name) => name.endsWith("num_batches_tracked")).length;
  return {
    content: exportOnnx(model, params, state, { ...normalization, metadata }),
    notes: [...notes.chosen, ...notes.used, ...(counters > 0 ? [`left out: ${counters} counters of batches (num_batches_tracked)`] : []), ...told],
  };
}

function placeOf({ config }: { readonly config: Readonly<Record<string, unknown>> }) {
  return { channels: (config["shape"] as readonly number[])[0] as number, where: "the file has no mean and std" };
}
