/**
 * @file A folder of images as shards, which keep the images' files, or packed as arrays of pixels of one size.
 *
 * What is done already is not done again: shards and arrays get their names when they are whole, and a packed array goes on behind its last whole
 * image. `convert.json` says what was converted how, so that nothing else is mixed into it.
 */
import { closeSync, existsSync, fstatSync, fsyncSync, ftruncateSync, openSync, readdirSync, renameSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { ConfigError, DataError } from "@gradalign/tensor";
import { z } from "zod";
import { makeFolder, writeFileAtomic } from "../files/node-atomic-file.ts";
import { onFile } from "../files/node-file-error.ts";
import { withLock } from "../files/node-lock.ts";
import { readJson } from "../files/node-read.ts";
import { imageFormat } from "../images/decode.ts";
import { transformPipeline } from "../images/pipeline.ts";
import { LIMITS } from "../limits.ts";
import type { ImageTable } from "./image-table.ts";
import { listTables } from "./node-check-folder.ts";
import { type DecodedTable, imageBytes, readImageFile } from "./node-image-decoder.ts";
import { INDEX_COLUMNS, type shardsFile } from "./node-shards.ts";
import { builtModule, streamedSplit } from "./node-streamed.ts";
import { npyHeader } from "./npy.ts";
import { TAR_BLOCK, tarHeader, tarPadding } from "./tar.ts";

/** How a folder is to be converted. */
export interface ConvertOptions {
  readonly to: "shards" | "packed";
  readonly valFraction: number;
  /** Packed: pixels of a side, and the transforms that make them. */
  readonly size: number;
  readonly transforms: string;
  /** Shards: images in each. */
  readonly shardImages: number;
  readonly workers: number;
  readonly signal?: AbortSignal;
  onProgress?(done: number, total: number): void;
}

const PLAN = "convert.json";
const planFile = z.object({
  format: z.literal("gradalign convert"),
  version: z.literal(1),
  fingerprint: z.string(),
  to: z.enum(["shards", "packed"]),
  size: z.number().nullable(),
  transforms: z.string().nullable(),
  shardImages: z.number().nullable(),
});
const SPLITS = ["train", "test"] as const;
/** Images that are decoded at once. */
const CHUNK = 64;

/**
 * Converts a folder, or goes on with it.
 *
 * @returns images of each split.
 * @throws ConfigError when `out` holds something else; DataError for an image that cannot be decoded; FileError when something cannot be written.
 */
export async function convertFolder(folder: string, out: string, options: ConvertOptions): Promise<{ readonly train: number; readonly test: number }> {
  const { to, size, transforms, shardImages } = options;
  const { classNames, train, test, fingerprint } = listTables(folder, { valFraction: options.valFraction });
  const packed = to === "packed";
  if (packed) {
    const pipeline = transformPipeline("--transforms", transforms, size);
    if (pipeline.random || pipeline.size !== size) {
      throw new ConfigError(`--transforms (="${transforms}") must leave every image with ${size} x ${size} pixels, without drawing; end it with center-crop`);
    }
    const bytes = Math.max(train.count, test.count) * 3 * size * size;
    if (bytes > LIMITS.residentSplit) {
      throw new ConfigError(
        `--size (=${size}) makes arrays of ${bytes} bytes, more than the ${LIMITS.residentSplit} that a training takes into memory; make them smaller, or shards: --to shards`,
      );
    }
  }
  const chosen = packed ? { size, transforms, shardImages: null } : { size: null, transforms: null, shardImages };
  const plan = { format: "gradalign convert", version: 1, fingerprint, to, ...chosen } satisfies z.infer<typeof planFile>;
  makeFolder(out);
  return withLock(join(out, "convert.lock"), { what: `the folder ${out}` }, async () => {
    const file = join(out, PLAN);
    if (existsSync(file)) {
      const found = readJson(file, planFile, "name another folder");
      if (JSON.stringify(found) !== JSON.stringify(plan)) {
        throw new ConfigError(`"${out}" holds another conversion, or the images have changed since; name another folder, or remove it`);
      }
    } else {
      const others = readdirSync(out).filter((name) => name !== "convert.lock" && !name.startsWith("."));
      if (others.length > 0) throw new ConfigError(`"${out}" must be empty or hold this conversion, it holds ${others[0]}; name another folder`);
      writeFileAtomic(file, `${JSON.stringify(plan)}\n`);
      writeFileAtomic(join(out, "classes.txt"), classNames.map((name) => `${name}\n`).join(""));
    }
    const tables = { train, test };
    const total = train.count + test.count;
    let done = 0;
    const report = (images: number): void => {
      done += images;
      options.onProgress?.(done, total);
    };
    if (packed) for (const split of SPLITS) await packSplit(out, split, tables[split], options, report);
    else await writeShards(out, tables, options, report);
    return { train: train.count, test: test.count };
  });
}

/** Writes a split's pixels and labels. */
async function packSplit(out: string, split: string, table: ImageTable, options: ConvertOptions, report: (images: number) => void): Promise<void> {
  const { size, transforms, workers, signal } = options;
  const [target, partial] = [join(out, `x_${split}.npy`), join(out, `x_${split}.npy.partial`)];
  const shape = [3, size, size] as const;
  const bytes = 3 * size * size;
  if (existsSync(target)) return report(table.count);
  const header = npyHeader([table.count, ...shape], "|u1");
  const descriptor = onFile("write", partial, () => openSync(partial, existsSync(partial) ? "r+" : "w+"));
  try {
    const whole = Math.min(table.count, Math.max(0, Math.floor((fstatSync(descriptor).size - header.length) / bytes)));
    onFile("write", partial, () => {
      ftruncateSync(descriptor, whole === 0 ? 0 : header.length + whole * bytes);
      writeAll(descriptor, header, 0);
    });
    report(whole);
    const data: DecodedTable = { table, size, train: transforms, evaluation: transforms };
    const source = streamedSplit({ labels: table.labels, shape, module: builtModule("./node-image-decoder.ts", import.meta.url), data });
    const reader = await source.open(workers);
    try {
      for (let first = whole; first < table.count; first += CHUNK) {
        signal?.throwIfAborted();
        const indices = Int32Array.from({ length: Math.min(CHUNK, table.count - first) }, (_, i) => first + i);
        const pixels = new Uint8Array(new SharedArrayBuffer(indices.length * bytes));
        await reader.read(indices, null, pixels);
        onFile("write", partial, () => writeAll(descriptor, pixels, header.length + first * bytes));
        report(indices.length);
      }
    } finally {
      await reader.close();
    }
    onFile("write", partial, () => fsyncSync(descriptor));
  } finally {
    closeSync(descriptor);
  }
  writeFileAtomic(join(out, `y_${split}.npy`), joined(npyHeader([table.count], "<i4"), new Uint8Array(Int32Array.from(table.labels).buffer)));
  onFile("write", target, () => renameSync(partial, target));
}

/** Writes shards and their index; the images of a folder lie in an order that mixes the classes, for those who read shards through. */
async function writeShards(
  out: string,
  tables: Readonly<Record<"train" | "test", ImageTable>>,
  options: ConvertOptions,
  report: (images: number) => void,
): Promise<void> {
  const { shardImages, signal } = options;
  const shards: z.infer<typeof shardsFile>["splits"] = { train: [], test: [] };
  for (const split of SPLITS) {
    const table = tables[split];
    const index = new Float64Array(table.count * INDEX_COLUMNS);
    const listed: { name: string; bytes: number; images: number }[] = [];
    for (let first = 0; first < table.count; first += shardImages) {
      signal?.throwIfAborted();
      const images = Int32Array.from({ length: Math.min(shardImages, table.count - first) }, (_, i) => first + i);
      const name = `${split}-${String(listed.length).padStart(6, "0")}.tar`;
      writeShard(join(out, name), table, images, (i, start, size) =>
        index.set([listed.length, start, size, table.labels[images[i] as number] as number], (first + i) * INDEX_COLUMNS),
      );
      listed.push({ name, bytes: statSync(join(out, name)).size, images: images.length });
      report(images.length);
      // Lets a signal come through.
      await new Promise((resolve) => setImmediate(resolve));
    }
    shards[split] = listed;
    writeFileAtomic(join(out, `${split}-index.npy`), joined(npyHeader([table.count, INDEX_COLUMNS], "<f8"), new Uint8Array(index.buffer)));
  }
  writeFileAtomic(
    join(out, "shards.json"),
    `${JSON.stringify({ format: "gradalign shards", version: 1, splits: shards } satisfies z.infer<typeof shardsFile>)}\n`,
  );
}

/** Writes a shard, or only tells where its images lie if it is there. */
function writeShard(file: string, table: ImageTable, images: Int32Array, place: (i: number, start: number, size: number) => void): void {
  const partial = `${file}.partial`;
  onFile("write", file, () => {
    const descriptor = existsSync(file) ? undefined : openSync(partial, "w");
    let at = 0;
    /** Writes a file with its header; of a shard that is there, counts it. */
    const put = (size: number, name: () => string, content: () => Uint8Array): void => {
      const start = at + TAR_BLOCK;
      if (descriptor !== undefined) {
        const bytes = content();
        writeAll(descriptor, tarHeader(name(), bytes.length), at);
        writeAll(descriptor, bytes, start);
        writeAll(descriptor, tarPadding(bytes.length), start + bytes.length);
      }
      at = start + Math.ceil(size / TAR_BLOCK) * TAR_BLOCK;
    };
    try {
      for (const [i, index] of images.entries()) {
        const [key, size, label] = [String(index).padStart(8, "0"), imageBytes(table, index), new TextEncoder().encode(String(table.labels[index]))];
        const bytes = descriptor === undefined ? new Uint8Array() : readImageFile(table, index);
        place(i, at + TAR_BLOCK, size);
        put(
          size,
          () => `${key}.${ENDINGS[imageFormat(bytes)]}`,
          () => bytes,
        );
        put(
          label.length,
          () => `${key}.cls`,
          () => label,
        );
      }
      if (descriptor !== undefined) {
        writeAll(descriptor, new Uint8Array(2 * TAR_BLOCK), at);
        fsyncSync(descriptor);
      }
    } finally {
      if (descriptor !== undefined) closeSync(descriptor);
    }
    if (descriptor !== undefined) renameSync(partial, file);
    if (statSync(file).size !== at + 2 * TAR_BLOCK) throw new DataError(`${file} has another length than its images; remove it, and it is written again`);
  });
}

const ENDINGS = { jpeg: "jpg", png: "png", webp: "webp" } as const;

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

function writeAll(descriptor: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(descriptor, bytes, done, bytes.length - done, position + done);
}
