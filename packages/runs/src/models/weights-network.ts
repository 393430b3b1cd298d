/** @file The network of a file of weights: which one it is, its tensors, and what of the file it does not use. */
import { type FileTensor, FormatError, type WeightsFile } from "@gradalign/formats";
import {
  architectureOf,
  createModel,
  type DescribedModel,
  describedModel,
  type LoadedWeights,
  loadWeights,
  type Model,
  type Normalization,
  networkNamed,
  parseArchitecture,
  recognizeModels,
  writeArchitecture,
} from "@gradalign/robustness";

/** What is said of a file's network from outside. */
export interface NetworkOptions {
  /** The network, e.g. `wide-resnet:depth=28,widen=10`; options left out are the file's. Unless set, the one its tensors fit. */
  readonly arch?: string | undefined;
  /** An image's shape [C, H, W]; what the file says unless set, and 32 x 32 where it does not. */
  readonly shape?: readonly [number, number, number] | undefined;
}

/** A network with a file's weights. */
export interface WeightsNetwork extends Pick<LoadedWeights, "params" | "state"> {
  readonly model: Model;
  /** What the file says that its network does to images first; undefined where it says nothing. */
  readonly normalization: Normalization | null | undefined;
  /** How the network was chosen, and what of the tensors it computes with otherwise or not at all, in sentences. */
  readonly notes: { readonly chosen: readonly string[]; readonly used: readonly string[] };
}

/**
 * Loads a file's weights into the network that they are of.
 *
 * @throws FormatError (other-model) where they fit none, several, or not the one that was named; ConfigError where there is no such network.
 */
export function networkOfWeights(weights: WeightsFile, options: NetworkOptions): WeightsNetwork {
  const described = describedModel(weights.metadata);
  const { model, notes } = networkOf(weights.tensors, described, options);
  const { params, state, normalization, unused } = loadWeights(model, weights.tensors);
  // Who gave another normalisation when the file was converted meant it.
  return {
    model,
    params,
    state,
    normalization: described ? described.normalization : normalization,
    notes: { chosen: [...notes, ...notesOfTraining(weights)], used: notesOfUse(weights, unused) },
  };
}

/** The network that was asked for, else the one that the file names, else the only one that its tensors fit. */
function networkOf(
  tensors: ReadonlyMap<string, FileTensor>,
  described: DescribedModel | undefined,
  { arch, shape }: NetworkOptions,
): { readonly model: Model; readonly notes: readonly string[] } {
  const size = [shape?.[1] ?? described?.shape[1] ?? 32, shape?.[2] ?? described?.shape[2] ?? 32] as const;
  if (arch !== undefined) return { model: networkNamed(parseArchitecture(arch), tensors, size), notes: [] };
  if (described) {
    const { architecture, classes } = described;
    return { model: createModel({ name: architecture.name, ...architecture.options }, { classes, shape: [described.shape[0], ...size] }), notes: [] };
  }
  const fitting = recognizeModels(tensors, size);
  const names = fitting.map(({ model }) => writeArchitecture(architectureOf(model)));
  const [only] = fitting;
  if (only && fitting.length === 1) return { model: only.model, notes: [`taken for ${names[0]}, the only built-in network with these tensors`] };
  throw new FormatError(
    "other-model",
    only
      ? `its tensors fit ${names.join(" and ")}, which compute differently with them; choose one with --arch`
      : `no built-in network has exactly its ${tensors.size} tensors at ${size.join(" x ")} pixels; name the nearest with --arch to be told what does not fit, ` +
          "or export the model as ONNX",
  );
}

/** Where in the file the tensors were, and how their names were changed, in sentences. */
export function notesOfFile({ wrappers, prefixes, others }: WeightsFile): string[] {
  const aside = Object.entries(others).map(([name, kind]) => `${name} (${kind})`);
  const under = wrappers.length > 0 ? `the weights are those under ${wrappers.join(" › ")}` : "the weights are the tensors by name";
  return [
    wrappers.length > 0 || aside.length > 0 ? `${under}${aside.length > 0 ? `; not used: ${some(aside)}` : ""}` : "",
    prefixes.length > 0 ? `taken off names: ${prefixes.join(", ")}` : "",
  ].filter((note) => note !== "");
}

/** What a file of ours says of its training: whoever evaluates it at another radius should know. */
function notesOfTraining({ metadata }: WeightsFile): string[] {
  const epsilon = metadata["gradalign.epsilon"];
  return epsilon !== undefined && /^[\d.]{1,8}\/\d{1,4}$/.test(epsilon) ? [`trained, so the file says, at epsilon ${epsilon} in l-infinity`] : [];
}

function notesOfUse({ tensors }: WeightsFile, unused: readonly string[]): string[] {
  const spare = unused.filter((name) => !name.endsWith("num_batches_tracked"));
  const narrow = new Set([...tensors.values()].flatMap(({ dtype }) => (/^(b?float16|float64|float8.*)$/.test(dtype) ? [dtype] : [])));
  return [
    spare.length > 0 ? `no forward pass uses ${spare.length} of the tensors: ${some(spare)}` : "",
    narrow.size > 0 ? `stored as ${[...narrow].join(", ")}, computed with in float32` : "",
  ].filter((note) => note !== "");
}

function some(names: readonly string[]): string {
  const first = names.slice(0, 4);
  return names.length > first.length ? `${first.join(", ")} and ${names.length - first.length} more` : first.join(", ");
}
