/**
 * @file The idx format of MNIST: arrays of bytes behind a big-endian header. A file may be compressed with gzip.
 *
 * Header: two zero bytes, the element type (8 for unsigned bytes), the number of dimensions, and each dimension as a uint32.
 * LeCun, Cortes, Burges, "The MNIST database of handwritten digits".
 */

import { clipped } from "@gradalign/formats";
import { DataError } from "@gradalign/tensor";
import { LIMITS } from "../limits.ts";
import { type ByteReader, byteReader, inflated, readAll } from "./byte-reader.ts";
import type { SplitArrays } from "./dataset.ts";
import { type DatasetFile, fileNamed, type OpenFile } from "./definition.ts";

/** An array of bytes, row-major. */
export interface IdxArray {
  readonly dims: readonly number[];
  readonly data: Uint8Array;
}

const REMEDY = "fetch the file again";
const TYPES: Readonly<Record<number, string>> = { 9: "int8", 11: "int16", 12: "int32", 13: "float32", 14: "float64" };

/**
 * Reads one idx file of unsigned bytes.
 *
 * @param name the file's, for messages.
 * @param expected the dimensions it must have, if they are known; others are refused before the data are read.
 * @throws DataError when it is not idx, not of bytes, too large, truncated, or longer than its header says.
 */
export async function readIdx(source: AsyncIterable<Uint8Array>, name: string, expected?: readonly number[]): Promise<IdxArray> {
  const stored = byteReader(source, name, REMEDY);
  try {
    return await readArray(stored, name, expected);
  } finally {
    await stored.close();
  }
}

async function readArray(stored: ByteReader, name: string, expected: readonly number[] | undefined): Promise<IdxArray> {
  if (await stored.atEnd()) throw new DataError(`${name} is empty: expected an idx header, found 0 bytes; ${REMEDY}`);
  const [first, second] = await stored.peek(2);
  const reader = first === 0x1f && second === 0x8b ? byteReader(inflated(stored.rest(), "gzip", name, REMEDY), name, REMEDY) : stored;
  const magic = await reader.take(4, "header");
  const [zero, zeroToo, type = 0, rank = 0] = magic;
  if (zero !== 0 || zeroToo !== 0 || rank === 0) {
    const shown = [...magic].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    throw new DataError(`${name} is not an idx file: expected it to begin with 00 00 08 and a number of dimensions, found ${shown}; ${REMEDY}`);
  }
  if (type !== 8) {
    throw new DataError(`${name} has the wrong element type: expected 8 (uint8), found ${type} (${TYPES[type] ?? "unknown"}); write it as unsigned bytes`);
  }
  const header = await reader.take(4 * rank, "dimensions");
  const view = new DataView(header.buffer);
  const dims = Array.from({ length: rank }, (_, axis) => view.getUint32(4 * axis));
  const size = dims.reduce((product, extent) => product * extent, 1);
  if (expected && dims.join() !== expected.join()) {
    throw new DataError(`${name} must hold ${expected.join(" x ")} bytes, found ${clipped(dims.join(" x "))}; ${REMEDY}`);
  }
  if (size > LIMITS.idxArray) {
    throw new DataError(`${name} announces ${clipped(dims.join(" x "))} = ${size} bytes, more than the limit of ${LIMITS.idxArray}; ${REMEDY}`);
  }
  // Not `take`: a header that promises too much should cost no memory.
  const data = await readAll(reader.pieces(size, `data (${dims.join(" x ")})`), size, name, REMEDY);
  if (!(await reader.atEnd())) {
    throw new DataError(`${name} is too long: expected it to end after ${dims.join(" x ")} = ${size} bytes of data, found more; ${REMEDY}`);
  }
  return { dims, data };
}

/**
 * Images and labels of a split kept as two idx files, `…-images-…` and `…-labels-…`.
 *
 * @throws DataError when a file is broken, or does not hold the images or labels it should.
 */
export async function readIdxSplit(open: OpenFile, files: readonly DatasetFile[], [, height, width]: readonly [number, number, number]): Promise<SplitArrays> {
  const split = files[0]?.split === "train" ? "train" : "t10k";
  const imageFile = fileNamed(files, `${split}-images`);
  const labelFile = fileNamed(files, `${split}-labels`);
  const images = await readIdx(open(imageFile.name), imageFile.name, [imageFile.images, height, width]);
  const labels = await readIdx(open(labelFile.name), labelFile.name, [labelFile.images]);
  return { images: images.data, labels: labels.data };
}
