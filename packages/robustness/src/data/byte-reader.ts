/** @file Reads a stream of bytes piece by piece, and says where in which file it broke off. */
import { DataError } from "@gradalign/tensor";

/** Reads forward through a file's bytes. */
export interface ByteReader {
  /** Bytes read so far. */
  readonly offset: number;
  /**
   * The next `size` bytes; they are allocated at once, so the caller has bounded `size`.
   *
   * @throws DataError naming `what` when the file ends before.
   */
  take(size: number, what: string): Promise<Uint8Array>;
  /** The next `size` bytes in pieces as they come, without holding them all. */
  pieces(size: number, what: string): AsyncGenerator<Uint8Array<ArrayBuffer>>;
  /** Closes the source, read to its end or not. */
  close(): Promise<void>;
  /** The next `size` bytes, or as many as are left, without reading past them. */
  peek(size: number): Promise<Uint8Array>;
  /** All that is left. */
  rest(): AsyncGenerator<Uint8Array<ArrayBuffer>>;
  /** Whether nothing is left. */
  atEnd(): Promise<boolean>;
}

/**
 * A reader of `source`.
 *
 * @param name the file's, for messages.
 * @param remedy what to do about a broken file.
 */
export function byteReader(source: AsyncIterable<Uint8Array>, name: string, remedy: string): ByteReader {
  const iterator = source[Symbol.asyncIterator]();
  let piece = new Uint8Array();
  let offset = 0;
  const more = async (): Promise<boolean> => {
    while (piece.length === 0) {
      const next = await iterator.next();
      if (next.done) return false;
      piece = next.value as Uint8Array<ArrayBuffer>;
    }
    return true;
  };
  async function* pieces(size: number, what: string): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    const start = offset;
    while (offset < start + size) {
      if (!(await more())) {
        throw new DataError(`${name} is truncated: expected ${size} bytes of ${what} at offset ${start}, found ${offset - start}; ${remedy}`);
      }
      const part = piece.subarray(0, start + size - offset);
      piece = piece.subarray(part.length);
      offset += part.length;
      yield part;
    }
  }
  return {
    get offset() {
      return offset;
    },
    pieces,
    async take(size, what) {
      const taken = new Uint8Array(size);
      let filled = 0;
      for await (const part of pieces(size, what)) {
        taken.set(part, filled);
        filled += part.length;
      }
      return taken;
    },
    async peek(size) {
      while (piece.length < size) {
        const next = await iterator.next();
        if (next.done) break;
        piece = concatenate([piece, next.value as Uint8Array]);
      }
      return piece.subarray(0, size);
    },
    async *rest() {
      while (await more()) {
        const part = piece;
        piece = new Uint8Array();
        offset += part.length;
        yield part;
      }
    },
    atEnd: async () => !(await more()),
    async close() {
      await iterator.return?.();
    },
  };
}

/**
 * All bytes of a stream.
 *
 * @throws DataError when there are more than `limit`, of which no more are read then.
 */
export async function readAll(source: AsyncIterable<Uint8Array>, limit: number, name: string, remedy: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of source) {
    size += part.length;
    if (size > limit) throw new DataError(`${name} holds more than the expected ${limit} bytes; ${remedy}`);
    parts.push(part);
  }
  return concatenate(parts);
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let filled = 0;
  for (const part of parts) {
    all.set(part, filled);
    filled += part.length;
  }
  return all;
}

/**
 * Undoes a compression, piece by piece: who reads says how much is too much. Closes the source when it is closed itself.
 *
 * @throws DataError when `name` is not compressed so, damaged or cut off; errors of the source are passed on.
 */
export async function* inflated(source: AsyncIterable<Uint8Array>, format: "gzip" | "deflate", name: string, remedy: string): AsyncGenerator<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]();
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      const next = await iterator.next();
      if (next.done) controller.close();
      else controller.enqueue(next.value as Uint8Array<ArrayBuffer>);
    },
    async cancel() {
      await iterator.return?.();
    },
  });
  // Not every browser's streams can be iterated.
  const reader = stream.pipeThrough(new DecompressionStream(format)).getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(`${name} cannot be decompressed: ${(error as Error).message}; ${remedy}`, { cause: error });
  } finally {
    await reader.cancel().catch(() => {});
    await iterator.return?.();
  }
}
