/** @file Reads, decodes and transforms the images of a table: what a streamed source does for one image, in whichever thread. */
import { closeSync, constants, fstatSync, openSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { DataError } from "@gradalign/tensor";
import { FileError, onFile } from "../files/node-file-error.ts";
import { decodeImage } from "../images/decode.ts";
import { transformPipeline } from "../images/pipeline.ts";
import { keyFor } from "../keys.ts";
import { LIMITS } from "../limits.ts";
import { type ImageTable, imageName, nameAt } from "./image-table.ts";
import { bytesInPage } from "./parquet/node-pages.ts";
import type { ImageDecoder } from "./source.ts";

/** Everything that decoding needs, as plain data. */
export interface DecodedTable {
  readonly table: ImageTable;
  /** Pixels of a side. */
  readonly size: number;
  /** Transforms of training images, and of those that are evaluated, as they are written. */
  readonly train: string;
  readonly evaluation: string;
}

/** Decodes a table's images. */
export function decoder({ table, size, train, evaluation }: DecodedTable): ImageDecoder {
  const varied = transformPipeline("train", train, size);
  const fixed = transformPipeline("eval", evaluation, size);
  return {
    async decode(index, draw, into) {
      try {
        const image = await decodeImage(readImageFile(table, index));
        const done = draw ? varied.apply(image, keyFor(draw.seed, "transform", draw.epoch, index)) : fixed.apply(image, [0, 0]);
        if (done.width !== size || done.height !== size) {
          throw new DataError(`it has ${done.width} x ${done.height} pixels after its transforms, must have ${size} x ${size}; end them with a crop`);
        }
        into.set(done.data);
      } catch (error) {
        if (!(error instanceof DataError)) throw error;
        throw new DataError(`${join(table.root, imageName(table, index))}: ${error.message}`, { cause: error });
      }
    },
  };
}

/**
 * The bytes of a table's image.
 *
 * @throws FileError when its file is not there, not a regular one, or cannot be read; DataError when it is too large or has become shorter.
 */
export function readImageFile({ root, files, places }: ImageTable, index: number): Uint8Array {
  const path = join(root, nameAt(files, places ? (places.file[index] as number) : index));
  return onFile("read", path, () => {
    // Never waits for a pipe that has come into the file's place.
    const descriptor = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    try {
      const found = fstatSync(descriptor);
      if (!found.isFile()) throw new FileError(`cannot read ${path}: it is not a regular file; put the image there`);
      const [start, size] = places ? [places.start[index] as number, places.size[index] as number] : [0, found.size];
      const most = places?.pages ? LIMITS.parquetPage + LIMITS.parquetHeader : LIMITS.imageFile;
      if (size > most) throw new DataError(`it has ${size} bytes, more than the limit of ${most}; make it smaller`);
      const bytes = new Uint8Array(size);
      for (let done = 0; done < size; ) {
        const count = readSync(descriptor, bytes, done, size - done, start + done);
        if (count === 0) throw new DataError("it has become shorter since it was listed; list it again");
        done += count;
      }
      return places?.pages ? bytesInPage(bytes, places.pages.value[index] as number, places.pages.codec, places.pages.level) : bytes;
    } finally {
      closeSync(descriptor);
    }
  });
}

/** The length of an image's file, or of its part of one. */
export function imageBytes(table: ImageTable, index: number): number {
  const { root, files, places } = table;
  if (places?.pages) return readImageFile(table, index).length;
  if (places) return places.size[index] as number;
  const path = join(root, nameAt(files, index));
  return onFile("read", path, () => statSync(path).size);
}
