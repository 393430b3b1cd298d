/** @file Fetches the server's data set part by part, checks every part, and puts them together. */

import { canonicalJson, crc32, sha256 } from "@gradalign/formats";
import { imageDataset, labelsFor, type ResidentDataset } from "@gradalign/robustness";
import type { DataList, DataPart } from "@gradalign/runs/node";
import { DataError } from "@gradalign/tensor";

const CONNECTIONS = 4;
const ATTEMPTS = 4;
/** Milliseconds before a second attempt; they double with each. */
const PATIENCE = 250;
/** Bytes of a list: about 150 for each part of 2,000 images. */
const MAX_LIST_BYTES = 2 ** 22;
/** Bytes of images and labels; a page's memory ends soon after. */
const MAX_DATA_BYTES = 2 ** 31;

/** The name of a list of parts. */
export const LIST = "list.json";

/**
 * The data set listed at `listUrl`, with the parts beside the list.
 *
 * @throws DataError when the server cannot be reached, its list does not describe a data set, or a part stays damaged.
 */
export async function fetchDataset(listUrl: string, onProgress: (receivedBytes: number, totalBytes: number) => void): Promise<LoadedData> {
  const list = checkedList(await bodyOf(await request(listUrl), MAX_LIST_BYTES, "the list of parts"));
  return assembleDataset(list, (part, attempt) => fetchPart(new URL(part.path, listUrl), part, attempt), onProgress);
}

/** A data set, and what stands for its content. */
export interface LoadedData {
  readonly dataset: ResidentDataset;
  readonly fingerprint: string;
}

/**
 * Puts a data set together.
 *
 * @param take a part's bytes; asked for a few times where they are not the right ones.
 * @throws DataError when a part stays damaged; whatever `take` throws in the end.
 */
export async function assembleDataset(
  { name, classNames, shape, flip, crop, counts, parts, fingerprint }: DataList,
  take: (part: DataPart, attempt: number) => Promise<Uint8Array>,
  onProgress: (receivedBytes: number, totalBytes: number) => void = () => {},
): Promise<LoadedData> {
  const pixels = shape[0] * shape[1] * shape[2];
  const arrays = (count: number) => ({ images: new Uint8Array(count * pixels), labels: labelsFor(count, classNames.length) });
  const splits = { train: arrays(counts.train), test: arrays(counts.test) };
  const totalBytes = parts.reduce((sum, part) => sum + part.bytes, 0);
  let receivedBytes = 0;
  onProgress(0, totalBytes);
  const waiting = [...parts];
  const work = async (): Promise<void> => {
    for (let part = waiting.shift(); part; part = waiting.shift()) {
      const bytes = await wholePart(part, take);
      const { images, labels } = splits[part.split];
      images.set(bytes.subarray(0, part.count * pixels), part.first * pixels);
      new Uint8Array(labels.buffer).set(bytes.subarray(part.count * pixels), part.first * labels.BYTES_PER_ELEMENT);
      receivedBytes += part.bytes;
      onProgress(receivedBytes, totalBytes);
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, work));
  const dataset = imageDataset({ name, classNames, shape, flip, crop, ...splits });
  // Where the server does not know the files that the images came from, the parts' checksums stand for them.
  return { dataset, fingerprint: fingerprint ?? sha256(canonicalJson({ classNames, shape, parts })) };
}

/** A part, if it has its length and its checksum. */
async function wholePart(part: DataPart, take: (part: DataPart, attempt: number) => Promise<Uint8Array>): Promise<Uint8Array> {
  for (let attempt = 1; ; attempt++) {
    try {
      const bytes = await take(part, attempt);
      if (bytes.length !== part.bytes) throw new DataError(`${part.path} must be ${part.bytes} bytes long, got ${bytes.length}`);
      const sum = crc32(bytes);
      if (sum !== part.crc32) throw new DataError(`${part.path} must have the checksum ${part.crc32}, got ${sum}`);
      return bytes;
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
      await new Promise((resolve) => setTimeout(resolve, PATIENCE * 2 ** (attempt - 1)));
    }
  }
}

/** A part from the server; a damaged one must not come from the cache again. */
async function fetchPart(url: URL, part: DataPart, attempt: number): Promise<Uint8Array> {
  return bodyOf(await request(url, attempt > 1 ? { cache: "reload" } : {}), part.bytes, part.path);
}

/** The list, if its parts are all of the data set, each once, and lie beside it. */
export function checkedList(bytes: Uint8Array): DataList {
  const refuse = (rule: string): never => {
    throw new DataError(`the server's list of parts is not one: ${rule}; start "gradalign studio" again and load this page again`);
  };
  const whole = (value: unknown, least: number): value is number => Number.isSafeInteger(value) && (value as number) >= least;
  let list: Partial<DataList> | null = null;
  try {
    list = JSON.parse(new TextDecoder().decode(bytes)) as Partial<DataList> | null;
  } catch {
    refuse("it must be JSON");
  }
  const { classNames, shape, counts, parts, fingerprint } = list ?? {};
  if (!Array.isArray(classNames)) refuse("classNames must be a list");
  if (!Array.isArray(shape) || shape.length !== 3 || !shape.every((size) => whole(size, 1))) refuse("shape must be three sizes");
  if (!whole(counts?.train, 1) || !whole(counts?.test, 1)) refuse("counts must be the numbers of images");
  if (!Array.isArray(parts)) refuse("parts must be a list");
  if (fingerprint !== undefined && !(typeof fingerprint === "string" && fingerprint.length <= 1000)) refuse("fingerprint must be a text");
  const { classNames: classes, shape: sizes, counts: totals, parts: all } = list as DataList;
  const imageBytes = sizes.reduce((product, size) => product * size, 1) + labelsFor(1, classes.length).BYTES_PER_ELEMENT;
  if ((totals.train + totals.test) * imageBytes > MAX_DATA_BYTES) refuse(`the data must have at most ${MAX_DATA_BYTES} bytes`);
  const next = { train: 0, test: 0 };
  for (const part of all as readonly (DataPart | null)[]) {
    if (part?.split !== "train" && part?.split !== "test") return refuse("a part must be of train or test");
    const { split, first, count, path } = part;
    if (first !== next[split] || !whole(count, 1) || part.bytes !== count * imageBytes) refuse("a part must begin where the one before ends");
    if (typeof path !== "string" || !/^[\w-]+\.bin$/.test(path)) refuse("a part's path must be a plain name");
    next[split] += count;
  }
  if (next.train !== totals.train || next.test !== totals.test) refuse("its parts must be all images");
  return list as DataList;
}

/** A response's body, of which no more than `limit` bytes are read. */
async function bodyOf(response: Response, limit: number, what: string): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  const reader = response.body?.getReader();
  for (let next = await reader?.read(); next && !next.done; next = await reader?.read()) {
    size += next.value.length;
    if (size > limit) {
      await reader?.cancel();
      throw new DataError(`${what} must be at most ${limit} bytes long, is longer`);
    }
    pieces.push(next.value);
  }
  const bytes = new Uint8Array(size);
  let filled = 0;
  for (const piece of pieces) {
    bytes.set(piece, filled);
    filled += piece.length;
  }
  return bytes;
}

async function request(url: string | URL, options: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, options);
  } catch (cause) {
    throw new DataError(`cannot reach ${new URL(url).host}; start "gradalign studio" again if it is its server, and load this page again`, { cause });
  }
  if (!response.ok) throw new DataError(`${new URL(url).pathname}: the server answered ${response.status}; load this page again`);
  return response;
}
