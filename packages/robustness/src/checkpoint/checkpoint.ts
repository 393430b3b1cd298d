/**
 * @file A checkpoint's manifest: which tensor file it belongs to, of which model, and how far training had come.
 *
 * A checkpoint is a manifest (JSON) and a tensor file (safetensors). The manifest carries the tensor file's SHA-256 and one of
 * itself, so neither a flipped bit nor a mixed-up pair goes unnoticed. Bytes only: where they lie is the caller's business.
 */

import { canonicalJson, decodeSafetensors, encodeSafetensors, type JsonObject, parseJson, type StoredTensor, sha256, shown } from "@gradalign/formats";
import { ConfigError } from "@gradalign/tensor";
import { CheckpointError } from "./errors.ts";

/** Which model the tensors belong to; both parts must match to load them. */
export interface ModelIdentity {
  readonly name: string;
  readonly config: JsonObject;
}

/** What a manifest says. */
export interface CheckpointManifest {
  readonly format: "gradalign-checkpoint";
  readonly version: 2;
  /** The tensor file's name in the manifest's folder. */
  readonly tensors: string;
  /** SHA-256 of the tensor file, lower-case hex. */
  readonly sha256: string;
  /** Length of the tensor file. */
  readonly bytes: number;
  readonly model: ModelIdentity;
  /** Optimizer steps done. */
  readonly iteration: number;
  /** Epochs done; may be fractional. */
  readonly epoch: number;
  /** Whatever else the run wants back: settings, random state, metrics. */
  readonly run: JsonObject;
}

/** A file that was not used, and why. */
export interface RefusedCheckpoint {
  readonly file: string;
  readonly reason: string;
}

/** A checkpoint that passed every check. */
export interface LoadedCheckpoint {
  readonly manifest: CheckpointManifest;
  readonly tensors: Map<string, StoredTensor>;
  /** Path of the manifest the checkpoint was loaded from. */
  readonly file: string;
  /** Newer files that were passed over. */
  readonly refused: readonly RefusedCheckpoint[];
}

/** What is saved. */
export interface SaveCheckpointOptions {
  /** `last`, `best`, or any other name of letters, digits and underscores. */
  readonly name: string;
  readonly model: ModelIdentity;
  readonly tensors: ReadonlyMap<string, StoredTensor> | Readonly<Record<string, StoredTensor>>;
  /** Optimizer steps done. */
  readonly iteration: number;
  /** Epochs done. */
  readonly epoch: number;
  /** Anything JSON can hold; NaN and infinities become null. */
  readonly run?: JsonObject;
}

/** A checkpoint's two files. */
export interface EncodedCheckpoint {
  readonly manifest: CheckpointManifest;
  /** `NAME.json`. */
  readonly manifestFile: Uint8Array;
  /** The file that the manifest names. */
  readonly tensorFile: Uint8Array;
}

/** Hex SHA-256 of a file of tensors, which may be large: Node hashes faster. */
export type Digest = (bytes: Uint8Array) => string;

/**
 * A checkpoint as its two files.
 *
 * @throws ConfigError for an unusable name, iteration or epoch.
 */
export function encodeCheckpoint({ name, model, tensors, iteration, epoch, run = {} }: SaveCheckpointOptions, digest: Digest = sha256): EncodedCheckpoint {
  checkName(name);
  if (!Number.isSafeInteger(iteration) || iteration < 0) throw new ConfigError(`saveCheckpoint: iteration (=${iteration}) must be a non-negative integer`);
  if (!Number.isFinite(epoch) || epoch < 0) throw new ConfigError(`saveCheckpoint: epoch (=${epoch}) must be a non-negative number`);
  const tensorFile = encodeSafetensors(tensors, { format: "pt", "gradalign.model": describeModel(model), "gradalign.iteration": String(iteration) });
  const sum = digest(tensorFile);
  const manifest: CheckpointManifest = {
    format: "gradalign-checkpoint",
    version: 2,
    tensors: `${name}-${String(iteration).padStart(6, "0")}-${sum.slice(0, 12)}.safetensors`,
    sha256: sum,
    bytes: tensorFile.length,
    model,
    iteration,
    epoch,
    run,
  };
  return { manifest, manifestFile: encodeManifest(manifest), tensorFile };
}

/** The tensors of a checkpoint, or the reason to refuse its file of them. */
export function decodeTensors(
  { tensors, bytes, sha256: expected }: CheckpointManifest,
  content: Uint8Array,
  digest: Digest = sha256,
): Map<string, StoredTensor> | string {
  if (content.length !== bytes) return `its tensor file ${tensors} has ${content.length} bytes, expected ${bytes}`;
  const found = digest(content);
  if (found !== expected) return `its tensor file ${tensors} is altered: sha256 is ${found}, expected ${expected}`;
  try {
    return decodeSafetensors(content).tensors;
  } catch (error) {
    return `its tensor file ${tensors} is ${(error as Error).message}`;
  }
}

/**
 * Checks a checkpoint's name.
 *
 * @throws ConfigError when it is none.
 */
export function checkName(name: string): void {
  if (!/^[A-Za-z0-9_]+$/.test(name)) throw new ConfigError(`checkpoint name "${name}" must consist of letters, digits and underscores, e.g. last or best`);
}

/** Writes a manifest as readable JSON that ends in its own checksum. */
export function encodeManifest(manifest: CheckpointManifest): Uint8Array {
  // What a reader will parse is what must be summed: dates, say, are strings by then.
  const body = JSON.parse(JSON.stringify(manifest)) as object;
  return new TextEncoder().encode(`${JSON.stringify({ ...body, checksum: checksumOf(body) }, undefined, 2)}\n`);
}

/**
 * Reads a manifest.
 *
 * @throws CheckpointError with the bare reason, for the caller to put the file's name before.
 */
export function decodeManifest(bytes: Uint8Array): CheckpointManifest {
  let value: Record<string, unknown>;
  try {
    value = parseJson(bytes) as Record<string, unknown>;
  } catch (error) {
    throw new CheckpointError((error as Error).message.replace(/^is /, ""), { cause: error });
  }
  if (typeof value !== "object" || value === null || value.format !== "gradalign-checkpoint") throw new CheckpointError("not a gradalign checkpoint");
  if (value.version !== 2) {
    throw new CheckpointError(`has format version ${shown(value.version)}, this program reads version 2; use the version that wrote it, or start a new run`);
  }
  const { checksum, ...body } = value;
  const found = checksumOf(body);
  if (checksum !== found) throw new CheckpointError(`altered: its checksum is ${shown(checksum)}, its content gives "${found}"`);
  const manifest = body as unknown as CheckpointManifest;
  checkManifest(manifest);
  return manifest;
}

/** Whether two identities are the same model: equal name and equal config, whatever the order of its keys. */
export function sameModel(a: ModelIdentity, b: ModelIdentity): boolean {
  return a.name === b.name && canonicalJson(a.config) === canonicalJson(b.config);
}

/** A model's identity as shown in messages, e.g. `preact-resnet18 {"classes":10}`. */
export function describeModel(model: ModelIdentity): string {
  return `${model.name} ${canonicalJson(model.config)}`;
}

/** A right checksum over wrong content means another program wrote the file; loading it would still go wrong later. */
function checkManifest(manifest: CheckpointManifest): void {
  const { tensors, sha256, bytes, model, iteration, epoch, run } = manifest;
  const isObject = (value: unknown) => typeof value === "object" && value !== null && !Array.isArray(value);
  const rules: [boolean, string][] = [
    // A path could lead out of the folder.
    [typeof tensors === "string" && /^[A-Za-z0-9_-][A-Za-z0-9_.-]*$/.test(tensors), "tensors must be a plain file name"],
    [typeof sha256 === "string" && /^[0-9a-f]{64}$/.test(sha256), "sha256 must be 64 hex digits"],
    [Number.isSafeInteger(bytes) && bytes >= 0, "bytes must be a file length"],
    [isObject(model) && typeof model.name === "string" && isObject(model.config), "model must have a name and a config"],
    [Number.isSafeInteger(iteration) && iteration >= 0, "iteration must be a non-negative integer"],
    [Number.isFinite(epoch) && epoch >= 0, "epoch must be a non-negative number"],
    [isObject(run), "run must be an object"],
  ];
  for (const [holds, rule] of rules) if (!holds) throw new CheckpointError(`invalid manifest: ${rule}`);
}

function checksumOf(body: object): string {
  return `sha256:${sha256(canonicalJson(body))}`;
}
