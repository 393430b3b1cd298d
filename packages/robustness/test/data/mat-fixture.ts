/** @file MAT-files built byte by byte, right and wrong. */
import { deflateSync } from "node:zlib";

/** Bytes of 16- and 32-bit numbers, little-endian. */
export const u16 = (...values: number[]): Buffer => Buffer.concat(values.map((v) => Buffer.from([v & 255, v >> 8])));
export const u32 = (...values: number[]): Buffer => Buffer.from(new Uint32Array(values).buffer);

/** The first 128 bytes: text, version and byte order. */
export function header({ text = "MATLAB 5.0 MAT-file, made by a test", version = 0x0100, order = "IM" } = {}): Buffer {
  const bytes = Buffer.alloc(128, " ");
  bytes.write(text, "latin1");
  bytes.fill(0, 116, 124);
  if (order === "MI") bytes.writeUInt16BE(version, 124);
  else bytes.writeUInt16LE(version, 124);
  bytes.write(order, 126, "latin1");
  return bytes;
}

/** A data element in the usual form, padded to 8 bytes. */
export function element(type: number, data: Uint8Array): Buffer {
  return Buffer.concat([u32(type, data.length), data, Buffer.alloc((8 - (data.length % 8)) % 8)]);
}

/** A data element of at most 4 bytes inside its tag. */
export function smallElement(type: number, data: Uint8Array): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(type, 0);
  bytes.writeUInt16LE(data.length, 2);
  bytes.set(data, 4);
  return bytes;
}

export interface MatrixParts {
  readonly name: string;
  readonly dims: readonly number[];
  readonly data: Uint8Array;
  /** Class: uint8 (9) unless set. */
  readonly kind?: number;
  /** Storage type: uint8 (2) unless set. */
  readonly storage?: number;
  readonly flags?: number;
  readonly small?: boolean;
}

/** A matrix element. */
export function matrix({ name, dims, data, kind = 9, storage = 2, flags = 0, small = false }: MatrixParts): Buffer {
  const letters = Buffer.from(name, "latin1");
  return element(
    14,
    Buffer.concat([
      element(6, u32(kind | flags, 0)),
      element(5, Buffer.from(Uint32Array.from(dims).buffer)),
      letters.length <= 4 ? smallElement(1, letters) : element(1, letters),
      small ? smallElement(storage, data) : element(storage, data),
    ]),
  );
}

/** A compressed element, which is not padded. */
export function compressed(content: Uint8Array): Buffer {
  const bytes = deflateSync(content);
  return Buffer.concat([u32(15, bytes.length), bytes]);
}

/** A stream of bytes in pieces of `size`, so that everything is cut somewhere. */
export async function* pieces(bytes: Uint8Array, size = 7): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
