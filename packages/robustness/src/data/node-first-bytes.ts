/** @file Reads the beginning of a file, so that one of any length, or without end, costs no more than its reader allows. */
import { closeSync, openSync, readSync } from "node:fs";

/** The first `size` bytes of a file, or all if it has fewer; pipes are read too. File system errors pass through. */
export function firstBytes(file: string, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  const descriptor = openSync(file, "r");
  try {
    let filled = 0;
    for (let read = -1; read !== 0 && filled < size; filled += read) read = readSync(descriptor, bytes, filled, size - filled, null);
    return bytes.subarray(0, filled);
  } finally {
    closeSync(descriptor);
  }
}
