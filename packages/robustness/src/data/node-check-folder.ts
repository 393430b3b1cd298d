/** @file One pass over all images of a folder or of shards: which cannot be read, which are there twice, how large they are. */
import { statSync } from "node:fs";
import { DataError } from "@gradalign/tensor";
import type { ImageFormat } from "../images/decode.ts";
import { byCodePoint, type ImageTable, imageName } from "./image-table.ts";
import { isImageFolder, listImageFolder } from "./node-image-folder.ts";
import { FINDING_BYTES, readFinding } from "./node-image-inspector.ts";
import { isParquetFolder, listParquet } from "./node-parquet.ts";
import { isShardFolder, listShards } from "./node-shards.ts";
import { builtModule, streamedSplit } from "./node-streamed.ts";

/** What was found. Images are named by their file below the folder. */
export interface FolderCheck {
  readonly kind: "images" | "shards" | "parquet";
  readonly classes: readonly string[];
  /** By split: how many images, and how many of each class. */
  readonly splits: Readonly<Record<"train" | "test", { readonly images: number; readonly byClass: readonly number[] }>>;
  readonly formats: Readonly<Partial<Record<ImageFormat, number>>>;
  /** Widths and heights: of the image with the fewest pixels, the one in the middle, and the one with the most. */
  readonly sizes: { readonly smallest: Size; readonly median: Size; readonly largest: Size } | null;
  readonly unreadable: readonly { readonly image: string; readonly reason: string }[];
  /** Images whose files are the same, byte for byte; `leaks` when one is evaluated and another trained on, `contradicts` when classes differ. */
  readonly duplicates: readonly { readonly images: readonly string[]; readonly leaks: boolean; readonly contradicts: boolean }[];
  /** Files that were passed over: no images by their names, and links that lead out of the folder. */
  readonly ignored: readonly string[];
}

type Size = readonly [width: number, height: number];

/** What may be said to {@link checkFolder}. */
export interface CheckOptions {
  readonly valFraction?: number;
  /** Threads; 0 for none but the caller's. */
  readonly workers?: number;
  readonly signal?: AbortSignal;
  onProgress?(done: number, total: number): void;
}

/** Images that are asked for at once. */
const CHUNK = 128;

/** The tables of a folder of images, shards or Parquet files; errors as in {@link listImageFolder}, {@link listShards} and {@link listParquet}. */
export function listTables(folder: string, valFraction: number) {
  if (!statSync(folder).isDirectory()) throw new DataError(`${folder} must be a folder of images, of shards or of Parquet files; name one`);
  if (isShardFolder(folder)) return { kind: "shards" as const, ignored: [], ...listShards(folder) };
  if (isParquetFolder(folder)) return { kind: "parquet" as const, ignored: [], ...listParquet(folder, { label: "", valFraction }) };
  if (isImageFolder(folder)) return { kind: "images" as const, ...listImageFolder(folder, { valFraction }) };
  throw new DataError(`${folder} has no folders of images, no shards named train-*.tar and no Parquet files; name the folder that has them`);
}

/**
 * Reads and decodes every image once.
 *
 * @throws DataError when the folder has no such form; an unreadable image is a finding, no error.
 */
export async function checkFolder(folder: string, { valFraction = 0, workers = 0, signal, onProgress }: CheckOptions = {}): Promise<FolderCheck> {
  const { kind, classNames, train, test, ignored } = listTables(folder, valFraction);
  const total = train.count + test.count;
  const unreadable: { image: string; reason: string }[] = [];
  const formats: Partial<Record<ImageFormat, number>> = {};
  const seen = new Map<string, { readonly table: ImageTable; readonly index: number }[]>();
  const sizes: Size[] = [];
  let done = 0;
  for (const table of [train, test]) {
    const { labels } = table;
    const source = streamedSplit({ labels, shape: [1, 1, FINDING_BYTES], module: builtModule("./node-image-inspector.ts", import.meta.url), data: table });
    const reader = await source.open(workers);
    try {
      for (let first = 0; first < table.count; first += CHUNK) {
        signal?.throwIfAborted();
        const indices = Int32Array.from({ length: Math.min(CHUNK, table.count - first) }, (_, i) => first + i);
        const bytes = new Uint8Array(new SharedArrayBuffer(indices.length * FINDING_BYTES));
        await reader.read(indices, null, bytes);
        for (const [i, index] of indices.entries()) {
          const found = readFinding(bytes.subarray(i * FINDING_BYTES, (i + 1) * FINDING_BYTES));
          if ("reason" in found) unreadable.push({ image: imageName(table, index), reason: found.reason });
          else {
            formats[found.format] = (formats[found.format] ?? 0) + 1;
            sizes.push([found.width, found.height]);
            const others = seen.get(found.hash);
            if (others) others.push({ table, index });
            else seen.set(found.hash, [{ table, index }]);
          }
        }
        done += indices.length;
        onProgress?.(done, total);
      }
    } finally {
      await reader.close();
    }
  }
  const duplicates = [...seen.values()]
    .filter((images) => images.length > 1)
    .map((images) => ({
      images: images.map(({ table, index }) => imageName(table, index)).sort(byCodePoint),
      leaks: new Set(images.map(({ table }) => table)).size > 1,
      contradicts: new Set(images.map(({ table, index }) => table.labels[index])).size > 1,
    }));
  unreadable.sort((a, b) => byCodePoint(a.image, b.image));
  duplicates.sort((a, b) => byCodePoint(a.images[0] as string, b.images[0] as string));
  const counted = (table: ImageTable) => {
    const byClass = classNames.map(() => 0);
    for (const label of table.labels) byClass[label] = (byClass[label] ?? 0) + 1;
    return { images: table.count, byClass };
  };
  sizes.sort(([a, b], [c, d]) => a * b - c * d);
  const [smallest, median, largest] = [sizes[0], sizes[sizes.length >> 1], sizes[sizes.length - 1]];
  return {
    ...{ kind, classes: classNames, splits: { train: counted(train), test: counted(test) }, formats },
    sizes: smallest && median && largest ? { smallest, median, largest } : null,
    ...{ unreadable, duplicates, ignored },
  };
}
