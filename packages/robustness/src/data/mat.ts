/**
 * @file MATLAB's MAT-file format, version 5, read as a stream: arrays of numbers, compressed or not.
 *
 * After a header of 128 bytes the file is a sequence of data elements: a tag of 8 bytes (type and length, or, in the small form,
 * both and up to 4 bytes of data), then the data. A matrix is an element that holds elements: flags, dimensions, name, numbers.
 * A compressed element is a zlib stream of one matrix element. MathWorks, "MAT-File Format" (2019), chapter 1.
 */

import { clipped } from "@gradalign/formats";
import { DataError } from "@gradalign/tensor";
import { LIMITS } from "../limits.ts";
import { type ByteReader, byteReader, inflated } from "./byte-reader.ts";

/** A matrix as it comes along: its data must be read to the end before the next matrix. */
export interface MatVariable {
  readonly name: string;
  /** Class of its elements, e.g. `uint8` or `double`. */
  readonly className: string;
  /** In MATLAB's order: the first index runs fastest. */
  readonly dims: readonly number[];
  /** How the numbers are stored, which may be narrower than their class. */
  readonly storage: Storage;
  /** The numbers' bytes, in pieces. */
  readonly data: AsyncIterable<Uint8Array>;
}

/** A way of storing numbers, little-endian. */
export interface Storage {
  readonly name: string;
  readonly bytes: number;
  read(view: DataView, offset: number): number;
}

const HEADER = 128;
const FLAGS_BYTES = 8;
const [INT8, INT32, UINT32, MATRIX, COMPRESSED] = [1, 5, 6, 14, 15] as const;

const STORAGES: Readonly<Record<number, Storage>> = {
  1: { name: "int8", bytes: 1, read: (view, at) => view.getInt8(at) },
  2: { name: "uint8", bytes: 1, read: (view, at) => view.getUint8(at) },
  3: { name: "int16", bytes: 2, read: (view, at) => view.getInt16(at, true) },
  4: { name: "uint16", bytes: 2, read: (view, at) => view.getUint16(at, true) },
  5: { name: "int32", bytes: 4, read: (view, at) => view.getInt32(at, true) },
  6: { name: "uint32", bytes: 4, read: (view, at) => view.getUint32(at, true) },
  7: { name: "single", bytes: 4, read: (view, at) => view.getFloat32(at, true) },
  9: { name: "double", bytes: 8, read: (view, at) => view.getFloat64(at, true) },
  12: { name: "int64", bytes: 8, read: (view, at) => Number(view.getBigInt64(at, true)) },
  13: { name: "uint64", bytes: 8, read: (view, at) => Number(view.getBigUint64(at, true)) },
};

/** Classes of matrices of numbers. Cells, structures, objects, text and sparse matrices have others. */
const CLASSES: Readonly<Record<number, string>> = {
  6: "double",
  7: "single",
  8: "int8",
  9: "uint8",
  10: "int16",
  11: "uint16",
  12: "int32",
  13: "uint32",
  14: "int64",
  15: "uint64",
};
const OTHER_CLASSES: Readonly<Record<number, string>> = { 1: "cell", 2: "struct", 3: "object", 4: "char", 5: "sparse" };
const COMPLEX = 0x800;

const REMEDY = "fetch the file again, or save it anew with MATLAB's save -v7 or scipy.io.savemat";

/**
 * The matrices of a MAT-file, in order.
 *
 * @param file its name, for messages.
 * @throws DataError when the file is of another version or byte order, truncated, padded, damaged, larger than the limits, or
 *   holds anything but real matrices of numbers.
 */
export async function* matVariables(source: AsyncIterable<Uint8Array>, file: string): AsyncGenerator<MatVariable> {
  const reader = byteReader(source, file, REMEDY);
  try {
    yield* matrices(reader, file);
  } finally {
    await reader.close();
  }
}

async function* matrices(reader: ByteReader, file: string): AsyncGenerator<MatVariable> {
  await checkHeader(reader, file);
  let announced = 0;
  const announce = (bytes: number) => {
    announced += bytes;
    if (announced <= LIMITS.matMatrices) return;
    throw new DataError(`${file} announces ${announced} bytes of matrices, more than the limit of ${LIMITS.matMatrices}; ${REMEDY}`);
  };
  while (!(await reader.atEnd())) {
    const at = reader.offset;
    const { type, length } = await readTag(reader, file, "the tag of a data element");
    if (type === MATRIX) {
      announce(length);
      yield* matrix(reader, file, length);
    } else if (type === COMPRESSED) {
      yield* compressed(reader, file, at, length, announce);
    } else {
      throw new DataError(
        `${file} has an element of type ${type} at offset ${at}: expected a matrix (14), a compressed matrix (15) or the end of the file; ${REMEDY}`,
      );
    }
  }
}

async function checkHeader(reader: ByteReader, file: string): Promise<void> {
  const header = await reader.take(HEADER, "MAT-file header");
  const text = String.fromCharCode(...header.subarray(0, 116));
  const [low, high, first, second] = header.subarray(124) as unknown as [number, number, number, number];
  const order = String.fromCharCode(first, second);
  // HDF5 may lie behind MATLAB's header or begin the file.
  if (text.startsWith("MATLAB 7.3") || text.startsWith("\x89HDF") || (order === "IM" && high === 2)) {
    throw new DataError(`${file} is a MATLAB 7.3 file (HDF5): expected version 5 (v7 or v6 in MATLAB's words); save it anew with save -v7`);
  }
  if (order === "MI") {
    throw new DataError(`${file} is big-endian: expected the byte order IM, found MI; save it anew on a little-endian machine, or with scipy.io.savemat`);
  }
  if (order !== "IM" || low !== 0 || high !== 1) {
    const shown = [low, high, first, second].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    throw new DataError(`${file} is not a MAT-file of version 5: expected 00 01 49 4d at offset 124, found ${shown}; ${REMEDY}`);
  }
}

interface Tag {
  readonly type: number;
  readonly length: number;
  /** Data of the small form, which needs no more bytes. */
  readonly small?: Uint8Array;
}

async function readTag(reader: ByteReader, file: string, what: string): Promise<Tag> {
  const bytes = await reader.take(8, what);
  const view = new DataView(bytes.buffer);
  const small = view.getUint16(2, true);
  if (small === 0) return { type: view.getUint32(0, true), length: view.getUint32(4, true) };
  if (small > 4)
    throw new DataError(`${file} has a damaged tag at offset ${reader.offset - 8}: expected at most 4 bytes in a small element, found ${small}; ${REMEDY}`);
  return { type: view.getUint16(0, true), length: small, small: bytes.subarray(4, 4 + small) };
}

/** The one matrix that a compressed element holds. */
async function* compressed(outer: ByteReader, file: string, at: number, length: number, announce: (bytes: number) => void): AsyncGenerator<MatVariable> {
  const where = `${file} (compressed element at offset ${at})`;
  const inner = byteReader(inflated(outer.pieces(length, "a compressed element"), "deflate", where, REMEDY), where, REMEDY);
  try {
    const { type, length: size } = await readTag(inner, where, "the tag of a matrix");
    if (type !== MATRIX) throw new DataError(`${where} holds an element of type ${type}: expected a matrix (14); ${REMEDY}`);
    announce(size);
    yield* matrix(inner, where, size);
    if (!(await inner.atEnd())) throw new DataError(`${where} is padded: expected it to end after its matrix, found more; ${REMEDY}`);
  } finally {
    await inner.close();
  }
}

async function* matrix(reader: ByteReader, file: string, length: number): AsyncGenerator<MatVariable> {
  const start = reader.offset;
  const flags = await part(reader, file, UINT32, "array flags", FLAGS_BYTES);
  const word = flags.byteLength >= 4 ? flags.getUint32(0, true) : 0;
  const kind = word & 0xff;
  const dimensions = await part(reader, file, INT32, "dimensions", 4 * LIMITS.axes);
  const dims = Array.from({ length: Math.floor(dimensions.byteLength / 4) }, (_, axis) => dimensions.getInt32(4 * axis, true));
  const letters = await part(reader, file, INT8, "name", LIMITS.matName);
  const name = clipped(String.fromCharCode(...new Uint8Array(letters.buffer, letters.byteOffset, letters.byteLength)));
  const className = CLASSES[kind];
  if (className === undefined) {
    throw new DataError(`${file}: variable ${name} is of class ${kind} (${OTHER_CLASSES[kind] ?? "unknown"}); expected numbers; ${REMEDY}`);
  }
  if (word & COMPLEX) throw new DataError(`${file}: variable ${name} is complex; expected real numbers; ${REMEDY}`);

  const { type, length: bytes, small } = await readTag(reader, file, `the tag of variable ${name}`);
  const storage = STORAGES[type];
  if (!storage) throw new DataError(`${file}: variable ${name} is stored as type ${type}; expected a type of numbers; ${REMEDY}`);
  const expected = dims.reduce((product, extent) => product * extent, storage.bytes);
  if (bytes !== expected || dims.some((extent) => extent < 0)) {
    throw new DataError(`${file}: variable ${name} must have ${dims.join(" x ")} x ${storage.bytes} = ${expected} bytes, found ${bytes}; ${REMEDY}`);
  }
  const rest = padding(bytes);
  const whole = reader.offset - start + (small ? 0 : bytes + rest);
  if (whole !== length) throw new DataError(`${file}: variable ${name} announces ${length} bytes, found ${whole}; ${REMEDY}`);
  let unread = true;
  async function* data() {
    unread = false;
    if (small) yield small;
    else yield* reader.pieces(bytes, `variable ${name}`);
    if (!small) await reader.take(rest, "padding");
  }
  const numbers = data();
  yield { name, className, dims, storage, data: numbers };
  if (unread) for await (const _ of numbers);
}

/** One of a matrix's leading elements, which must be of that type and at most `limit` bytes long. */
async function part(reader: ByteReader, file: string, expected: number, what: string, limit: number): Promise<DataView> {
  const { type, length, small } = await readTag(reader, file, what);
  if (type !== expected) throw new DataError(`${file}: a matrix's ${what} must be of type ${expected}, found ${type}; ${REMEDY}`);
  if (length > limit) throw new DataError(`${file}: a matrix's ${what} must have at most ${limit} bytes, found ${length}; ${REMEDY}`);
  const bytes = small ?? (await reader.take(length, what));
  if (!small) await reader.take(padding(length), "padding");
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Elements begin at multiples of 8 bytes. */
function padding(length: number): number {
  return (8 - (length % 8)) % 8;
}
