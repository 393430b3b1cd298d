/** @file Files by hand: pickles of an instruction each, zips of stored entries. */
import { crc32 } from "../src/crc32.ts";

const utf8 = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

/** What bytes are given as. */
export type Part = number | string | Uint8Array;

/** Bytes of numbers, texts and arrays in order. */
export function bytesOf(...parts: readonly Part[]): Uint8Array {
  const arrays = parts.map((part) => (typeof part === "number" ? Uint8Array.of(part) : typeof part === "string" ? utf8(part) : part));
  const bytes = new Uint8Array(arrays.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const array of arrays) {
    bytes.set(array, at);
    at += array.length;
  }
  return bytes;
}

/** A number in `width` bytes, little-endian. */
export function little(value: number, width: number): Uint8Array {
  return Uint8Array.from({ length: width }, (_, i) => Math.floor(value / 256 ** i) % 256);
}

/** What may be set of a zip's entry, right or wrong. */
export interface Entry {
  readonly method?: number;
  readonly crc?: number;
  readonly localName?: string;
}

/** A zip file of stored entries. */
export function zipOf(files: Readonly<Record<string, Uint8Array>>, wrong: Readonly<Record<string, Entry>> = {}): Uint8Array {
  const locals: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  for (const [name, content] of Object.entries(files)) {
    const { method = 0, crc = crc32(content), localName = name } = wrong[name] ?? {};
    const sizes = bytesOf(little(crc, 4), little(content.length, 4), little(content.length, 4));
    const local = bytesOf("PK", 3, 4, 20, 0, 0, 0, little(method, 2), 0, 0, 0, 0, sizes, little(localName.length, 2), 3, 0, localName, "pad", content);
    directory.push(
      bytesOf("PK", 1, 2, 20, 0, 20, 0, 0, 0, little(method, 2), 0, 0, 0, 0, sizes, little(name.length, 2), new Uint8Array(12), little(at, 4), name),
    );
    locals.push(local);
    at += local.length;
  }
  const entries = bytesOf(...directory);
  const count = little(directory.length, 2);
  return bytesOf(...locals, entries, "PK", 5, 6, 0, 0, 0, 0, count, count, little(entries.length, 4), little(at, 4), 0, 0);
}

/** Pickle instructions by name. */
export const op = {
  proto: bytesOf(0x80, 2),
  mark: 0x28,
  stop: 0x2e,
  reduce: 0x52,
  emptyDict: 0x7d,
  emptyTuple: 0x29,
  emptyList: 0x5d,
  tuple: 0x74,
  setItem: 0x73,
  setItems: 0x75,
  append: 0x61,
  persistent: 0x51,
  build: 0x62,
  put: (index: number) => bytesOf(0x71, index),
  get: (index: number) => bytesOf(0x68, index),
  global: (module: string, name: string) => bytesOf("c", `${module}\n${name}\n`),
  text: (value: string) => bytesOf("X", little(utf8(value).length, 4), value),
  int: (value: number) => bytesOf("J", little(value, 4)),
} as const;

/** `_rebuild_tensor_v2` of a float storage. */
export function tensorPickle(
  options: { count?: number; key?: string; offset?: number; size?: readonly number[]; stride?: readonly number[] } = {},
): Uint8Array {
  const { count = 6, key = "0", offset = 0, size = [2, 3], stride = [3, 1] } = options;
  const ints = (list: readonly number[]): Uint8Array => bytesOf(op.mark, ...list.map(op.int), op.tuple);
  const id = bytesOf(op.mark, op.text("storage"), op.global("torch", "FloatStorage"), op.text(key), op.text("cpu"), op.int(count), op.tuple, op.persistent);
  const hooks = bytesOf(op.global("collections", "OrderedDict"), op.emptyTuple, op.reduce);
  return bytesOf(op.global("torch._utils", "_rebuild_tensor_v2"), op.mark, id, op.int(offset), ints(size), ints(stride), 0x89, hooks, op.tuple, op.reduce);
}

/** A zip form file with one pickle and the storages given. */
export function pytorchZip(pickle: Uint8Array, storages: Readonly<Record<string, Uint8Array>> = {}): Uint8Array {
  const data = Object.fromEntries(Object.entries(storages).map(([key, bytes]) => [`archive/data/${key}`, bytes]));
  return zipOf({ "archive/data.pkl": pickle, ...data, "archive/version": utf8("3\n") });
}
