/** @file A data set cut into parts that a page fetches one by one: bytes, checksums, and the list of them. */
import { basename } from "node:path";
import { crc32 } from "node:zlib";
import { type ResidentDataset, sliceSource } from "@gradalign/robustness";

/** One part: the images `first` … `first + count - 1` of a split as [count, C, H, W], then their `count` labels: bytes for at most 256 classes, little-endian int32 for more. */
export interface DataPart {
  readonly split: "train" | "test";
  readonly first: number;
  readonly count: number;
  /** Length of the part: `count` × (C × H × W + the bytes of a label). */
  readonly bytes: number;
  /** CRC-32 (as in gzip and PNG) of the part's bytes. */
  readonly crc32: number;
  /** Where it is, relative to the list. */
  readonly path: string;
}

/** All a page must know to put the data set together again; served as JSON at {@link DATA_LIST}. */
export interface DataList extends Pick<ResidentDataset, "classNames" | "shape" | "flip" | "crop"> {
  /** A known data set's name, or a folder's own name and a slash: where the folder lies is nobody's business. */
  readonly name: string;
  /** Number of images of each split. */
  readonly counts: { readonly train: number; readonly test: number };
  readonly parts: readonly DataPart[];
  /** What stands for the content of the files that the images came from; absent where that is not known. */
  readonly fingerprint?: string;
}

/** A list and the parts' bytes by their path. */
export interface ServedData {
  readonly list: DataList;
  readonly bytes: ReadonlyMap<string, readonly Uint8Array[]>;
}

/** About 6 MB of CIFAR-10: small enough to show progress and to fetch again, large enough to cost few requests. */
const IMAGES_PER_PART = 2000;

/** Cuts the data set; the parts share its memory. */
export function cutIntoParts(dataset: ResidentDataset, fingerprint?: string, imagesPerPart: number = IMAGES_PER_PART): ServedData {
  const { classNames, shape, flip, crop } = dataset;
  // A folder is told by its last part, and by the slash from a known name.
  const name = dataset.name === basename(dataset.name) ? dataset.name : `${basename(dataset.name)}/`;
  const parts: DataPart[] = [];
  const bytes = new Map<string, readonly Uint8Array[]>();
  for (const split of ["train", "test"] as const) {
    const { count: total } = dataset[split];
    for (let first = 0; first < total; first += imagesPerPart) {
      const { images, labels, count } = sliceSource(dataset[split], first, Math.min(imagesPerPart, total - first));
      const content = [images, new Uint8Array(labels.buffer, labels.byteOffset, labels.byteLength)];
      const sum = content.reduce((crc, piece) => crc32(piece, crc), 0);
      // The checksum in the name lets browsers keep a part for ever.
      const path = `${split}-${first}-${sum.toString(16).padStart(8, "0")}.bin`;
      parts.push({ split, first, count, bytes: images.length + labels.byteLength, crc32: sum, path });
      bytes.set(path, content);
    }
  }
  const counts = { train: dataset.train.count, test: dataset.test.count };
  return { list: { name, classNames, shape, flip, crop, counts, parts, ...(fingerprint === undefined ? {} : { fingerprint }) }, bytes };
}
