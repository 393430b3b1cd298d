/** @file Files that people choose or drop, with their place in the folder they came in. */
import { ConfigError } from "@gradalign/tensor";

/** A file. */
export interface NamedFile {
  /** From the folder that was chosen, with forward slashes; the file's name where it was chosen alone. */
  readonly path: string;
  readonly file: Blob;
}

/** Whether files are of a run folder, or an archive that may hold one. */
export function mayBeRun(files: readonly NamedFile[]): boolean {
  return files.some(({ path }) => /(^|\/)config\.json$|\.(tar|tgz|tar\.gz)$/i.test(path));
}

/**
 * The model among files that were dropped together: the only one whose name is a model's (an ONNX graph may have its weights beside it), else the only one.
 *
 * @throws ConfigError where there are several.
 */
export function modelAmong(files: readonly NamedFile[]): NamedFile | undefined {
  const named = files.filter(({ path }) => /\.(safetensors|pth|pt|onnx)$/i.test(path));
  const [first, second, ...more] = named.length > 0 ? named : files;
  if (first && second) {
    const others = more.length > 0 ? ` and ${more.length} more` : "";
    throw new ConfigError(`a model must be one file, got ${baseName(first.path)} and ${baseName(second.path)}${others}; drop one of them`);
  }
  return first;
}

/** A path's last part. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Bytes as a file. They must not be shared between threads, which none that the page makes are. */
export function blobOf(pieces: readonly Uint8Array[], type = ""): Blob {
  return new Blob(pieces as readonly Uint8Array<ArrayBuffer>[] as Uint8Array<ArrayBuffer>[], { type });
}
