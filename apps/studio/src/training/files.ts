/** @file Files that were dropped, read in a worker: at any place, unpacked, from archives. */
import type { ByteSource } from "@gradalign/formats";
import { readTar } from "@gradalign/robustness";
import { DataError } from "@gradalign/tensor";
import { baseName, type NamedFile } from "../files.ts";

/** Most bytes that are unpacked; a page's memory ends soon after. */
const MOST_UNPACKED = 2 ** 31;

/** What workers have and pages have not. */
declare class FileReaderSync {
  readAsArrayBuffer(blob: Blob): ArrayBuffer;
}

/** A file's bytes, read when they are asked for. Only workers may wait for them. */
export function blobSource(blob: Blob): ByteSource {
  const reader = new FileReaderSync();
  return { size: blob.size, read: (start, end) => new Uint8Array(reader.readAsArrayBuffer(blob.slice(start, end))) };
}

/**
 * Files as they are in the archives among them: `.gz` unpacked, the files of a `.tar` beside the others.
 *
 * @throws DataError when an archive is damaged.
 */
export async function unpacked(files: readonly NamedFile[]): Promise<NamedFile[]> {
  const found: NamedFile[] = [];
  for (const { path, file } of files) {
    const name = path.replace(/\.tgz$/i, ".tar.gz");
    const whole = /\.gz$/i.test(name) ? await gunzipped(file, path) : file;
    const plain = name.replace(/\.gz$/i, "");
    if (!/\.tar$/i.test(plain)) found.push({ path: plain, file: whole });
    else
      for (const { name: inside, start, size } of readTar(blobSource(whole), path))
        found.push({ path: inside.replace(/^\.\//, ""), file: whole.slice(start, start + size) });
  }
  return found;
}

async function gunzipped(file: Blob, path: string): Promise<Blob> {
  let size = 0;
  const limited = new TransformStream<Uint8Array, Uint8Array>({
    transform(piece, controller) {
      size += piece.length;
      if (size > MOST_UNPACKED) throw new DataError(`${path} must unpack to at most ${MOST_UNPACKED} bytes`);
      controller.enqueue(piece);
    },
  });
  try {
    return await new Response(file.stream().pipeThrough(new DecompressionStream("gzip")).pipeThrough(limited)).blob();
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(`${path} cannot be unpacked (${(error as Error).message}); get it again`, { cause: error });
  }
}

/** All of a file's bytes. */
export async function bytesOf(file: Blob): Promise<Uint8Array> {
  return new Uint8Array(await file.arrayBuffer());
}

/** The files beside a model that an ONNX graph names. */
export function besides(files: readonly NamedFile[]): (location: string) => ByteSource {
  return (location) => {
    const found = files.find(({ path }) => baseName(path) === baseName(location));
    if (!found) throw new DataError(`the graph keeps its weights in ${location}, which is not there; drop both files together`);
    return blobSource(found.file);
  };
}
