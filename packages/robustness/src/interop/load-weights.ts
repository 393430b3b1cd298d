/** @file Weights of a file into a model: every tensor of the model must be there, and what else is there is told. */
import { clipped, elementCount, type FileTensor, FormatError, type StoredTensor, toFloat32 } from "@gradalign/formats";
import { randomKey, type Tensor, tensor } from "@gradalign/tensor";
import type { Model } from "../models/model.ts";

/** A model's tensors out of a file. */
export interface LoadedWeights {
  readonly params: Readonly<Record<string, Tensor>>;
  readonly state: Readonly<Record<string, Tensor>>;
  /** What the file's network did to its images first, where the file has it: x becomes (x - mean) / std, per channel. */
  readonly normalization?: { readonly mean: readonly number[]; readonly std: readonly number[] };
  /** Tensors that no forward pass uses. */
  readonly unused: readonly string[];
}

/** Buffers in which networks of the field keep what they subtract from images, and what they divide them by. */
const NORMALIZATIONS = [
  ["mu", "sigma"],
  ["mean", "std"],
  ["normalize.mean", "normalize.std"],
  ["normalizer.mean", "normalizer.std"],
  // Of graphs that we exported.
  ["normalization.mean", "normalization.std"],
] as const;

/** Registered, but used by no forward pass: batch norm's counters, a second first group in TRADES' code, the paper's statistics of its first layers. */
const UNUSED = /(^|\.)num_batches_tracked$|^sub_block1\.|^model_preact_hl1\./;

/** What a file has for a model, besides the model's own tensors. */
interface Fit {
  readonly params: readonly string[];
  readonly state: readonly string[];
  readonly normalization: readonly [string, string] | undefined;
  readonly unused: readonly string[];
}

/**
 * Compares names and shapes, and reads nothing.
 *
 * @throws FormatError (other-model) naming what is missing, unexpected or of another shape.
 */
export function checkWeights(model: Model, tensors: ReadonlyMap<string, { readonly shape: readonly number[] }>): Fit {
  // Values are lazy: these have shapes, and nothing is drawn.
  const { params, state } = model.init(randomKey(0));
  const expected = new Map([...Object.entries(params), ...Object.entries(state)]);
  const normalization = NORMALIZATIONS.find((names) => names.every((name) => tensors.has(name) && !expected.has(name)));
  const spare = [...tensors.keys()].filter((name) => !expected.has(name) && !normalization?.some((buffer) => buffer === name));
  const unexpected = spare.filter((name) => !UNUSED.test(name));
  const missing = [...expected.keys()].filter((name) => !tensors.has(name));
  const misshapen = [...expected].flatMap(([name, { shape }]) => {
    const found = tensors.get(name)?.shape;
    return found && found.join() !== shape.join() ? [`${name} is [${found.join(", ")}], expected [${shape.join(", ")}]`] : [];
  });
  const complaints = [
    ["of another shape", misshapen],
    ["missing", missing],
    ["unexpected", unexpected],
  ].flatMap(([what, names]) => (names!.length > 0 ? [`${what}: ${some(names as string[])}`] : []));
  if (complaints.length > 0) {
    throw new FormatError("other-model", `the weights do not fit ${model.name} ${clipped(JSON.stringify(model.config))}: ${complaints.join("; ")}`);
  }
  return { params: Object.keys(params), state: Object.keys(state), normalization, unused: spare };
}

/**
 * Loads named tensors into a model.
 *
 * @throws FormatError (other-model) naming what is missing, unexpected or of another shape.
 */
export function loadWeights(model: Model, tensors: ReadonlyMap<string, FileTensor | StoredTensor>): LoadedWeights {
  const { params, state, normalization, unused } = checkWeights(model, tensors);
  const take = (names: readonly string[]): Record<string, Tensor> =>
    Object.fromEntries(
      names.map((name) => {
        const found = tensors.get(name)!;
        return [name, tensor(elementsOf(found), found.shape)];
      }),
    );
  return {
    params: take(params),
    state: take(state),
    ...(normalization ? { normalization: { mean: numbersOf(tensors.get(normalization[0])!), std: numbersOf(tensors.get(normalization[1])!) } } : {}),
    unused,
  };
}

function elementsOf(found: FileTensor | StoredTensor): Float32Array {
  return toFloat32("read" in found ? found.read() : found);
}

function numbersOf(found: FileTensor | StoredTensor): number[] {
  if (elementCount(found.shape) > 64)
    throw new FormatError("unsupported", `the file's normalisation has shape [${found.shape.join(", ")}], expected a number per channel`);
  return [...elementsOf(found)];
}

function some(names: readonly string[]): string {
  const first = names.slice(0, 6).map((name) => clipped(name));
  return names.length > first.length ? `${first.join(", ")} and ${names.length - first.length} more` : first.join(", ");
}
