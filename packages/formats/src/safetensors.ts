/**
 * @file The safetensors format: named tensors in one byte string, readable from Python, Rust and JavaScript.
 *
 * Layout: header length as little-endian u64; a JSON header that gives each tensor's dtype, shape and byte range; the bytes,
 * little-endian, without gaps. https://github.com/huggingface/safetensors#format
 * The decoder trusts nothing: it either returns exactly what the file says or throws.
 */
import { FormatError } from "./errors.ts";
import { clipped, parseJson, shown } from "./json.ts";
import { LIMITS } from "./limits.ts";
import { type ByteSource, sourceOf } from "./source.ts";
import { elementBytes, elementCount, type FileTensor, isSizes, STORED_ARRAYS, type StoredDType, type StoredTensor, tensorOfBytes } from "./tensor.ts";

/** What {@link decodeSafetensors} returns. */
export interface Safetensors {
  readonly tensors: Map<string, StoredTensor>;
  /** The free-form `__metadata__` strings. */
  readonly metadata: Record<string, string>;
}

const METADATA = "__metadata__";

const TAGS: Readonly<Record<StoredDType, string>> = {
  float64: "F64",
  float32: "F32",
  float16: "F16",
  bfloat16: "BF16",
  float8_e4m3fn: "F8_E4M3",
  float8_e5m2: "F8_E5M2",
  int64: "I64",
  int32: "I32",
  int16: "I16",
  int8: "I8",
  uint64: "U64",
  uint32: "U32",
  uint16: "U16",
  uint8: "U8",
  bool: "BOOL",
};
const DTYPE_OF_TAG: ReadonlyMap<string, StoredDType> = new Map(Object.entries(TAGS).map(([dtype, tag]) => [tag, dtype as StoredDType]));

/**
 * Writes tensors as one safetensors byte string.
 *
 * Tensors are laid out widest element first, then by name, so every one of them is aligned and equal content gives equal bytes.
 * @throws FormatError when a tensor's data do not fit its dtype and shape, or a name is reserved.
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
    if (typeof value !== "string") throw unwritable(`encodeSafetensors: metadata "${key}" must be a string, got ${typeof value}`);
  }
  if (labels.length > 0) fields.push(`${JSON.stringify(METADATA)}:${JSON.stringify(metadata)}`);
  let offset = 0;
  for (const [name, { dtype, shape, data }] of entries) {
    const end = offset + data.byteLength;
    fields.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype: TAGS[dtype], shape, data_offsets: [offset, end] })}`);
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

/** A safetensors file whose tensors are read when they are asked for. */
export interface SafetensorsFile {
  readonly tensors: Map<string, FileTensor>;
  readonly metadata: Record<string, string>;
}

/**
 * Reads a safetensors byte string; the returned arrays are copies.
 *
 * @throws FormatError saying what is wrong with the file.
 */
export function decodeSafetensors(bytes: Uint8Array): Safetensors {
  const { tensors, metadata } = readSafetensors(bytes);
  return { tensors: new Map([...tensors].map(([name, tensor]) => [name, tensor.read()])), metadata };
}

/**
 * Reads the header of a safetensors file, which says where everything else is.
 *
 * @throws FormatError saying what is wrong with the file.
 */
export function readSafetensors(input: Uint8Array | ByteSource): SafetensorsFile {
  const source = sourceOf(input);
  if (source.size < 8) throw invalid(`${source.size} bytes are too few for the header's length`, "truncated");
  const start = source.read(0, 8);
  const declared = new DataView(start.buffer, start.byteOffset, 8).getBigUint64(0, true);
  if (declared > BigInt(LIMITS.safetensorsHeader)) {
    throw invalid(`the header's length (=${declared}) is above the limit of ${LIMITS.safetensorsHeader} bytes`, "too-large");
  }
  const headerEnd = 8 + Number(declared);
  if (headerEnd > source.size) throw invalid(`the header needs ${declared} bytes but only ${source.size - 8} follow its length`, "truncated");
  const { tensors, metadata } = parseHeader(source.read(8, headerEnd));

  const bodySize = source.size - headerEnd;
  const byOffset = [...tensors].sort(([, a], [, b]) => a.start - b.start || a.end - b.end);
  let covered = 0;
  for (const [name, { start, end }] of byOffset) {
    if (start < covered) throw invalid(`the bytes of ${shown(name)} [${start}, ${end}) overlap another tensor's, which end at ${covered}`);
    if (start > covered) throw invalid(`bytes [${covered}, ${start}) before ${shown(name)} belong to no tensor`);
    covered = end;
  }
  if (covered !== bodySize)
    throw invalid(`the tensors need ${covered} bytes after the header, the file has ${bodySize}`, covered > bodySize ? "truncated" : "damaged");

  const lazy = [...tensors].map(([name, { dtype, shape, start, end }]) => {
    const read = (): StoredTensor => {
      try {
        return tensorOfBytes(name, dtype, shape, source.read(headerEnd + start, headerEnd + end));
      } catch (error) {
        throw invalid((error as Error).message);
      }
    };
    return [name, { dtype, shape, read }] as const;
  });
  return { tensors: new Map(lazy), metadata };
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
    throw invalid(`the header ${(error as Error).message}`, "damaged", error);
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
  const size = elementCount(shape) * elementBytes(dtype);
  if (end - start !== size)
    throw invalid(`${shown(name)} is ${tag} [${shape.join(", ")}] = ${size} bytes, but its data_offsets [${start}, ${end}) span ${end - start}`);
  return { dtype, shape, start, end };
}

function checkTensor(name: string, { dtype, shape, data }: StoredTensor): void {
  const what = `encodeSafetensors: tensor ${shown(name)}`;
  if (name === METADATA) throw unwritable(`${what}: this name is reserved; rename the tensor`);
  const array = Object.hasOwn(STORED_ARRAYS, dtype) ? STORED_ARRAYS[dtype] : undefined;
  if (array === undefined) throw unwritable(`${what} has dtype ${String(dtype)}, expected one of ${Object.keys(STORED_ARRAYS).join(", ")}`);
  if (!isSizes(shape)) throw unwritable(`${what} has shape ${shown(shape)}, expected a list of sizes`);
  if (!(data instanceof array)) throw unwritable(`${what} has dtype ${dtype}, so its data must be a ${array.name}`);
  if (data.length !== elementCount(shape)) {
    throw unwritable(`${what} has shape [${shape.join(", ")}] = ${elementCount(shape)} elements, but its data have ${data.length}`);
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(reason: string, problem: "damaged" | "truncated" | "too-large" = "damaged", cause?: unknown): FormatError {
  return new FormatError(problem, `not a valid safetensors file: ${reason}`, cause === undefined ? {} : { cause });
}

function unwritable(message: string): FormatError {
  return new FormatError("unsupported", message);
}
