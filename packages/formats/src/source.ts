/** @file Where bytes come from: an array, a file opened elsewhere, anything that can be read at any place. */
import { FormatError } from "./errors.ts";

/** Bytes that can be read at any place. */
export interface ByteSource {
  /** How many there are. */
  readonly size: number;
  /** The bytes from `start` to before `end`, which lie within the source; the array may be a view of something larger. */
  read(start: number, end: number): Uint8Array;
}

/** An array as a source. */
export function bytesSource(bytes: Uint8Array): ByteSource {
  return { size: bytes.length, read: (start, end) => bytes.subarray(start, end) };
}

/** The source that an array or a source is. */
export function sourceOf(input: Uint8Array | ByteSource): ByteSource {
  return input instanceof Uint8Array ? bytesSource(input) : input;
}

/**
 * A part of a source, its bounds checked first.
 *
 * @throws FormatError (truncated) naming what was to be read.
 */
export function readRange(source: ByteSource, start: number, length: number, what: string): Uint8Array {
  const end = start + length;
  if (!Number.isSafeInteger(end) || start < 0 || length < 0 || end > source.size) {
    throw new FormatError("truncated", `the file ends before ${what}: it has ${source.size} bytes, ${what} would end at ${end}`);
  }
  return source.read(start, end);
}
