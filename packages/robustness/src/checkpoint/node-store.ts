/**
 * @file Checkpoints in a folder, safe against being killed at any moment.
 *
 * Saving `last` at step 390 first writes `last-000390-<digest>.safetensors`, then copies `last.json` to `last.previous.json`, then
 * replaces `last.json`, each by an atomic rename; only then are tensor files deleted that neither manifest names. A tensor
 * file's name holds the start of its digest, so it is never overwritten with other content and a manifest never points at
 * tensors of another save. Everything is synchronous: a save happens between two training steps, with nothing else to do.
 */

import { createHash } from "node:crypto";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { makeFolder, removeLeftovers, writeFileAtomic } from "../files/node-atomic-file.ts";
import { readIfThere } from "../files/node-read.ts";
import {
  type CheckpointManifest,
  checkName,
  decodeManifest,
  decodeTensors,
  describeModel,
  encodeCheckpoint,
  type LoadedCheckpoint,
  type ModelIdentity,
  type RefusedCheckpoint,
  type SaveCheckpointOptions,
  sameModel,
} from "./checkpoint.ts";
import { CheckpointError } from "./errors.ts";

/** Conditions on what is loaded. */
export interface LoadCheckpointOptions {
  /** Refuse tensors of any other model. */
  readonly expectModel?: ModelIdentity | undefined;
  /** A reason to refuse a checkpoint that is whole, if there is one: what it needs besides its own files is not there. */
  readonly refuse?: ((manifest: CheckpointManifest) => string | undefined) | undefined;
  /** Called for each file that is passed over; they are also listed in the result. */
  readonly onRefused?: ((refused: RefusedCheckpoint) => void) | undefined;
}

/** A reader may meet a writer that deletes old files; it then looks again, this many times. */
const MAX_LOOKS = 5;

/**
 * Saves a checkpoint, keeping the one before it as `<name>.previous.json`. Blocks until it is on the disk.
 *
 * @throws ConfigError for an unusable name, iteration or epoch; CheckpointError when the files cannot be written.
 */
export function saveCheckpoint(folder: string, options: SaveCheckpointOptions): CheckpointManifest {
  const { name } = options;
  const { manifest, manifestFile, tensorFile } = encodeCheckpoint(options, sha256);
  try {
    makeFolder(folder);
    writeFileAtomic(join(folder, manifest.tensors), tensorFile);
    keepPrevious(folder, name);
    writeFileAtomic(join(folder, `${name}.json`), manifestFile);
    removeUnused(folder, name);
  } catch (error) {
    throw new CheckpointError(`saveCheckpoint: cannot save ${name} in ${folder}: ${(error as Error).message}`, { cause: error });
  }
  return manifest;
}

/**
 * Loads the newest checkpoint of that name which is whole and, if asked, of the expected model.
 *
 * @throws CheckpointError listing every file and why it was refused, when none can be used.
 */
export function loadCheckpoint(folder: string, name: string, options: LoadCheckpointOptions = {}): LoadedCheckpoint {
  checkName(name);
  const refused: RefusedCheckpoint[] = [];
  for (const file of [join(folder, `${name}.json`), join(folder, `${name}.previous.json`)]) {
    const result = readPair(folder, file, options);
    // One checkpoint was saved so far: there was none before it.
    if (result === undefined && refused.length > 0) continue;
    if (result !== undefined && typeof result !== "string") return { ...result, file, refused };
    const reason = result ?? "does not exist";
    refused.push({ file, reason });
    options.onRefused?.({ file, reason });
  }
  const list = refused.map(({ file, reason }) => `${file}: ${reason}`).join("; ");
  throw new CheckpointError(`loadCheckpoint: no usable checkpoint "${name}" in ${folder} (${list}); save one there first, or name another folder`);
}

/**
 * The newest manifests of these names, without looking at their tensors.
 *
 * @returns one per name that has a whole one; with every file that was passed over, but for those that are not there, and why.
 */
export function readManifests(folder: string, names: readonly string[]): { manifests: CheckpointManifest[]; refused: RefusedCheckpoint[] } {
  const refused: RefusedCheckpoint[] = [];
  const manifests = names.flatMap((name) => {
    checkName(name);
    for (const file of [join(folder, `${name}.json`), join(folder, `${name}.previous.json`)]) {
      const bytes = readIfThere(file);
      if (bytes === undefined) continue;
      try {
        return [decodeManifest(bytes)];
      } catch (error) {
        refused.push({ file, reason: (error as Error).message });
      }
    }
    return [];
  });
  return { manifests, refused };
}

/** The checkpoint a manifest file describes, or the reason to refuse it; undefined where there is no such file. */
function readPair(
  folder: string,
  file: string,
  { expectModel, refuse }: LoadCheckpointOptions,
): Pick<LoadedCheckpoint, "manifest" | "tensors"> | string | undefined {
  let reason = "";
  for (let look = 0; look < MAX_LOOKS; look++) {
    const bytes = readIfThere(file);
    if (bytes === undefined) return undefined;
    let manifest: CheckpointManifest;
    try {
      manifest = decodeManifest(bytes);
    } catch (error) {
      return (error as Error).message;
    }
    if (expectModel && !sameModel(manifest.model, expectModel)) {
      return `holds the model ${describeModel(manifest.model)}, expected ${describeModel(expectModel)}`;
    }
    const problem = refuse?.(manifest);
    if (problem !== undefined) return problem;
    const content = readIfThere(join(folder, manifest.tensors));
    if (content === undefined) {
      reason = `its tensor file ${manifest.tensors} does not exist`;
      // Unchanged manifest: the file is really lost, not just replaced while we were reading.
      if (readIfThere(file)?.equals(bytes)) return reason;
      continue;
    }
    const tensors = decodeTensors(manifest, content, sha256);
    return typeof tensors === "string" ? tensors : { manifest, tensors };
  }
  return reason;
}

/** Copies the current manifest to the previous one's place, unless its checkpoint is damaged: then the previous one is worth more. */
function keepPrevious(folder: string, name: string): void {
  const file = join(folder, `${name}.json`);
  const current = readIfThere(file);
  const pair = readPair(folder, file, {});
  if (current === undefined || pair === undefined || typeof pair === "string") return;
  writeFileAtomic(join(folder, `${name}.previous.json`), current);
}

/** Deletes this name's tensor files that no manifest names, and what stopped saves left. */
function removeUnused(folder: string, name: string): void {
  const used = new Set<string>();
  for (const file of [`${name}.json`, `${name}.previous.json`]) {
    const bytes = readIfThere(join(folder, file));
    if (bytes === undefined) continue;
    try {
      used.add(decodeManifest(bytes).tensors);
    } catch {
      // A damaged manifest keeps no file alive.
    }
  }
  const isTensors = new RegExp(`^${name}-\\d{6,}-[0-9a-f]{12}\\.safetensors$`);
  for (const file of readdirSync(folder)) if (isTensors.test(file) && !used.has(file)) rmSync(join(folder, file), { force: true });
  removeLeftovers(folder);
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
