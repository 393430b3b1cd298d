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
  /** Where they are pages of Parquet files that each have several images: which of them each is, how pages are packed, the level of what is there. */
  readonly pages?: { readonly value: Uint32Array; readonly codec: number; readonly level: number };
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

/** Names that are collected one by one, as bytes: strings would take several times the memory. */
export interface NameCollection {
  add(name: string): void;
  /** The i-th name. */
  at(i: number): string;
  /** Below 0, 0 or above it as name `a` comes before `b` in the order of code points, is the same, or comes after it. */
  compare(a: number, b: number): number;
  /** These names in this order, in memory that threads share. */
  taken(order: Uint32Array): NameList;
}

/** A collection without names. */
export function collectNames(): NameCollection {
  const [encoder, decoder] = [new TextEncoder(), new TextDecoder()];
  const ends: number[] = [];
  let [bytes, used] = [new Uint8Array(1 << 12), 0];
  const bytesAt = (i: number): Uint8Array => bytes.subarray(i === 0 ? 0 : ends[i - 1], ends[i]);
  return {
    add(name) {
      const most = used + 3 * name.length;
      if (most > bytes.length) {
        const larger = new Uint8Array(2 * most);
        larger.set(bytes);
        bytes = larger;
      }
      used += encoder.encodeInto(name, bytes.subarray(used)).written;
      ends.push(used);
    },
    at: (i) => decoder.decode(bytesAt(i)),
    compare(a, b) {
      const [x, y] = [bytesAt(a), bytesAt(b)];
      for (let i = 0; i < Math.min(x.length, y.length); i++) if (x[i] !== y[i]) return (x[i] as number) - (y[i] as number);
      return x.length - y.length;
    },
    taken(order) {
      const total = order.reduce((sum, i) => sum + bytesAt(i).length, 0);
      const list = { bytes: new Uint8Array(new SharedArrayBuffer(total)), ends: new Uint32Array(new SharedArrayBuffer(4 * order.length)) };
      let at = 0;
      for (const [place, i] of order.entries()) {
        list.bytes.set(bytesAt(i), at);
        at += bytesAt(i).length;
        list.ends[place] = at;
      }
      return list;
    },
  };
}

/** A list of these names, in memory that threads share. */
export function nameList(names: readonly string[]): NameList {
  const collected = collectNames();
  for (const name of names) collected.add(name);
  return collected.taken(Uint32Array.from(names, (_, i) => i));
}

/** The i-th name. */
export function nameAt({ bytes, ends }: NameList, i: number): string {
  // A decoder takes no shared memory.
  return new TextDecoder().decode(bytes.slice(i === 0 ? 0 : ends[i - 1], ends[i]));
}

/** How an image is called in messages: its file, and where in it. */
export function imageName({ files, places }: ImageTable, i: number): string {
  if (!places) return nameAt(files, i);
  const inside = places.pages ? `, image ${places.pages.value[i]} there` : "";
  return `${nameAt(files, places.file[i] as number)}, byte ${places.start[i]}${inside}`;
}

/** Places of the images that are trained on, and of those held out for evaluation: of each class the share that comes first, but not all of it. */
export function keptAndHeld(labels: Int32Array, share: number): [kept: Uint32Array, held: Uint32Array] {
  const counts = new Map<number, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  const wanted = new Map([...counts].map(([label, count]) => [label, Math.min(Math.max(1, Math.round(count * share)), count - 1)]));
  const [kept, held]: [number[], number[]] = [[], []];
  for (const [place, label] of labels.entries()) {
    const left = wanted.get(label) as number;
    (left > 0 ? held : kept).push(place);
    wanted.set(label, left - 1);
  }
  return [Uint32Array.from(kept), Uint32Array.from(held)];
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
