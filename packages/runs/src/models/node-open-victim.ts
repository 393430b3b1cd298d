/** @file Any saved model as a victim: a run folder or a checkpoint in one, PyTorch's .pth, safetensors, ONNX. */
import { existsSync, statSync } from "node:fs";
import { basename, dirname, extname, join, resolve } from "node:path";
import { identifyFile, openWeights, readOnnx } from "@gradalign/formats";
import {
  architectureOf,
  countParameters,
  type Model,
  type ModelTensors,
  modelVictim,
  type Normalization,
  onnxModel,
  restoreModel,
  type Victim,
} from "@gradalign/robustness";
import { ConfigError } from "@gradalign/tensor";
import type { JudgedModel } from "../evaluation/record.ts";
import { isRunFolder } from "../folder/node-run.ts";
import { type ModelFile, modelFile, ofFile } from "./node-model-file.ts";
import { loadSavedModel, modelOfSnapshot, type SavedModel, type Which } from "./node-saved-model.ts";
import { chosenNormalization, type GivenNormalization } from "./normalization.ts";
import { type NetworkOptions, networkOfWeights, notesOfFile } from "./weights-network.ts";

/** What is said of a model besides where it is. */
export interface OpenOptions extends NetworkOptions, GivenNormalization {
  /** Of a PyTorch file with several models: the key of one, e.g. `best`. */
  readonly part?: string | undefined;
  /** Of a run: which checkpoint; the last unless set. */
  readonly which?: Which | undefined;
}

/** A model that can be attacked. */
export interface OpenedVictim extends ModelTensors {
  /** With its normalisation: images stay in [0, 1]. */
  readonly victim: Victim;
  /** Without it. */
  readonly model: Model;
  /** What stands in an evaluation's record. */
  readonly judged: JudgedModel;
  /** What was chosen, left out or changed, in sentences. */
  readonly notes: readonly string[];
  /** Of a run: its folder, settings and checkpoint. */
  readonly saved?: SavedModel;
}

/** A model and what is known of it, before it is a victim. */
interface Opened extends ModelTensors {
  readonly model: Model;
  readonly format: JudgedModel["format"];
  readonly sha256: string;
  /** What the file says that its network does first; undefined where it says nothing. */
  readonly normalization: Normalization | null | undefined;
  readonly notes: readonly string[];
  readonly saved?: SavedModel;
}

/**
 * Opens a model. Nothing of a file is run.
 *
 * @param path a run folder or a checkpoint in one; a .pth, .pt, .safetensors or .onnx file; a folder with a model.safetensors.
 * @throws ConfigError for a path or an option that does not fit; FormatError, FileError or CheckpointError when the model cannot be used.
 */
export async function openVictim(path: string, options: OpenOptions = {}): Promise<OpenedVictim> {
  if (!existsSync(path)) throw new ConfigError(`"${path}" must be a run folder or a model's file (.pth, .pt, .safetensors, .onnx); nothing is there`);
  const file = fileOf(path);
  const opened = file === undefined ? openSaved(path, options) : await ofFile(file, () => openFile(file, options));
  const { model, params, state, saved, format, sha256 } = opened;
  const shape = model.config["shape"] as readonly [number, number, number];
  if (options.shape && options.shape.join() !== shape.join()) {
    throw new ConfigError(`${path} takes images of [${shape.join(", ")}], not of [${options.shape.join(", ")}]; choose the data it was trained on`);
  }
  const where = format === "onnx" ? "outside the graph" : "the file has no mean and std";
  const { normalization, notes } = chosenNormalization(opened.normalization, options, { channels: shape[0], where });
  return {
    victim: modelVictim(model, params, state, normalization ?? {}),
    model,
    params,
    state,
    judged: {
      file: basename(resolve(saved?.folder ?? path)),
      format,
      sha256,
      architecture: format === "onnx" ? null : namedOptions(model),
      parameters: countParameters(params),
      normalization,
      batchNorm: Object.keys(state).length > 0 ? "running" : "none",
      ...(saved ? { checkpoint: { which: saved.which, iteration: saved.snapshot.iteration } } : {}),
    },
    notes: [...opened.notes, ...notes],
    ...(saved ? { saved } : {}),
  };
}

/** The file of weights that a path stands for; undefined for a run. */
function fileOf(path: string): string | undefined {
  if (statSync(path).isDirectory()) {
    const weights = join(path, "model.safetensors");
    return existsSync(weights) && !existsSync(join(path, "checkpoints")) ? weights : undefined;
  }
  const folder = dirname(resolve(path));
  const ofRun = basename(folder) === "checkpoints" && isRunFolder(dirname(folder));
  return ofRun || extname(path) === ".json" ? undefined : path;
}

function openSaved(path: string, { arch, part, which }: OpenOptions): Opened {
  for (const [flag, value] of Object.entries({ arch, part })) {
    if (value !== undefined) throw new ConfigError(`--${flag} (="${value}") must be left out: ${path} is a run, which knows its network`);
  }
  const notes: string[] = [];
  const saved = loadSavedModel(path, which, (text) => notes.push(text));
  const { snapshot } = saved;
  const model = modelOfSnapshot(snapshot);
  return { model, ...restoreModel(model, snapshot), format: "run", sha256: snapshot.sha256, normalization: null, notes, saved };
}

async function openFile(path: string, options: OpenOptions): Promise<Opened> {
  if (options.which !== undefined) throw new ConfigError(`--which (=${options.which}) must be left out: ${path} is no run; --part names a part of a .pth file`);
  const file = modelFile(path);
  return identifyFile(file.source) === "onnx" ? openGraph(path, file, options) : openTensors(file, options);
}

async function openGraph(path: string, file: ModelFile, { arch, part, shape }: OpenOptions): Promise<Opened> {
  for (const [flag, value] of Object.entries({ arch, part })) {
    if (value !== undefined) throw new ConfigError(`--${flag} (="${value}") must be left out: ${path} is an ONNX graph, which says what it computes`);
  }
  const onnx = readOnnx(file.source, { external: file.external });
  const { model, params, state, notes } = await onnxModel(onnx, shape ? { shape } : {});
  // What we export normalises inside the graph.
  const normalization = onnx.producer === "gradalign" ? null : undefined;
  return { model, params, state, format: "onnx", sha256: file.sha256(), normalization, notes };
}

function openTensors(file: ModelFile, options: OpenOptions): Opened {
  const weights = openWeights(file.source, options.part === undefined ? {} : { part: options.part });
  const format = weights.format === "safetensors" ? "safetensors" : "pytorch";
  const { notes, ...network } = networkOfWeights(weights, options);
  return { ...network, format, sha256: file.sha256(), notes: [...notes.chosen, ...notesOfFile(weights), ...notes.used] };
}

function namedOptions(model: Model): Readonly<Record<string, unknown>> {
  const { name, options } = architectureOf(model);
  return { name, ...options };
}
