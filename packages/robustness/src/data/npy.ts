/**
 * @file NumPy's .npy files: a header that is a Python literal, then the elements.
 *
 * NumPy enhancement proposal 1; numpy.lib.format. Nothing but the form that NumPy writes is read, and objects, which are pickles, never.
 */
import { type ByteSource, shown } from "@gradalign/formats";
import { DataError } from "@gradalign/tensor";
import { LIMITS } from "../limits.ts";

/** An array of a file, its elements not yet read. */
export interface NpyArray {
  readonly shape: readonly number[];
  /** NumPy's name of the element type without the byte order: `u1` is uint8. */
  readonly type: string;
  readonly littleEndian: boolean;
  /** The bytes of the elements from `first` on, `count` of them, in row-major order. */
  read(first: number, count: number): Uint8Array;
}

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
const HEADER = /^\{'descr': '([<>|=]?)([a-zA-Z]\d+)', 'fortran_order': (True|False), 'shape': \((\d*(?:, ?\d+)*),?\),? *\}\s*$/;

/**
 * The array of a .npy file.
 *
 * @param name the file's, for messages.
 * @throws DataError when it is damaged, cut off, or of a kind that is not read.
 */
export function readNpy(source: ByteSource, name: string): NpyArray {
  const wrong = (what: string): DataError => new DataError(`${name} ${what}; write it again with numpy.save`);
  const prefix = source.read(0, Math.min(12, source.size));
  if (prefix.length < 12 || !MAGIC.every((byte, i) => prefix[i] === byte)) throw wrong("is not a .npy file");
  const view = new DataView(prefix.buffer, prefix.byteOffset, prefix.length);
  const long = (prefix[6] as number) >= 2;
  const start = long ? 12 : 10;
  const length = long ? view.getUint32(8, true) : view.getUint16(8, true);
  if (length > LIMITS.npyHeader || start + length > source.size) throw wrong(`is cut off or damaged: its header has ${length} bytes`);
  const header = new TextDecoder().decode(source.read(start, start + length));
  const [, order, type, fortran, axes] = HEADER.exec(header) ?? [];
  if (type === undefined || axes === undefined) throw wrong(`has a header that is not read: ${shown(header)}`);
  if (fortran === "True") throw wrong("is in Fortran's order, columns first; save numpy.ascontiguousarray of it");
  const shape = axes === "" ? [] : axes.split(",").map(Number);
  if (shape.length > LIMITS.axes) throw wrong(`has ${shape.length} axes`);
  const bytes = Number(type.slice(1));
  const size = shape.reduce((product, extent) => product * extent, bytes);
  if (!Number.isSafeInteger(size) || bytes < 1 || source.size - start - length !== size) {
    throw wrong(`is cut off or damaged: it has ${source.size - start - length} bytes of elements, [${shape.join(", ")}] of ${type} would have ${size}`);
  }
  const begin = start + length;
  return {
    shape,
    type,
    littleEndian: order !== ">",
    read: (first, count) => source.read(begin + first * bytes, begin + (first + count) * bytes),
  };
}

/** The header of a .npy file of at most four axes, padded so that the elements begin at byte 128. */
export function npyHeader(shape: readonly number[], type: "|u1" | "<i4" | "<f8"): Uint8Array {
  const text = `{'descr': '${type}', 'fortran_order': False, 'shape': (${shape.join(", ")}${shape.length === 1 ? "," : ""}), }`;
  // As long for any number of images, so that it can be written last.
  const length = 118;
  const bytes = new Uint8Array(10 + length);
  bytes.set([...MAGIC, 1, 0, length & 255, length >> 8]);
  bytes.set(new TextEncoder().encode(`${text.padEnd(length - 1)}\n`), 10);
  return bytes;
}

/**
 * An array of whole numbers as class numbers.
 *
 * @throws DataError when it is not one, or a number is no class.
 */
export function npyLabels(array: NpyArray, name: string): Int32Array {
  const { shape, type, littleEndian } = array;
  const [count = 0, columns = 1] = shape;
  // Keras has its labels in a column.
  if (shape.length < 1 || shape.length > 2 || columns !== 1 || !/^[uib](1|2|4|8)$/.test(type)) {
    throw new DataError(`${name} must be a list of whole numbers, one for each image, got [${shape.join(", ")}] of ${type}; save the class numbers`);
  }
  if (count > LIMITS.images) throw new DataError(`${name} has ${count} labels, more than the limit of ${LIMITS.images}`);
  const width = Number(type.slice(1));
  const bytes = array.read(0, count);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const signed = type.startsWith("i");
  const at = (i: number): number => {
    if (width === 1) return signed ? view.getInt8(i) : view.getUint8(i);
    if (width === 2) return signed ? view.getInt16(2 * i, littleEndian) : view.getUint16(2 * i, littleEndian);
    if (width === 4) return signed ? view.getInt32(4 * i, littleEndian) : view.getUint32(4 * i, littleEndian);
    return Number(signed ? view.getBigInt64(8 * i, littleEndian) : view.getBigUint64(8 * i, littleEndian));
  };
  const labels = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const label = at(i);
    if (label < 0 || label >= LIMITS.classes)
      throw new DataError(`${name}: label ${i} (=${label}) must be from 0 to ${LIMITS.classes - 1}; number the classes from 0`);
    labels[i] = label;
  }
  return labels;
}

/** How images lie in an array: their number and shape, and their pixels as [C, H, W]. */
export interface NpyImages {
  readonly count: number;
  readonly shape: readonly [channels: number, height: number, width: number];
  /** The images from `first` on, `count` of them, as [count, C, H, W]. */
  read(first: number, count: number): Uint8Array;
}

/**
 * An array as images: [N, H, W, C], as most save them, [N, C, H, W] or [N, H, W]; C is 1 or 3, pixels are uint8.
 *
 * @throws DataError when it has another form.
 */
export function npyImages(array: NpyArray, name: string): NpyImages {
  const { shape, type } = array;
  const [count = 0, a = 0, b = 0, c = 1] = shape;
  const last = shape.length === 3 || c === 1 || c === 3;
  const [channels, height, width] = last ? [c, a, b] : [a, b, c];
  if (type !== "u1" || shape.length < 3 || shape.length > 4 || count < 1 || height < 1 || width < 1 || (channels !== 1 && channels !== 3)) {
    throw new DataError(
      `${name} must be images of uint8 as [N, H, W, C], [N, C, H, W] or [N, H, W], with 1 or 3 channels, got [${shape.join(", ")}] of ${type}; ` +
        "save them so, pixels from 0 to 255",
    );
  }
  if (count > LIMITS.images || channels * height * width > LIMITS.imagePixels)
    throw new DataError(`${name} has [${shape.join(", ")}] pixels, more than the limit`);
  const size = channels * height * width;
  return {
    count,
    shape: [channels, height, width],
    read(first, many) {
      const bytes = array.read(first * size, many * size);
      return last && channels > 1 ? planes(bytes, many, channels) : bytes;
    },
  };
}

/** Interleaved pixels as planes. */
function planes(bytes: Uint8Array, count: number, channels: number): Uint8Array {
  const result = new Uint8Array(bytes.length);
  const pixels = bytes.length / (count * channels);
  for (let image = 0, from = 0; image < count; image++) {
    const start = image * channels * pixels;
    for (let pixel = 0; pixel < pixels; pixel++)
      for (let channel = 0; channel < channels; channel++) result[start + channel * pixels + pixel] = bytes[from++] as number;
  }
  return result;
}
