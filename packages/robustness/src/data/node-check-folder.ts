/** @file One pass over all images of a folder or of shards: which cannot be read, which are there twice, how large they are. */
import { statSync } from "node:fs";
import { DataError } from "@gradalign/tensor";
import type { ImageFormat } from "../images/decode.ts";
import { byCodePoint, type ImageTable, imageName } from "./image-table.ts";
import { type ImageFolderOptions, isImageFolder, listImageFolder } from "./node-image-folder.ts";
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
export function listTables(folder: string, options: ImageFolderOptions & { readonly valFraction: number }) {
  if (!statSync(folder).isDirectory()) throw new DataError(`${folder} must be a folder of images, of shards or of Parquet files; name one`);
  if (isShardFolder(folder)) return { kind: "shards" as const, ignored: [], ...listShards(folder) };
  if (isParquetFolder(folder)) return { kind: "parquet" as const, ignored: [], ...listParquet(folder, { label: "", ...options }) };
  if (isImageFolder(folder)) return { kind: "images" as const, ...listImageFolder(folder, options) };
  throw new DataError(`${folder} has no folders of images, no shards named train-*.tar and no Parquet files; name the folder that has them`);
}

/**
 * Reads and decodes every image once.
 *
 * @throws DataError when the folder has no such form; an unreadable image is a finding, no error.
 */
export async function checkFolder(folder: string, { valFraction = 0, workers = 0, signal, onProgress }: CheckOptions = {}): Promise<FolderCheck> {
  const { kind, classNames, train, test, ignored } = listTables(folder, { valFraction, trainingAlone: true });
  const total = train.count + test.count;
  const at = (i: number) => (i < train.count ? { table: train, index: i } : { table: test, index: i - train.count });
  const nameOf = (i: number): string => imageName(at(i).table, at(i).index);
  const unreadable: { image: string; reason: string }[] = [];
  const formats: Partial<Record<ImageFormat, number>> = {};
  // By number of an image, training first; numbers alone, for millions of images.
  const [widths, heights, digests] = [new Uint32Array(total), new Uint32Array(total), new Float64Array(2 * total)];
  for (const [table, start] of [
    [train, 0],
    [test, train.count],
  ] as const) {
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
            [widths[start + index], heights[start + index]] = [found.width, found.height];
            digests.set(found.digest, 2 * (start + index));
          }
        }
        onProgress?.(start + first + indices.length, total);
      }
    } finally {
      await reader.close();
    }
  }
  const decoded = Uint32Array.from({ length: total }, (_, i) => i).filter((i) => widths[i] !== 0);
  const duplicates = sameFiles(decoded, digests).map((same) => {
    const images = same.map(at);
    return {
      images: same.map(nameOf).sort(byCodePoint),
      leaks: new Set(images.map(({ table }) => table)).size > 1,
      contradicts: new Set(images.map(({ table, index }) => table.labels[index])).size > 1,
    };
  });
  unreadable.sort((a, b) => byCodePoint(a.image, b.image));
  duplicates.sort((a, b) => byCodePoint(a.images[0] as string, b.images[0] as string));
  const counted = (table: ImageTable) => {
    const byClass = classNames.map(() => 0);
    for (const label of table.labels) byClass[label] = (byClass[label] ?? 0) + 1;
    return { images: table.count, byClass };
  };
  const pixels = (i: number): number => (widths[i] as number) * (heights[i] as number);
  const bySize = decoded.sort((a, b) => pixels(a) - pixels(b));
  const size = (place: number): Size => [widths[bySize[place] as number] as number, heights[bySize[place] as number] as number];
  return {
    ...{ kind, classes: classNames, splits: { train: counted(train), test: counted(test) }, formats },
    sizes: bySize.length > 0 ? { smallest: size(0), median: size(bySize.length >> 1), largest: size(bySize.length - 1) } : null,
    ...{ unreadable, duplicates, ignored },
  };
}

/** Groups of images whose files have the same digest, in order of their first. */
function sameFiles(images: Uint32Array, digests: Float64Array): number[][] {
  const compare = (a: number, b: number): number =>
    (digests[2 * a] as number) - (digests[2 * b] as number) || (digests[2 * a + 1] as number) - (digests[2 * b + 1] as number);
  const order = images.slice().sort((a, b) => compare(a, b) || a - b);
  const groups: number[][] = [];
  for (let first = 0, end = 0; first < order.length; first = end) {
    while (end < order.length && compare(order[end] as number, order[first] as number) === 0) end++;
    if (end - first > 1) groups.push([...order.subarray(first, end)]);
  }
  return groups;
}
