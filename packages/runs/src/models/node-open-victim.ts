/** @file Any saved model as a victim: a run folder or a checkpoint in one, PyTorch's .pth, safetensors, ONNX. */
import { existsSync, statSync } from "node:fs";
import { basename, dirname, extname, join, resolve } from "node:path";
import { ConfigError } from "@gradalign/tensor";
import { isRunFolder } from "../folder/node-run.ts";
import { modelFile, ofFile } from "./node-model-file.ts";
import { loadSavedModel, type SavedModel, type Which } from "./node-saved-model.ts";
import { type ModelOptions, type ModelVictim, victimOfFile, victimOfSnapshot } from "./open-model.ts";

/** What is said of a model besides where it is. */
export interface OpenOptions extends ModelOptions {
  /** Of a run: which checkpoint; the last unless set. */
  readonly which?: Which | undefined;
}

/** A model that can be attacked. */
export interface OpenedVictim extends ModelVictim {
  /** Of a run: its folder, settings and checkpoint. */
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
  if (file === undefined) return openSaved(path, options);
  if (options.which !== undefined) throw new ConfigError(`--which (=${options.which}) must be left out: ${file} is no run; --part names a part of a .pth file`);
  const { judged, ...opened } = await ofFile(file, () => victimOfFile(file, modelFile(file), options));
  return { ...opened, judged: { ...judged, file: basename(resolve(path)) } };
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

function openSaved(path: string, options: OpenOptions): OpenedVictim {
  for (const flag of ["arch", "part"] as const) {
    if (options[flag] !== undefined) throw new ConfigError(`--${flag} (="${options[flag]}") must be left out: ${path} is a run, which knows its network`);
  }
  const notes: string[] = [];
  const saved = loadSavedModel(path, options.which, (text) => notes.push(text));
  const { snapshot, which, folder } = saved;
  const opened = victimOfSnapshot(path, { which, snapshot, sha256: snapshot.sha256 }, { ...options, notes });
  return { ...opened, judged: { ...opened.judged, file: basename(resolve(folder)) }, saved };
}
