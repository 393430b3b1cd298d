/** @file A table of images that lie in files: plain data, so that worker threads can have it, and small for millions of images. */
import { labelArray } from "./dataset.ts";

/** Names of files, one after the other as UTF-8. */
export interface NameList {
  readonly bytes: Uint8Array;
  /** Where each name ends. */
  readonly ends: Uint32Array;
}

/** Where images begin in their files, and how long they are. */
export interface ImagePlaces {
  /** Which file each is in. */
  readonly file: Uint32Array;
  readonly start: Float64Array;
  readonly size: Uint32Array;
}

/** Labelled images in files of one folder. */
export interface ImageTable {
  /** The folder, absolute and without links. */
  readonly root: string;
  /** Files below the folder, with `/` between the parts of a name. */
  readonly files: NameList;
  /** Where in its file each image is; if undefined, image i is all of file i. */
  readonly places: ImagePlaces | undefined;
  readonly labels: Uint8Array | Int32Array;
  readonly count: number;
}

/** A list of these names, in memory that threads share. */
export function nameList(names: readonly string[]): NameList {
  const encoder = new TextEncoder();
  const encoded = names.map((name) => encoder.encode(name));
  const bytes = new Uint8Array(new SharedArrayBuffer(encoded.reduce((sum, { length }) => sum + length, 0)));
  const ends = new Uint32Array(new SharedArrayBuffer(4 * names.length));
  let at = 0;
  for (const [i, name] of encoded.entries()) {
    bytes.set(name, at);
    at += name.length;
    ends[i] = at;
  }
  return { bytes, ends };
}

/** The i-th name. */
export function nameAt({ bytes, ends }: NameList, i: number): string {
  // A decoder takes no shared memory.
  return new TextDecoder().decode(bytes.slice(i === 0 ? 0 : ends[i - 1], ends[i]));
}

/** How an image is called in messages: its file, and where in it. */
export function imageName({ files, places }: ImageTable, i: number): string {
  return places ? `${nameAt(files, places.file[i] as number)}, byte ${places.start[i]}` : nameAt(files, i);
}

/** Labels in memory that threads share, of the type that so many classes need. */
export function sharedLabels(labels: readonly number[] | Int32Array, classes: number): Uint8Array | Int32Array {
  const typed = labelArray(Array.isArray(labels) ? labels : (labels as Int32Array), classes);
  const shared = new SharedArrayBuffer(typed.byteLength);
  const copy = typed instanceof Uint8Array ? new Uint8Array(shared) : new Int32Array(shared);
  copy.set(typed);
  return copy;
}

/** The order in which file systems' names are sorted everywhere: by code points, as Python sorts them. */
export function byCodePoint(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    // Halves of surrogate pairs come after everything else.
    if (x !== y) return (x >= 0xd800 && x < 0xe000 ? x + 0x10000 : x) - (y >= 0xd800 && y < 0xe000 ? y + 0x10000 : y);
  }
  return a.length - b.length;
}
