/**
 * @file The safetensors format: named tensors in one byte string, readable from Python, Rust and JavaScript.
 *
 * Layout: header length as little-endian u64; a JSON header that gives each tensor's dtype, shape and byte range; the bytes,
 * little-endian, without gaps. https://github.com/huggingface/safetensors#format
 * The decoder trusts nothing: it either returns exactly what the file says or throws.
 */
import { CheckpointError } from "@gradalign/tensor";
import { clipped, parseJson, shown } from "./json.ts";
import { LIMITS } from "./limits.ts";

/** Element types of stored tensors; `bool` is one byte, 0 or 1. */
export type StoredDType = "float32" | "int32" | "int64" | "uint8" | "bool";

/** Arrays that hold stored elements. */
export type StoredArray = Float32Array | Int32Array | BigInt64Array | Uint8Array;

/** One stored tensor: dense, row-major. */
export interface StoredTensor {
  readonly dtype: StoredDType;
  readonly shape: readonly number[];
  readonly data: StoredArray;
}

/** What {@link decodeSafetensors} returns. */
export interface Safetensors {
  readonly tensors: Map<string, StoredTensor>;
  /** The free-form `__metadata__` strings. */
  readonly metadata: Record<string, string>;
}

const METADATA = "__metadata__";

const FORMATS = {
  float32: { tag: "F32", array: Float32Array },
  int32: { tag: "I32", array: Int32Array },
  int64: { tag: "I64", array: BigInt64Array },
  uint8: { tag: "U8", array: Uint8Array },
  bool: { tag: "BOOL", array: Uint8Array },
} as const;
const DTYPE_OF_TAG: ReadonlyMap<string, StoredDType> = new Map(Object.entries(FORMATS).map(([dtype, { tag }]) => [tag, dtype as StoredDType]));

/**
 * Writes tensors as one safetensors byte string.
 *
 * Tensors are laid out widest element first, then by name, so every one of them is aligned and equal content gives equal bytes.
 * @throws CheckpointError when a tensor's data do not fit its dtype and shape, or a name is reserved.
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, StoredTensor> | Readonly<Record<string, StoredTensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const entries = [...(tensors instanceof Map ? tensors : new Map(Object.entries(tensors)))] as [string, StoredTensor][];
  for (const [name, tensor] of entries) checkTensor(name, tensor);
  entries.sort(([a, x], [b, y]) => y.data.BYTES_PER_ELEMENT - x.data.BYTES_PER_ELEMENT || (a < b ? -1 : 1));

  const fields: string[] = [];
  const labels = Object.entries(metadata);
  for (const [key, value] of labels) {
    if (typeof value !== "string") throw new CheckpointError(`encodeSafetensors: metadata "${key}" must be a string, got ${typeof value}`);
  }
  if (labels.length > 0) fields.push(`${JSON.stringify(METADATA)}:${JSON.stringify(metadata)}`);
  let offset = 0;
  for (const [name, { dtype, shape, data }] of entries) {
    const end = offset + data.byteLength;
    fields.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype: FORMATS[dtype].tag, shape, data_offsets: [offset, end] })}`);
    offset = end;
  }
  let header = new TextEncoder().encode(`{${fields.join(",")}}`);
  const padding = -header.length & 7;
  if (padding > 0) header = new TextEncoder().encode(`{${fields.join(",")}}${" ".repeat(padding)}`);

  const file = new Uint8Array(8 + header.length + offset);
  new DataView(file.buffer).setBigUint64(0, BigInt(header.length), true);
  file.set(header, 8);
  let position = 8 + header.length;
  for (const [, { data }] of entries) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), position);
    position += data.byteLength;
  }
  return file;
}

/**
 * Reads a safetensors byte string; the returned arrays are copies.
 *
 * @throws CheckpointError saying what is wrong with the file.
 */
export function decodeSafetensors(bytes: Uint8Array): Safetensors {
  if (bytes.length < 8) throw invalid(`${bytes.length} bytes are too few for the header's length`);
  const declared = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  if (declared > BigInt(LIMITS.safetensorsHeader)) {
    throw invalid(`the header's length (=${declared}) is above the limit of ${LIMITS.safetensorsHeader} bytes`);
  }
  const headerLength = Number(declared);
  if (8 + headerLength > bytes.length) throw invalid(`the header needs ${headerLength} bytes but only ${bytes.length - 8} follow its length`);
  const { tensors, metadata } = parseHeader(bytes.subarray(8, 8 + headerLength));

  // Not `bytes.subarray`: the slices of a Node Buffer are views, and these must be copies.
  const body = new Uint8Array(bytes.buffer, bytes.byteOffset + 8 + headerLength, bytes.length - 8 - headerLength);
  const byOffset = [...tensors].sort(([, a], [, b]) => a.start - b.start || a.end - b.end);
  let covered = 0;
  for (const [name, { start, end }] of byOffset) {
    if (start < covered) throw invalid(`the bytes of ${shown(name)} [${start}, ${end}) overlap another tensor's, which end at ${covered}`);
    if (start > covered) throw invalid(`bytes [${covered}, ${start}) before ${shown(name)} belong to no tensor`);
    covered = end;
  }
  if (covered !== body.length) throw invalid(`the tensors need ${covered} bytes after the header, the file has ${body.length}`);

  const decoded = new Map<string, StoredTensor>();
  for (const [name, { dtype, shape, start, end }] of tensors) {
    const copy = body.slice(start, end);
    if (dtype === "bool" && copy.some((byte) => byte > 1)) throw invalid(`${shown(name)} is BOOL but has bytes other than 0 and 1`);
    const { array } = FORMATS[dtype];
    decoded.set(name, { dtype, shape, data: new array(copy.buffer) });
  }
  return { tensors: decoded, metadata };
}

/** A tensor's header entry, checked on its own. */
interface HeaderEntry {
  readonly dtype: StoredDType;
  readonly shape: readonly number[];
  readonly start: number;
  readonly end: number;
}

function parseHeader(bytes: Uint8Array): { tensors: Map<string, HeaderEntry>; metadata: Record<string, string> } {
  if (bytes[0] !== 0x7b) throw invalid("the header must begin with {");
  let header: unknown;
  try {
    header = parseJson(bytes);
  } catch (error) {
    throw invalid(`the header ${(error as Error).message}`, error);
  }
  if (!isRecord(header)) throw invalid("the header must be an object");
  const tensors = new Map<string, HeaderEntry>();
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(header)) {
    if (name === METADATA) metadata = parseMetadata(value);
    else tensors.set(name, parseEntry(name, value));
  }
  return { tensors, metadata };
}

function parseMetadata(value: unknown): Record<string, string> {
  if (!isRecord(value)) throw invalid(`${METADATA} must be an object`);
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== "string") throw invalid(`${METADATA} ${shown(key)} must be a string`);
  }
  return value as Record<string, string>;
}

function parseEntry(name: string, value: unknown): HeaderEntry {
  if (!isRecord(value)) throw invalid(`the entry of ${shown(name)} must be an object`);
  const keys = Object.keys(value).sort().join(", ");
  if (keys !== "data_offsets, dtype, shape")
    throw invalid(`the entry of ${shown(name)} must have data_offsets, dtype and shape, got ${clipped(keys) || "nothing"}`);
  const { dtype: tag, shape, data_offsets: offsets } = value;
  const dtype = typeof tag === "string" ? DTYPE_OF_TAG.get(tag) : undefined;
  if (dtype === undefined) throw invalid(`${shown(name)} has dtype ${shown(tag)}, expected one of ${[...DTYPE_OF_TAG.keys()].join(", ")}`);
  if (!isSizes(shape)) throw invalid(`${shown(name)} has shape ${shown(shape)}, expected a list of sizes`);
  if (!isSizes(offsets) || offsets.length !== 2) throw invalid(`${shown(name)} has data_offsets ${shown(offsets)}, expected [start, end]`);
  const [start, end] = offsets as [number, number];
  if (shape.length > LIMITS.axes) throw invalid(`${shown(name)} has ${shape.length} axes, more than the limit of ${LIMITS.axes}`);
  const size = elements(shape) * FORMATS[dtype].array.BYTES_PER_ELEMENT;
  if (end - start !== size)
    throw invalid(`${shown(name)} is ${tag} [${shape.join(", ")}] = ${size} bytes, but its data_offsets [${start}, ${end}) span ${end - start}`);
  return { dtype, shape, start, end };
}

function checkTensor(name: string, { dtype, shape, data }: StoredTensor): void {
  const what = `encodeSafetensors: tensor ${shown(name)}`;
  if (name === METADATA) throw new CheckpointError(`${what}: this name is reserved; rename the tensor`);
  const format = Object.hasOwn(FORMATS, dtype) ? FORMATS[dtype] : undefined;
  if (format === undefined) throw new CheckpointError(`${what} has dtype ${String(dtype)}, expected one of ${Object.keys(FORMATS).join(", ")}`);
  if (!isSizes(shape)) throw new CheckpointError(`${what} has shape ${shown(shape)}, expected a list of sizes`);
  if (!(data instanceof format.array)) throw new CheckpointError(`${what} has dtype ${dtype}, so its data must be a ${format.array.name}`);
  if (data.length !== elements(shape)) {
    throw new CheckpointError(`${what} has shape [${shape.join(", ")}] = ${elements(shape)} elements, but its data have ${data.length}`);
  }
}

function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(reason: string, cause?: unknown): CheckpointError {
  return new CheckpointError(`not a valid safetensors file: ${reason}`, cause === undefined ? {} : { cause });
}
