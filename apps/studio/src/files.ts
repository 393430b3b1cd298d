/** @file Files that people choose or drop, with their place in the folder they came in. */

/** A file. */
export interface NamedFile {
  /** From the folder that was chosen, with forward slashes; the file's name where it was chosen alone. */
  readonly path: string;
  readonly file: Blob;
}

/** A path's last part. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Bytes as a file. They must not be shared between threads, which none that the page makes are. */
export function blobOf(pieces: readonly Uint8Array[], type = ""): Blob {
  return new Blob(pieces as readonly Uint8Array<ArrayBuffer>[] as Uint8Array<ArrayBuffer>[], { type });
}
