/** @file A model's file, or a run's checkpoint, as a victim. In Node and in browsers: where the bytes are is the caller's business. */
import { type ByteSource, identifyFile, openWeights, readOnnx } from "@gradalign/formats";
import {
  architectureOf,
  countParameters,
  createModel,
  type ImageDataset,
  type Model,
  type ModelConfig,
  type ModelTensors,
  modelVictim,
  type Normalization,
  onnxModel,
  restoreModel,
  type Snapshot,
  type Victim,
} from "@gradalign/robustness";
import { ConfigError } from "@gradalign/tensor";
import type { JudgedModel } from "../evaluation/record.ts";
import { chosenNormalization, type GivenNormalization } from "./normalization.ts";
import { type NetworkOptions, networkOfWeights, notesOfFile } from "./weights-network.ts";

/** What is said of a model's file besides its bytes. */
export interface ModelOptions extends NetworkOptions, GivenNormalization {
  /** Of a PyTorch file with several models: the key of one, e.g. `best`. */
  readonly part?: string | undefined;
}

/** A model's bytes, and those of the files beside it that it names. */
export interface ModelBytes {
  readonly source: ByteSource;
  /** Opens a file that an ONNX model names for its weights. */
  external(location: string): ByteSource;
  /** SHA-256 of all bytes, hex. */
  sha256(): string;
}

/** A model that can be attacked. */
export interface ModelVictim extends ModelTensors {
  /** With its normalisation: images stay in [0, 1]. */
  readonly victim: Victim;
  /** Without it. */
  readonly model: Model;
  /** What stands in an evaluation's record. */
  readonly judged: JudgedModel;
  /** What was chosen, left out or changed, in sentences. */
  readonly notes: readonly string[];
}

/** A model and what is known of it, before it is a victim. */
interface Opened extends ModelTensors {
  readonly model: Model;
  readonly format: JudgedModel["format"];
  readonly sha256: string;
  /** What the file says that its network does first; undefined where it says nothing. */
  readonly normalization: Normalization | null | undefined;
  readonly notes: readonly string[];
}

/**
 * Opens a file's model. Nothing of it is run.
 *
 * @param name of the file, for the record and messages.
 * @throws ConfigError for an option that does not fit; FormatError when the model cannot be used.
 */
export async function victimOfFile(name: string, file: ModelBytes, options: ModelOptions = {}): Promise<ModelVictim> {
  return victimOf(name, identifyFile(file.source) === "onnx" ? await openGraph(name, file, options) : openTensors(file, options), options);
}

/**
 * A run's checkpoint.
 *
 * @param name of the run's folder.
 * @param saved the checkpoint; its checksum is that of its file of tensors.
 */
export function victimOfSnapshot(
  name: string,
  { which, snapshot, sha256 }: { readonly which: string; readonly snapshot: Snapshot; readonly sha256: string },
  options: ModelOptions & { readonly notes?: readonly string[] } = {},
): ModelVictim {
  const model = modelOfSnapshot(snapshot);
  const { notes = [] } = options;
  const found = victimOf(name, { model, ...restoreModel(model, snapshot), format: "run", sha256, normalization: null, notes }, options);
  return { ...found, judged: { ...found.judged, checkpoint: { which, iteration: snapshot.iteration } } };
}

/** The built-in model that a snapshot's tensors belong to. */
export function modelOfSnapshot(snapshot: Pick<Snapshot, "model">): Model {
  return createModel({ ...snapshot.model.config, name: snapshot.model.name } as ModelConfig);
}

function victimOf(name: string, opened: Opened, options: ModelOptions): ModelVictim {
  const { model, params, state, format, sha256 } = opened;
  const shape = model.config["shape"] as readonly [number, number, number];
  if (options.shape && options.shape.join() !== shape.join()) {
    throw new ConfigError(`${name} takes images of [${shape.join(", ")}], not of [${options.shape.join(", ")}]; choose the data it was trained on`);
  }
  const where = format === "onnx" ? "outside the graph" : "the file has no mean and std";
  const { normalization, notes } = chosenNormalization(opened.normalization, options, { channels: shape[0], where });
  return {
    victim: modelVictim(model, params, state, normalization ?? {}),
    model,
    params,
    state,
    judged: {
      file: name.slice(Math.max(name.lastIndexOf("/"), name.lastIndexOf("\\")) + 1),
      format,
      sha256,
      architecture: format === "onnx" ? null : namedOptions(model),
      parameters: countParameters(params),
      normalization,
      batchNorm: Object.keys(state).length > 0 ? "running" : "none",
    },
    notes: [...opened.notes, ...notes],
  };
}

async function openGraph(name: string, file: ModelBytes, { arch, part, shape }: ModelOptions): Promise<Opened> {
  for (const [flag, value] of Object.entries({ arch, part })) {
    if (value !== undefined) throw new ConfigError(`--${flag} (="${value}") must be left out: ${name} is an ONNX graph, which says what it computes`);
  }
  const onnx = readOnnx(file.source, { external: file.external });
  const { model, params, state, notes } = await onnxModel(onnx, shape ? { shape } : {});
  // What we export normalises inside the graph.
  const normalization = onnx.producer === "gradalign" ? null : undefined;
  return { model, params, state, format: "onnx", sha256: file.sha256(), normalization, notes };
}

function openTensors(file: ModelBytes, options: ModelOptions): Opened {
  const weights = openWeights(file.source, options.part === undefined ? {} : { part: options.part });
  const format = weights.format === "safetensors" ? "safetensors" : "pytorch";
  const { notes, ...network } = networkOfWeights(weights, options);
  return { ...network, format, sha256: file.sha256(), notes: [...notes.chosen, ...notesOfFile(weights), ...notes.used] };
}

function namedOptions(model: Model): Readonly<Record<string, unknown>> {
  const { name, options } = architectureOf(model);
  return { name, ...options };
}

/**
 * Makes sure that a victim can be shown a data set's images.
 *
 * @param who the data set, for the message.
 * @throws ConfigError when images or classes do not fit.
 */
export function requireFitting(victim: Victim, { shape, classNames }: Pick<ImageDataset, "shape" | "classNames">, who: string): void {
  if (victim.shape.join() !== shape.join()) {
    throw new ConfigError(`${who} must have images of [${victim.shape.join(", ")}], the model's, has [${shape.join(", ")}]; choose another`);
  }
  if (victim.classes < classNames.length) {
    throw new ConfigError(`${who} must have at most ${victim.classes} classes, the model's, has ${classNames.length}; choose another`);
  }
}
