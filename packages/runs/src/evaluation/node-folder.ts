/**
 * @file An evaluation's folder. `identity.json` says what is evaluated and is written before anything is computed. While attacks go on,
 * `parts.jsonl` gets a line after every batch, and `adversarials.bin` the images that it broke, float32 one after another. In the end there are
 * `evaluation.json`, the record, and `adversarials.safetensors`, and the parts are gone.
 *
 * Each line of the parts has a checksum over all lines up to it. What a kill cut off counts as never written: its batch is attacked again.
 */
import { createHash } from "node:crypto";
import { closeSync, existsSync, fsyncSync, openSync, readdirSync, rmSync, truncateSync, writeSync } from "node:fs";
import { join } from "node:path";
import { type AttackRecord, type ImageOutcome, type ImageRecord, parseJsonLines } from "@gradalign/robustness";
import { type Lock, type LockOptions, makeFolder, onFile, readIfThere, readJson, removeLeftovers, withLock, writeFileAtomic } from "@gradalign/robustness/node";
import { ConfigError, DataError } from "@gradalign/tensor";
import { adversarialsFile, type BrokenImage } from "./adversarials.ts";
import { differences, digestOf, idOf } from "./identity.ts";
import { sealed, type UnsealedRecord } from "./make-record.ts";
import { identityForm, partForm, recordForm } from "./node-forms.ts";
import { type EvaluationIdentity, type EvaluationRecord, identityOfRecord } from "./record.ts";

const IDENTITY = "identity.json";
const PARTS = "parts.jsonl";
const PIXELS = "adversarials.bin";
const RECORD = "evaluation.json";
/** The images that were broken, in a finished evaluation's folder. */
export const ADVERSARIALS = "adversarials.safetensors";
const LOCK = "evaluation.lock";
const REMEDY = "restore it, or delete the folder and evaluate again";

/** An evaluation under way, whose folder is ours. */
export interface EvaluationLog {
  /** What was done before, in order. */
  readonly parts: readonly AttackRecord[];
  /** Notes a part; when this returns it is on the disk. */
  note(part: AttackRecord): void;
  /** Writes the record and the images that were broken, [C, H, W] each, in order; the parts go. */
  finish(record: UnsealedRecord, adversarials: readonly BrokenImage[]): EvaluationRecord;
}

/** How {@link withEvaluation} behaves. */
export interface EvaluationFolderOptions extends Omit<LockOptions, "what"> {
  readonly identity: EvaluationIdentity;
  /** An image's shape. */
  readonly shape: readonly number[];
  /** Goes on with one that was stopped; refuses it unless set. */
  readonly resume: boolean;
  /** How to go on, for messages: `add --resume`. */
  readonly remedy: string;
}

/** Whether a folder holds an evaluation, finished or not. */
export function isEvaluationFolder(folder: string): boolean {
  return existsSync(join(folder, IDENTITY)) || existsSync(join(folder, RECORD));
}

/**
 * The record of a finished evaluation.
 *
 * @throws DataError when it is of another form or contradicts itself; FileError when it cannot be read; ConfigError when there is none.
 */
export function readEvaluation(folder: string): EvaluationRecord {
  const file = join(folder, RECORD);
  if (!existsSync(file)) {
    const state = existsSync(join(folder, IDENTITY))
      ? "the evaluation there is not finished; go on with gradalign eval and --resume"
      : "no evaluation is there";
    throw new ConfigError(`"${folder}" must be the folder of a finished evaluation; ${state}`);
  }
  const record: EvaluationRecord = readJson(file, recordForm, REMEDY);
  const { data, outcomes } = record;
  const right = (of: (outcome: ImageOutcome) => boolean): number => outcomes.filter(of).length / data.count;
  const wrong =
    (record.id !== idOf(identityOfRecord(record)) && "its id is not that of its settings") ||
    (outcomes.some(({ index }, i) => index !== data.first + i) || outcomes.length !== data.count ? "its outcomes are not its images'" : "") ||
    (record.cleanAccuracy !== right(({ clean }) => clean) || record.robustAccuracy !== right(({ robust }) => robust)
      ? "its accuracies are not its images'"
      : "") ||
    (record.digest !== digestOf(record) ? "it was altered: its digest is not that of its content" : "");
  if (wrong) throw new DataError(`${file}: ${wrong}; ${REMEDY}`);
  return record;
}

/**
 * Makes an evaluation's folder ours while `work` goes on. A folder that is made for it and into which nothing is written is removed again.
 *
 * @returns what `work` returns, or the record of an evaluation that is finished.
 * @throws ConfigError when another evaluation is there, naming what differs, or an unfinished one that is not to be resumed; DataError when
 * its files were altered; BusyError when another process is at it.
 */
export async function withEvaluation<Result>(
  folder: string,
  { identity, shape, resume, remedy, ...lockOptions }: EvaluationFolderOptions,
  work: (log: EvaluationLog) => Promise<Result>,
): Promise<Result | EvaluationRecord> {
  // What a kill left beside its record is removed under the lock.
  const known = existsSync(join(folder, PARTS)) ? undefined : knownRecord(folder, identity);
  if (known) return known;
  const remove = makeFolder(folder);
  try {
    return await withLock(join(folder, LOCK), { what: folder, ...lockOptions }, async (lock) => {
      removeLeftovers(folder);
      const finished = knownRecord(folder, identity);
      if (finished) {
        removeParts(folder);
        return finished;
      }
      begin(folder, identity, resume, remedy);
      return work(openLog(folder, identity, shape, lock));
    });
  } finally {
    remove();
  }
}

function knownRecord(folder: string, identity: EvaluationIdentity): EvaluationRecord | undefined {
  if (!existsSync(join(folder, RECORD))) return undefined;
  const record = readEvaluation(folder);
  requireSame(folder, identityOfRecord(record), identity);
  return record;
}

/** Writes down what is evaluated, or makes sure that it is what was begun. */
function begin(folder: string, identity: EvaluationIdentity, resume: boolean, remedy: string): void {
  const file = join(folder, IDENTITY);
  if (existsSync(file)) {
    requireSame(folder, readJson(file, identityForm, REMEDY), identity);
    if (!resume) throw new ConfigError(`the evaluation in ${folder} is not finished; ${remedy}`);
    return;
  }
  const others = readdirSync(folder).filter((name) => name !== LOCK && !name.endsWith(".tmp"));
  if (others.length > 0) throw new ConfigError(`"${folder}" must be empty or not there for an evaluation, it holds ${others.length} files; name another`);
  writeFileAtomic(file, `${JSON.stringify(identity, undefined, 2)}\n`);
}

function requireSame(folder: string, was: EvaluationIdentity, is: EvaluationIdentity): void {
  const found = differences(was, is);
  if (found.length === 0) return;
  const more = found.length > 3 ? `, and ${found.length - 3} more` : "";
  throw new ConfigError(`"${folder}" holds another evaluation: ${found.slice(0, 3).join("; ")}${more}; name another folder, or give it the same settings`);
}

function openLog(folder: string, identity: EvaluationIdentity, shape: readonly number[], lock: Lock): EvaluationLog {
  const [partsFile, pixelsFile] = [join(folder, PARTS), join(folder, PIXELS)];
  const pixels = shape.reduce((product, extent) => product * extent, 1);
  const { parts, bytes, sum } = readParts(partsFile, pixelsFile, identity, pixels);
  // What was cut off goes.
  for (const [file, kept] of [
    [partsFile, bytes.parts],
    [pixelsFile, bytes.pixels],
  ] as const) {
    if (existsSync(file)) onFile("write", file, () => truncateSync(file, kept));
  }
  let before = sum;
  return {
    parts,
    note(part) {
      lock.assertHeld();
      const chunk = bytesOf(part.images);
      const line = JSON.stringify(withoutPixels(part));
      const digest = sha256(chunk);
      before = sha256(before + line + digest);
      // A line relies on its pixels.
      if (chunk.length > 0) append(pixelsFile, chunk);
      append(partsFile, new TextEncoder().encode(`${HEAD}${line}${tailOf({ pixels: digest, sum: before })}\n`));
    },
    finish(record, broken) {
      lock.assertHeld();
      const file = adversarialsFile(broken, shape, record.id);
      const whole = sealed(record, sha256(file));
      writeFileAtomic(join(folder, ADVERSARIALS), file);
      writeFileAtomic(join(folder, RECORD), `${JSON.stringify(whole)}\n`);
      removeParts(folder);
      return whole;
    },
  };
}

/** The pixels first: without the parts' lines nobody looks for them. */
function removeParts(folder: string): void {
  for (const name of [PIXELS, PARTS]) rmSync(join(folder, name), { force: true });
}

/** The parts that are whole, how far they reach in both files, and the checksum they end with. */
function readParts(partsFile: string, pixelsFile: string, identity: EvaluationIdentity, pixels: number) {
  const text = readIfThere(partsFile)?.toString() ?? "";
  const content = readIfThere(pixelsFile) ?? Buffer.alloc(0);
  const { first, count } = identity.data;
  let sum = idOf(identity);
  let position = 0;
  const refuse = (line: number, reason: string): never => {
    throw new DataError(`${partsFile}, line ${line}: ${reason}; ${REMEDY}`);
  };
  const written = text.split("\n");
  const parts = parseJsonLines(text, partsFile, partForm, REMEDY).map(({ part, ...sums }, i): AttackRecord => {
    const length = part.images.filter(({ broken }) => broken).length * pixels * 4;
    const chunk = content.subarray(position, position + length);
    if (chunk.length < length || sha256(chunk) !== sums.pixels) refuse(i + 1, `the images in ${PIXELS} are not those that it noted`);
    sum = sha256(sum + (written[i] as string).slice(HEAD.length, -tailOf(sums).length) + sums.pixels);
    if (sum !== sums.sum) refuse(i + 1, "it was altered");
    if (part.images.some(({ index }) => index < first || index >= first + count)) refuse(i + 1, "it is about images that are not evaluated");
    let at = position;
    const images = part.images.map(({ broken, ...image }): ImageRecord => {
      if (!broken) return image;
      const adversarial = new Float32Array(content.buffer.slice(content.byteOffset + at, content.byteOffset + at + pixels * 4));
      at += pixels * 4;
      return { ...image, adversarial };
    });
    position += length;
    return { ...part, images };
  });
  return { parts, sum, bytes: { parts: Buffer.byteLength(text.slice(0, text.lastIndexOf("\n") + 1)), pixels: position } };
}

/** A line but for its part. */
const HEAD = '{"part":';
function tailOf({ pixels, sum }: { readonly pixels: string; readonly sum: string }): string {
  return `,"pixels":"${pixels}","sum":"${sum}"}`;
}

/** A part as its line has it. */
function withoutPixels(part: AttackRecord): object {
  return { ...part, images: part.images.map(({ adversarial, ...image }) => ({ ...image, broken: adversarial !== undefined })) };
}

function bytesOf(images: readonly ImageRecord[]): Uint8Array {
  const broken = images.flatMap(({ adversarial }) => (adversarial ? [adversarial] : []));
  const bytes = new Uint8Array(broken.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const { buffer, byteOffset, byteLength } of broken) {
    bytes.set(new Uint8Array(buffer, byteOffset, byteLength), at);
    at += byteLength;
  }
  return bytes;
}

/** Appends, and returns when the bytes are on the disk. */
function append(file: string, bytes: Uint8Array): void {
  onFile("write", file, () => {
    const descriptor = openSync(file, "a");
    try {
      for (let written = 0; written < bytes.length; ) written += writeSync(descriptor, bytes, written);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  });
}

function sha256(content: Uint8Array | string): string {
  return createHash("sha256").update(content).digest("hex");
}
