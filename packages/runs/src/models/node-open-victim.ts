/** @file Any saved model as a victim: a run folder or a checkpoint in one, PyTorch's .pth, safetensors, ONNX. */
import { existsSync, statSync } from "node:fs";
import { basename, dirname, extname, join, resolve } from "node:path";
import { type FileTensor, FormatError, identifyFile, openWeights, readOnnx, type WeightsFile } from "@gradalign/formats";
import {
  architectureOf,
  countParameters,
  createModel,
  type DescribedModel,
  describedModel,
  loadWeights,
  type Model,
  type ModelTensors,
  modelVictim,
  type Normalization,
  networkNamed,
  onnxModel,
  parseArchitecture,
  recognizeModels,
  restoreModel,
  type Victim,
  writeArchitecture,
} from "@gradalign/robustness";
import { ConfigError } from "@gradalign/tensor";
import type { JudgedModel } from "../evaluation/record.ts";
import { isRunFolder } from "../folder/node-run.ts";
import { type ModelFile, modelFile, ofFile } from "./node-model-file.ts";
import { loadSavedModel, modelOfSnapshot, type SavedModel, type Which } from "./node-saved-model.ts";

/** What is said of a model besides where it is. */
export interface OpenOptions {
  /** The network of a file of weights, e.g. `wide-resnet:depth=28,widen=10`; options left out are the file's. Unless set, the one its tensors fit. */
  readonly arch?: string | undefined;
  /** Of a PyTorch file with several models: the key of one, e.g. `best`. */
  readonly part?: string | undefined;
  /** Of a run: which checkpoint; the last unless set. */
  readonly which?: Which | undefined;
  /** An image's shape [C, H, W]; what the file says unless set, and 32 x 32 where it does not. */
  readonly shape?: readonly [number, number, number] | undefined;
  /** Per channel, or one number for all: x becomes (x - mean) / std first. Unless set, what the file holds. */
  readonly mean?: readonly number[] | undefined;
  readonly std?: readonly number[] | undefined;
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
  const { normalization, notes } = chosenNormalization(opened, options, shape[0]);
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
  const described = describedModel(weights.metadata);
  const { model, notes } = networkOf(weights.tensors, described, options);
  const { params, state, normalization = described?.normalization, unused } = loadWeights(model, weights.tensors);
  const format = weights.format === "safetensors" ? "safetensors" : "pytorch";
  return { model, params, state, format, sha256: file.sha256(), normalization, notes: [...notes, ...notesOf(weights, unused)] };
}

/** The network that was asked for, else the one that the file names, else the only one that its tensors fit. */
function networkOf(
  tensors: ReadonlyMap<string, FileTensor>,
  described: DescribedModel | undefined,
  { arch, shape }: OpenOptions,
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

/** What of the file was not used, or is not as it was. */
function notesOf({ wrappers, prefixes, others, tensors }: WeightsFile, unused: readonly string[]): string[] {
  const aside = Object.entries(others).map(([name, kind]) => `${name} (${kind})`);
  const spare = unused.filter((name) => !name.endsWith("num_batches_tracked"));
  const narrow = new Set([...tensors.values()].flatMap(({ dtype }) => (/^(b?float16|float64|float8.*)$/.test(dtype) ? [dtype] : [])));
  return [
    wrappers.length > 0 ? `the weights are those under ${wrappers.join(" › ")}${aside.length > 0 ? `; not used: ${some(aside)}` : ""}` : "",
    prefixes.length > 0 ? `taken off names: ${prefixes.join(", ")}` : "",
    spare.length > 0 ? `no forward pass uses ${spare.length} of the tensors: ${some(spare)}` : "",
    narrow.size > 0 ? `stored as ${[...narrow].join(", ")}, computed with in float32` : "",
  ].filter((note) => note !== "");
}

function chosenNormalization(
  { normalization: found, format }: Opened,
  { mean, std }: OpenOptions,
  channels: number,
): { readonly normalization: Normalization | null; readonly notes: readonly string[] } {
  const each = (list: readonly number[]): readonly number[] => (list.length === 1 ? Array.from({ length: channels }, () => list[0] as number) : list);
  const words = ({ mean, std }: Normalization): string => `mean ${mean.map(short).join(", ")}, std ${std.map(short).join(", ")}`;
  if (mean || std) {
    const given = { mean: each(mean ?? [0]), std: each(std ?? [1]) };
    return { normalization: given, notes: found ? [`normalised with what was given, not with the file's ${words(found)}`] : [] };
  }
  if (found) {
    const own = { mean: each(found.mean), std: each(found.std) };
    return { normalization: own, notes: [`images are normalised with the file's ${words(own)}`] };
  }
  if (found === null) return { normalization: null, notes: [] };
  const where = format === "onnx" ? "outside the graph" : "the file has no mean and std";
  return { normalization: null, notes: [`images are not normalised (${where}); if its own code normalises them, give --mean and --std`] };
}

/** A number as short as float32 tells it from others. */
function short(value: number): string {
  return String(Number(value.toPrecision(7)));
}

function namedOptions(model: Model): Readonly<Record<string, unknown>> {
  const { name, options } = architectureOf(model);
  return { name, ...options };
}

function some(names: readonly string[]): string {
  const first = names.slice(0, 4);
  return names.length > first.length ? `${first.join(", ")} and ${names.length - first.length} more` : first.join(", ");
}
