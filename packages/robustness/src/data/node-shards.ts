/**
 * @file Shards as WebDataset has them: tar archives named `train-*.tar` and `val-*.tar` or `test-*.tar`, in which files of one sample follow
 * each other and have the same name up to its first dot: `0001.jpg`, `0001.cls`.
 *
 * The images are not read through from the beginning, so that any order of them is exact: what is listed is where each one lies. `shards.json`,
 * which `data convert` writes, spares the reading of the archives' headers.
 */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";
import { shown } from "@gradalign/formats";
import { DataError } from "@gradalign/tensor";
import { z } from "zod";
import { fileSource } from "../files/node-byte-source.ts";
import { onFile } from "../files/node-file-error.ts";
import { readJson, readRegularFile } from "../files/node-read.ts";
import { IMAGE_ENDINGS } from "../images/decode.ts";
import { LIMITS } from "../limits.ts";
import { byCodePoint, type ImageTable, nameList, sharedLabels } from "./image-table.ts";
import { readNpy } from "./npy.ts";
import { readTar } from "./tar.ts";

/** Listed shards. */
export interface ShardFolder {
  readonly classNames: readonly string[];
  readonly train: ImageTable;
  readonly test: ImageTable;
  /** SHA-256 over the names and lengths of the shards, and over where the images lie. */
  readonly fingerprint: string;
  /** Whether the names of the classes are in a list. */
  readonly listed: boolean;
}

const SHARD = /^(?:.*[-_.])?(train|val|test)[-_.].*\.tar$/;
const NAMES = "classes.txt";

/** The form of `shards.json`. */
export const shardsFile = z.object({
  format: z.literal("gradalign shards"),
  version: z.literal(1),
  /** By split: shards in order, their lengths and numbers of images. */
  splits: z.record(z.enum(["train", "test"]), z.array(z.object({ name: z.string(), bytes: z.number(), images: z.number() }))),
});

/** Where an image lies: which shard, its first byte, its length, its class. A row of `train-index.npy`. */
export const INDEX_COLUMNS = 4;

/** Whether a folder holds shards. */
export function isShardFolder(folder: string): boolean {
  return readdirSync(folder).some((name) => SHARD.test(name));
}

/**
 * Lists the images of all shards of a folder.
 *
 * @throws DataError when a split is missing, or a shard is damaged or has a sample that is not an image and a class.
 */
export function listShards(folder: string): ShardFolder {
  const root = onFile("read", folder, () => realpathSync(folder));
  const all = readdirSync(root).sort(byCodePoint);
  const kinds = ["train", "val", "test"].map((kind) => all.filter((name) => SHARD.exec(name)?.[1] === kind)) as [string[], string[], string[]];
  const train = kinds[0];
  const test = kinds[1].length > 0 ? kinds[1] : kinds[2];
  if (train.length === 0 || test.length === 0) {
    throw new DataError(`${folder} must have shards named train-*.tar and val-*.tar or test-*.tar, has ${train.length} and ${test.length}; rename them`);
  }
  const rows = { train: indexed(root, "train", train) ?? scanned(root, train), test: indexed(root, "test", test) ?? scanned(root, test) };
  const most = [rows.train, rows.test].reduce((highest, { labels }) => labels.reduce((a, b) => Math.max(a, b), highest), 1);
  const listed = existsSync(join(root, NAMES));
  const classNames = listed
    ? readRegularFile(join(root, NAMES))
        .toString("utf8")
        .split(/\r?\n/)
        .filter((line) => line !== "")
    : Array.from({ length: most + 1 }, (_, label) => String(label));
  const hash = createHash("sha256");
  const table = (shards: readonly string[], { file, start, size, labels }: Rows): ImageTable => {
    for (const name of shards) hash.update(`${name}\0${statSync(join(root, name)).size}\n`);
    for (const column of [file, start, size, labels]) hash.update(new Uint8Array(column.buffer));
    return { root, files: nameList(shards), places: { file, start, size }, labels: sharedLabels(labels, classNames.length), count: labels.length };
  };
  return { classNames, train: table(train, rows.train), test: table(test, rows.test), fingerprint: hash.digest("hex"), listed };
}

interface Rows {
  readonly file: Uint32Array;
  readonly start: Float64Array;
  readonly size: Uint32Array;
  readonly labels: Int32Array;
}

function rowsOf(count: number): Rows {
  const shared = (bytes: number): SharedArrayBuffer => new SharedArrayBuffer(bytes * count);
  return { file: new Uint32Array(shared(4)), start: new Float64Array(shared(8)), size: new Uint32Array(shared(4)), labels: new Int32Array(shared(4)) };
}

/** The rows of an index that was written with these very shards; none where there is no such index. */
function indexed(root: string, split: "train" | "test", shards: readonly string[]): Rows | undefined {
  const [file, index] = [join(root, "shards.json"), join(root, `${split}-index.npy`)];
  if (!existsSync(file) || !existsSync(index)) return undefined;
  const written = readJson(file, shardsFile, "remove it, and the shards are listed anew").splits[split] ?? [];
  const same = written.length === shards.length && written.every(({ name, bytes }, i) => name === shards[i] && statSync(join(root, name)).size === bytes);
  if (!same) return undefined;
  const array = readNpy(fileSource(index), index);
  const [count = 0, columns = 0] = array.shape;
  if (array.shape.length !== 2 || columns !== INDEX_COLUMNS || array.type !== "f8" || !array.littleEndian || count > LIMITS.images) {
    throw new DataError(`${index} must be [images, ${INDEX_COLUMNS}] of float64; remove it, and the shards are listed anew`);
  }
  const bytes = array.read(0, count * INDEX_COLUMNS);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const rows = rowsOf(count);
  for (let i = 0; i < count; i++) {
    const [file, start, size, label] = [0, 8, 16, 24].map((at) => view.getFloat64(32 * i + at, true)) as [number, number, number, number];
    const end = start + size;
    const right = [file, start, size, label].every((value) => Number.isSafeInteger(value) && value >= 0) && file < written.length && label < LIMITS.classes;
    if (!right || end > (written[file]?.bytes ?? 0))
      throw new DataError(`${index}, row ${i}: [${file}, ${start}, ${size}, ${label}] lies in no shard; remove the index`);
    rows.file[i] = file;
    rows.start[i] = start;
    rows.size[i] = size;
    rows.labels[i] = label;
  }
  return rows;
}

/** The rows that the shards' headers say. */
function scanned(root: string, shards: readonly string[]): Rows {
  const found: [file: number, start: number, size: number, label: number][] = [];
  for (const [file, shard] of shards.entries()) {
    const path = join(root, shard);
    const source = fileSource(path);
    let sample: { key: string; image?: { start: number; size: number }; label?: number } | undefined;
    const finish = (): void => {
      if (!sample) return;
      const { key, image, label } = sample;
      if (!image || label === undefined)
        throw new DataError(`${path}: the sample ${shown(key)} must have an image (${IMAGE_ENDINGS.join(", ")}) and its class as .cls; write it again`);
      found.push([file, image.start, image.size, label]);
      sample = undefined;
    };
    for (const { name, start, size } of readTar(source, path)) {
      const base = name.lastIndexOf("/") + 1;
      const dot = name.indexOf(".", base);
      // Notes beside the samples, and what macOS adds.
      if (dot <= base) continue;
      const [key, ending] = [name.slice(0, dot), name.slice(dot).toLowerCase()];
      if (sample?.key !== key) finish();
      sample ??= { key };
      if (IMAGE_ENDINGS.includes(ending)) sample.image = { start, size };
      else if (ending === ".cls") sample.label = classOf(path, key, new TextDecoder().decode(source.read(start, start + Math.min(size, 32))));
    }
    finish();
  }
  const rows = rowsOf(found.length);
  for (const [i, [file, start, size, label]] of found.entries()) {
    rows.file[i] = file;
    rows.start[i] = start;
    rows.size[i] = size;
    rows.labels[i] = label;
  }
  return rows;
}

function classOf(path: string, key: string, text: string): number {
  const label = /^\s*\d{1,9}\s*$/.test(text) ? Number(text) : Number.NaN;
  if (!(label < LIMITS.classes)) throw new DataError(`${path}: the class of the sample ${shown(key)} (="${text}") must be a number from 0; write it again`);
  return label;
}
