/**
 * @file Tar archives read at any place: where each file in one begins, and how long it is.
 *
 * POSIX ustar and pax, and GNU's long names (POSIX.1-2017, pax: "ustar Interchange Format"). Names are only ever names: nothing of an archive
 * is written anywhere, and links in it are passed over.
 */
import { type ByteSource, shown } from "@gradalign/formats";
import { DataError } from "@gradalign/tensor";
import { LIMITS } from "../limits.ts";

/** A file in an archive. */
export interface TarEntry {
  readonly name: string;
  readonly start: number;
  readonly size: number;
}

/** Bytes of a header, and what files are padded to a multiple of. */
export const TAR_BLOCK = 512;
/** Headers are read so many bytes at once: several of an archive of small files, and little more than one of large files. */
const PIECE = 1 << 14;

/**
 * The files of an archive, in order.
 *
 * @param archive its name, for messages.
 * @throws DataError when it is damaged or cut off.
 */
export function* readTar(source: ByteSource, archive: string): Generator<TarEntry> {
  const wrong = (at: number, what: string): DataError => new DataError(`${archive} is damaged: ${what} at byte ${at}; get or write it again`);
  const read = pieceReader(source);
  let named: string | undefined;
  let sized: number | undefined;
  let found = 0;
  for (let at = 0; at < source.size; ) {
    if (at + TAR_BLOCK > source.size) throw wrong(at, "it ends within a header");
    const header = read(at, TAR_BLOCK);
    if (header.every((byte) => byte === 0)) return;
    if (checksum(header) !== octal(header, 148, 8)) throw wrong(at, "a header's checksum is wrong");
    const type = String.fromCharCode(header[156] as number);
    const special = type === "x" || type === "L" || type === "g" || type === "K";
    const size = special ? number(header, 124, 12) : (sized ?? number(header, 124, 12));
    const start = at + TAR_BLOCK;
    if (size === undefined || !Number.isSafeInteger(size) || start + size > source.size) throw wrong(at, "a file in it is longer than the archive");
    if (special && size > LIMITS.tarHeader) throw wrong(at, "a long header is too long");
    if (type === "x") {
      const fields = paxFields(read(start, size));
      if (!fields) throw wrong(at, "an extended header has another form");
      named = fields.get("path") ?? named;
      const text = fields.get("size");
      if (text !== undefined) {
        sized = Number(text);
        if (!Number.isSafeInteger(sized) || sized < 0) throw wrong(at, `an extended header has the size ${shown(text)}`);
      }
    } else if (type === "L") named = text(read(start, size), 0, size);
    else if (type !== "g" && type !== "K") {
      if (type === "0" || type === "\0" || type === "7") {
        if (++found > LIMITS.images * 4) throw wrong(at, "it has too many files");
        yield { name: named ?? nameOf(header), start, size };
      }
      named = undefined;
      sized = undefined;
    }
    at = start + Math.ceil(size / TAR_BLOCK) * TAR_BLOCK;
  }
}

/** Reads small pieces out of larger ones, which are read forward. */
function pieceReader(source: ByteSource): (start: number, size: number) => Uint8Array {
  let [begin, piece] = [0, new Uint8Array()];
  return (start, size) => {
    if (start < begin || start + size > begin + piece.length) {
      begin = start;
      piece = new Uint8Array(source.read(start, Math.min(source.size, start + Math.max(size, PIECE))));
    }
    return piece.subarray(start - begin, start - begin + size);
  };
}

/** A text up to its first zero byte. */
function text(bytes: Uint8Array, start: number, length: number): string {
  const field = bytes.subarray(start, start + length);
  const end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
}

function nameOf(header: Uint8Array): string {
  const [name, prefix] = [text(header, 0, 100), text(header, 257, 5) === "ustar" ? text(header, 345, 155) : ""];
  return prefix === "" ? name : `${prefix}/${name}`;
}

function octal(header: Uint8Array, start: number, length: number): number | undefined {
  const digits = text(header, start, length).trim();
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : undefined;
}

/** A size: in octal digits or, of files above 8 GiB, as GNU tar writes it, in binary. */
function number(header: Uint8Array, start: number, length: number): number | undefined {
  if (((header[start] as number) & 0x80) === 0) return octal(header, start, length) ?? (text(header, start, length).trim() === "" ? 0 : undefined);
  let value = (header[start] as number) & 0x7f;
  for (let i = start + 1; i < start + length; i++) value = value * 256 + (header[i] as number);
  return value;
}

/** The sum of a header's bytes, its own field counted as blanks. */
function checksum(header: Uint8Array): number {
  let sum = 8 * 0x20;
  for (let i = 0; i < TAR_BLOCK; i++) if (i < 148 || i >= 156) sum += header[i] as number;
  return sum;
}

/** Records of a pax header: `LENGTH key=value\n`; undefined when they have another form. */
function paxFields(bytes: Uint8Array): Map<string, string> | undefined {
  const fields = new Map<string, string>();
  for (let at = 0; at < bytes.length; ) {
    const blank = bytes.indexOf(0x20, at);
    const length = blank < 0 ? Number.NaN : Number(text(bytes, at, blank - at));
    if (!Number.isSafeInteger(length) || length < 5 || at + length > bytes.length || bytes[at + length - 1] !== 0x0a) return undefined;
    const record = text(bytes, blank + 1, at + length - 1 - blank - 1);
    const equals = record.indexOf("=");
    if (equals < 1) return undefined;
    fields.set(record.slice(0, equals), record.slice(equals + 1));
    at += length;
  }
  return fields;
}

/** The header and padding of a file in an archive that we write: readable, of no owner, of no time, so that the same files give the same bytes. */
export function tarHeader(name: string, size: number): Uint8Array {
  const header = new Uint8Array(TAR_BLOCK);
  const put = (value: string, at: number): void => header.set(new TextEncoder().encode(value), at);
  put(name, 0);
  put("0000644\0" + "0000000\0" + "0000000\0", 100);
  put(`${size.toString(8).padStart(11, "0")}\0${"0".repeat(11)}\0`, 124);
  put("0", 156);
  put("ustar\x0000", 257);
  put(`${checksum(header).toString(8).padStart(6, "0")}\0 `, 148);
  return header;
}

/** Zero bytes after a file of that size, up to the next block. */
export function tarPadding(size: number): Uint8Array {
  return new Uint8Array((TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK);
}

/**
 * An archive of files, in pieces, as a Blob or a file takes them.
 *
 * @throws DataError for a name of more than 100 bytes, which would need an extended header.
 */
export function encodeTar(files: ReadonlyMap<string, Uint8Array>): Uint8Array[] {
  const pieces = [...files].flatMap(([name, content]) => {
    if (new TextEncoder().encode(name).length > 100) throw new DataError(`tar: the name "${name}" must be at most 100 bytes long; shorten it`);
    return [tarHeader(name, content.length), content, tarPadding(content.length)];
  });
  return [...pieces, new Uint8Array(2 * TAR_BLOCK)];
}
