/**
 * @file Pages of a Parquet column: a header, then values, compressed.
 *
 * https://github.com/apache/parquet-format: data pages of both versions and dictionary pages; values are plain, or numbers of a dictionary's;
 * definition levels say which are missing. Lists are not read.
 */
import { gunzipSync } from "node:zlib";
import { DataError } from "@gradalign/tensor";
import { LIMITS } from "../../limits.ts";
import { unsnappy } from "./snappy.ts";
import { readStruct, sizeAt, structAt, ThriftEnd } from "./thrift.ts";

/** Parquet's number of how pages are compressed. */
export type Codec = number;

/** A page without its values. */
export interface PageHeader {
  readonly kind: "data" | "dictionary" | "other";
  /** Bytes of the header, and of what follows it. */
  readonly headerBytes: number;
  readonly bodyBytes: number;
  readonly unpackedBytes: number;
  /** Values, those that are missing among them. */
  readonly count: number;
  readonly encoding: "plain" | "dictionary" | "other";
  /** Of the second version: bytes of levels, which are not compressed, and whether the rest is. */
  readonly second: { readonly levelBytes: number; readonly isPacked: boolean } | undefined;
}

/** By type: what a page is, and the numbers of the fields with its own header and, in that, with its encoding. */
const PAGES: Readonly<Record<number, readonly [kind: PageHeader["kind"], header: number, encoding: number]>> = {
  0: ["data", 5, 2],
  2: ["dictionary", 7, 2],
  3: ["data", 8, 4],
};

/**
 * The header of the page that begins with these bytes; undefined when they end within it.
 *
 * @throws DataError when it is damaged or asks for more than a page may.
 */
export function readPageHeader(bytes: Uint8Array): PageHeader | undefined {
  try {
    const { struct, end } = readStruct(bytes, 0);
    const [type, unpackedBytes, bodyBytes] = [sizeAt(struct, 1), sizeAt(struct, 2), sizeAt(struct, 3)];
    const [kind, field, encodingField] = PAGES[type] ?? (["other", 0, 0] as const);
    const own = structAt(struct, field);
    const count = kind === "other" ? 0 : sizeAt(own, 1);
    const code = sizeAt(own, encodingField);
    // The second version of a page has its levels before its values; repetition levels, of lists, must take no bytes.
    const [levelBytes, listBytes] = type === 3 ? [sizeAt(own, 5), sizeAt(own, 6)] : [0, 0];
    if (!(unpackedBytes <= LIMITS.parquetPage && bodyBytes <= LIMITS.parquetPage && count <= LIMITS.images && levelBytes <= bodyBytes && listBytes === 0)) {
      throw new DataError("a page's header is damaged");
    }
    const numbered = kind === "data" && (code === 2 || code === 8);
    const encoding = numbered ? "dictionary" : code === 0 || code === 2 ? "plain" : "other";
    return {
      ...{ kind, headerBytes: end, bodyBytes, unpackedBytes, count, encoding },
      second: type === 3 ? { levelBytes, isPacked: own?.get(7) !== false } : undefined,
    };
  } catch (error) {
    if (error instanceof ThriftEnd) return undefined;
    throw error;
  }
}

/** A page's values, packed as they are, and which places have one. */
export interface PageValues {
  readonly bytes: Uint8Array;
  /** How many of the places have a value. */
  readonly count: number;
  /** Number of a place's value among those that are there; undefined where it has none. */
  valueAt(place: number): number | undefined;
}

/**
 * Unpacks a page.
 *
 * @param body what follows the header.
 * @param level the definition level of a value that is there; 0 where none can be missing.
 * @throws DataError when it is damaged, or packed as is not read.
 */
export function readPage(header: PageHeader, body: Uint8Array, codec: Codec, level: number): PageValues {
  const { kind, count, unpackedBytes, second } = header;
  if (body.length !== header.bodyBytes) throw new DataError("a page is cut off");
  const packed = second ? body.subarray(second.levelBytes) : body;
  const bytes = second?.isPacked === false ? packed : unpacked(packed, unpackedBytes - (second?.levelBytes ?? 0), codec);
  if (kind === "dictionary" || level === 0) return { bytes, count, valueAt: (place) => (place < count ? place : undefined) };
  const width = bitWidth(level);
  let levels: Uint32Array;
  let values = bytes;
  if (second) levels = runs(body.subarray(0, second.levelBytes), width, count);
  else {
    const length = bytes.length < 4 ? Number.NaN : viewOf(bytes).getUint32(0, true);
    if (!(length <= bytes.length - 4)) throw new DataError("a page's levels are damaged");
    levels = runs(bytes.subarray(4, 4 + length), width, count);
    values = bytes.subarray(4 + length);
  }
  let defined = 0;
  const numbers = levels.map((found) => (found === level ? defined++ : MISSING));
  return {
    ...{ bytes: values, count: defined },
    valueAt(place) {
      const number = numbers[place];
      return number === MISSING ? undefined : number;
    },
  };
}

const MISSING = 2 ** 32 - 1;

function unpacked(bytes: Uint8Array, size: number, codec: Codec): Uint8Array {
  if (!(size >= 0)) throw new DataError("a page's header is damaged");
  if (codec === 0 && bytes.length === size) return bytes;
  if (codec === 1) return unsnappy(bytes, size);
  if (codec === 2) {
    try {
      const result = gunzipSync(bytes, { maxOutputLength: Math.max(1, size) });
      if (result.length === size) return result;
    } catch (error) {
      throw new DataError("a page's compressed bytes are damaged", { cause: error });
    }
  }
  throw new DataError(
    codec <= 2 ? "a page has another length than its header says" : `pages are packed by ${CODECS[codec] ?? `method ${codec}`}; write them with snappy`,
  );
}

const CODECS: Readonly<Record<number, string>> = { 3: "LZO", 4: "brotli", 5: "LZ4", 6: "zstd", 7: "LZ4" };

/**
 * The numbers of a dictionary's values that a data page has.
 *
 * @throws DataError when they are damaged.
 */
export function dictionaryNumbers({ bytes, count }: PageValues): Uint32Array {
  const width = bytes[0];
  if (count === 0) return new Uint32Array();
  if (width === undefined || width > 32) throw new DataError("a page's numbers are damaged");
  return runs(bytes.subarray(1), width, count);
}

/**
 * One of the plain texts of bytes of a page: each has its length before it.
 *
 * @throws DataError when the page ends before it.
 */
export function plainBytes({ bytes }: PageValues, number: number): Uint8Array {
  const view = viewOf(bytes);
  for (let at = 0, i = 0; at + 4 <= bytes.length; i++) {
    const end = at + 4 + view.getUint32(at, true);
    if (end > bytes.length) break;
    if (i === number) return bytes.subarray(at + 4, end);
    at = end;
  }
  throw new DataError("a page ends before its values do");
}

/**
 * The bytes that lie in a page, its header included.
 *
 * @param place number of the row or, of a dictionary, of the value.
 * @throws DataError when there are none, or the page is damaged.
 */
export function bytesInPage(bytes: Uint8Array, place: number, codec: Codec, level: number): Uint8Array {
  const header = readPageHeader(bytes);
  if (!header) throw new DataError("a page is cut off");
  const page = readPage(header, bytes.subarray(header.headerBytes), codec, level);
  const number = page.valueAt(place);
  if (number === undefined) throw new DataError("it has no bytes, perhaps only the name of a file; write the images themselves, or leave it out");
  return plainBytes(page, number);
}

/**
 * Plain whole numbers of 4 or 8 bytes.
 *
 * @throws DataError when there are fewer.
 */
export function plainIntegers({ bytes, count }: PageValues, width: 4 | 8): Float64Array {
  if (bytes.length < count * width) throw new DataError("a page ends before its values do");
  const view = viewOf(bytes);
  return Float64Array.from({ length: count }, (_, i) => (width === 4 ? view.getInt32(4 * i, true) : Number(view.getBigInt64(8 * i, true))));
}

/** Numbers as runs of equal ones and groups of eight of so many bits, Parquet's hybrid encoding. */
function runs(bytes: Uint8Array, width: number, count: number): Uint32Array {
  const damaged = (): DataError => new DataError("a page's numbers are damaged");
  const numbers = new Uint32Array(count);
  let [at, done] = [0, 0];
  while (done < count) {
    let head = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined || shift > 28) throw damaged();
      head += (byte & 127) * 2 ** shift;
      if (byte < 128) break;
    }
    const size = Math.floor(head / 2);
    if (head % 2 === 0) {
      const extra = Math.ceil(width / 8);
      if (at + extra > bytes.length || size === 0) throw damaged();
      let value = 0;
      for (let i = 0; i < extra; i++) value += (bytes[at++] as number) * 2 ** (8 * i);
      const end = Math.min(count, done + size);
      numbers.fill(value, done, end);
      done = end;
    } else {
      const end = Math.min(count, done + 8 * size);
      if (at + Math.ceil(((end - done) * width) / 8) > bytes.length || size === 0) throw damaged();
      for (let bit = 0; done < end; done++) {
        let value = 0;
        for (let i = 0; i < width; i++, bit++) if (((bytes[at + (bit >> 3)] as number) >> (bit & 7)) & 1) value += 2 ** i;
        numbers[done] = value;
      }
      at += size * width;
    }
  }
  return numbers;
}

function bitWidth(most: number): number {
  return Math.ceil(Math.log2(most + 1));
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
