/** @file A file as a source of bytes that is read where it is asked for, and the files beside a model. */
import { closeSync, constants, fstatSync, openSync, readSync, realpathSync } from "node:fs";
import { dirname, join, sep } from "node:path";
import { type ByteSource, FormatError, shown } from "@gradalign/formats";
import { FileError, onFile } from "./node-file-error.ts";

/**
 * A regular file as a source; it is opened for each reading and never left open.
 *
 * @throws FileError when it is not there, is something else, or cannot be read.
 */
export function fileSource(file: string): ByteSource {
  const within = <Result>(work: (descriptor: number, size: number) => Result): Result =>
    onFile("read", file, () => {
      const descriptor = openSync(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
      try {
        const found = fstatSync(descriptor);
        if (!found.isFile()) throw new FileError(`cannot read ${file}: it is ${found.isDirectory() ? "a folder" : "a device or a pipe"}, not a regular file`);
        return work(descriptor, found.size);
      } finally {
        closeSync(descriptor);
      }
    });
  const size = within((_, bytes) => bytes);
  return {
    size,
    read: (start, end) =>
      within((descriptor) => {
        const bytes = new Uint8Array(end - start);
        let done = 0;
        while (done < bytes.length) {
          const count = readSync(descriptor, bytes, done, bytes.length - done, start + done);
          if (count === 0) throw new FileError(`cannot read ${file}: it became shorter while it was read`);
          done += count;
        }
        return bytes;
      }),
  };
}

/**
 * Opens files that an ONNX model names for its weights: those in the model's folder and below, symbolic links followed.
 *
 * @throws FormatError for a file elsewhere.
 */
export function filesBeside(model: string): (location: string) => ByteSource {
  return (location) => {
    const folder = realpathSync(dirname(model));
    const path = join(folder, location);
    const real = onFile("read", path, () => realpathSync(path));
    if (!real.startsWith(folder.endsWith(sep) ? folder : folder + sep)) {
      throw new FormatError("unsupported", `the weights in ${shown(location)} are not inside the model's folder: refused`);
    }
    return fileSource(real);
  };
}
