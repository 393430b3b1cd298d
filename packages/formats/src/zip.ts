/**
 * @file Zip files as torch.save and numpy.savez write them: entries found by the central directory, read at any place; compressed ones only where
 * the caller can inflate.
 *
 * Every number is checked against the file before it is used. PKWARE's APPNOTE 6.3: sections 4.3.7, 4.3.12, 4.3.14 to 4.3.16, 4.5.3.
 */
import { crc32 } from "./crc32.ts";
import { FormatError } from "./errors.ts";
import { shown } from "./json.ts";
import { LIMITS } from "./limits.ts";
import { type ByteSource, readRange } from "./source.ts";

/** One entry's place. */
export interface ZipEntry {
  readonly name: string;
  readonly size: number;
  /** Reads the bytes, which must have the entry's checksum. */
  read(): Uint8Array;
}

const [LOCAL, CENTRAL, END, END_64, LOCATOR_64] = [0x04034b50, 0x02014b50, 0x06054b50, 0x06064b50, 0x07064b50];
const END_SIZE = 22;
const LONGEST_COMMENT = 0xffff;

const damaged = (what: string): FormatError => new FormatError("damaged", `not a valid zip file: ${what}`);

/** Unpacks deflated bytes to at most `size`. */
export type Inflate = (bytes: Uint8Array, size: number) => Uint8Array;

/**
 * The entries of a zip file by name.
 *
 * @param inflate what unpacks deflated entries; they are refused without it.
 * @throws FormatError when it is truncated or contradicts itself.
 */
export function readZip(source: ByteSource, inflate?: Inflate): Map<string, ZipEntry> {
  const directory = findDirectory(source);
  const view = viewOf(readRange(source, directory.start, directory.size, "the zip file's directory"));
  const entries = new Map<string, ZipEntry>();
  // torch.save can be told to leave checksums out; then all of them are 0.
  let summed = false;
  let at = 0;
  for (let i = 0; i < directory.count; i++) {
    if (at + 46 > view.byteLength || view.getUint32(at, true) !== CENTRAL) throw damaged(`entry ${i} of its directory is not there`);
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((field) => view.getUint16(at + field, true)) as [number, number, number];
    const end = at + 46 + nameLength + extraLength + commentLength;
    if (end > view.byteLength) throw damaged(`entry ${i} of its directory is longer than the directory`);
    const name = textOf(view, at + 46, nameLength);
    if (entries.has(name)) throw damaged(`it has the entry ${shown(name)} twice`);
    const [flags, method, crc] = [view.getUint16(at + 8, true), view.getUint16(at + 10, true), view.getUint32(at + 16, true)];
    if (crc !== 0) summed = true;
    const narrow = { size: view.getUint32(at + 24, true), stored: view.getUint32(at + 20, true), start: view.getUint32(at + 42, true) };
    const { size, stored, start } = widened(view, at + 46 + nameLength, extraLength, narrow);
    const read = (): Uint8Array => {
      if ((flags & 1) !== 0) throw new FormatError("unsupported", `the zip file's entry ${shown(name)} is encrypted`);
      const plain = method === 0 && size === stored;
      if (!plain && !(method === 8 && inflate)) {
        throw new FormatError("unsupported", `the zip file's entry ${shown(name)} is compressed; torch.save stores entries as they are: save it again`);
      }
      return readEntry(source, { name, size, stored, start, crc: summed ? crc : null, end: directory.start, ...(plain || !inflate ? {} : { inflate }) });
    };
    entries.set(name, { name, size, read });
    at = end;
  }
  if (at !== view.byteLength) throw damaged("its directory is longer than its entries");
  return entries;
}

interface Reading {
  readonly name: string;
  readonly size: number;
  readonly stored: number;
  readonly start: number;
  readonly crc: number | null;
  readonly end: number;
  readonly inflate?: Inflate;
}

function readEntry(source: ByteSource, { name, size, stored, start, crc, end, inflate }: Reading): Uint8Array {
  const header = viewOf(readRange(source, start, 30, `the zip file's entry ${shown(name)}`));
  if (header.getUint32(0, true) !== LOCAL) throw damaged(`the entry ${shown(name)} is not where its directory says`);
  // The lengths of this very header: its padding, which aligns the data, is not in the directory.
  const nameLength = header.getUint16(26, true);
  const dataStart = start + 30 + nameLength + header.getUint16(28, true);
  if (dataStart + stored > end) throw damaged(`the entry ${shown(name)} runs into its directory`);
  const localName = textOf(viewOf(readRange(source, start + 30, nameLength, "an entry's name")), 0, nameLength);
  if (localName !== name) throw damaged(`the entry ${shown(name)} is called ${shown(localName)} where it lies`);
  const raw = readRange(source, dataStart, stored, `the zip file's entry ${shown(name)}`);
  const bytes = inflate ? inflated(raw, size, name, inflate) : raw;
  const found = crc === null ? null : crc32(bytes);
  if (found !== crc) throw damaged(`the entry ${shown(name)} is altered: its checksum is ${hex(found)}, expected ${hex(crc)}`);
  return bytes;
}

function inflated(raw: Uint8Array, size: number, name: string, inflate: Inflate): Uint8Array {
  // Deflate makes at most 1032 bytes of one.
  if (size > 1032 * raw.length) throw damaged(`${raw.length} bytes of the entry ${shown(name)} cannot unpack to ${size}`);
  try {
    const bytes = inflate(raw, size);
    if (bytes.length === size) return bytes;
  } catch (error) {
    throw new FormatError("damaged", `not a valid zip file: the entry ${shown(name)} cannot be unpacked (${(error as Error).message})`, { cause: error });
  }
  throw damaged(`the entry ${shown(name)} does not unpack to its ${size} bytes`);
}

/** Where the directory lies, and how many entries it has. */
function findDirectory(source: ByteSource): { readonly start: number; readonly size: number; readonly count: number } {
  const tailStart = Math.max(0, source.size - END_SIZE - LONGEST_COMMENT);
  const tail = viewOf(source.read(tailStart, source.size));
  let at = tail.byteLength - END_SIZE;
  while (at >= 0 && !(tail.getUint32(at, true) === END && at + END_SIZE + tail.getUint16(at + 20, true) === tail.byteLength)) at--;
  if (at < 0) {
    throw new FormatError("truncated", "the file begins as a zip file does, but has no end of one: it is truncated; get or copy it again");
  }
  const end = tailStart + at;
  let [count, size, start] = [tail.getUint16(at + 10, true), tail.getUint32(at + 12, true), tail.getUint32(at + 16, true)];
  let directoryEnd = end;
  if (at >= 20 && tail.getUint32(at - 20, true) === LOCATOR_64) {
    directoryEnd = place(tail, at - 12);
    const record = viewOf(readRange(source, directoryEnd, 56, "the zip file's long end record"));
    if (record.getUint32(0, true) !== END_64) throw damaged("its long end record is not where it should be");
    [count, size, start] = [place(record, 32), place(record, 40), place(record, 48)];
  }
  if (start + size !== directoryEnd) throw damaged(`its directory at ${start} of ${size} bytes does not end where its end record begins (${directoryEnd})`);
  if (count > LIMITS.zipEntries) throw new FormatError("too-large", `the zip file has ${count} entries, more than the limit of ${LIMITS.zipEntries}`);
  return { start, size, count };
}

/** Sizes and places above 4 GiB are in an extra field; only those that are all ones before. */
function widened(view: DataView, at: number, length: number, narrow: { size: number; stored: number; start: number }): typeof narrow {
  const wide = { ...narrow };
  const end = at + length;
  while (at + 4 <= end) {
    const [id, size] = [view.getUint16(at, true), view.getUint16(at + 2, true)];
    const fieldEnd = at + 4 + size;
    if (fieldEnd > end) throw damaged("an extra field is longer than its entry");
    if (id === 1) {
      let next = at + 4;
      for (const key of ["size", "stored", "start"] as const) {
        if (narrow[key] !== 0xffffffff) continue;
        if (next + 8 > fieldEnd) throw damaged("a long size is missing");
        wide[key] = place(view, next);
        next += 8;
      }
    }
    at = fieldEnd;
  }
  return wide;
}

function place(view: DataView, at: number): number {
  const value = Number(view.getBigUint64(at, true));
  if (!Number.isSafeInteger(value)) throw damaged(`a place or size is ${value}`);
  return value;
}

function textOf(view: DataView, at: number, length: number): string {
  return new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + at, length));
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function hex(value: number | null): string {
  return (value ?? 0).toString(16).padStart(8, "0");
}
