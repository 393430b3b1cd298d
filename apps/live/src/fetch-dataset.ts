/** @file Fetches the server's data set part by part, checks every part, and puts them together. */
import { DataError } from "@gradalign/tensor";
import { type ImageDataset, imageDataset } from "gradalign";
import type { DataList, DataPart } from "../../../packages/cli/src/live/data-parts.ts";
import { crc32 } from "./crc32.ts";

const CONNECTIONS = 4;
const ATTEMPTS = 4;
/** Milliseconds before a second attempt; they double with each. */
const PATIENCE = 250;

/**
 * The data set listed at `listUrl`, with the parts beside the list.
 *
 * @throws DataError when the server cannot be reached, or a part stays damaged.
 */
export async function fetchDataset(listUrl: string, onProgress: (receivedBytes: number, totalBytes: number) => void): Promise<ImageDataset> {
  const list = (await (await request(listUrl)).json()) as DataList;
  const { name, classNames, shape, flip, crop, counts, parts } = list;
  const pixels = shape[0] * shape[1] * shape[2];
  const arrays = (count: number) => ({ images: new Uint8Array(count * pixels), labels: new Uint8Array(count) });
  const splits = { train: arrays(counts.train), test: arrays(counts.test) };
  const totalBytes = parts.reduce((sum, part) => sum + part.bytes, 0);
  let receivedBytes = 0;
  onProgress(0, totalBytes);
  const waiting = [...parts];
  const work = async (): Promise<void> => {
    for (let part = waiting.shift(); part; part = waiting.shift()) {
      const bytes = await fetchPart(new URL(part.path, listUrl), part);
      const { images, labels } = splits[part.split];
      images.set(bytes.subarray(0, part.count * pixels), part.first * pixels);
      labels.set(bytes.subarray(part.count * pixels), part.first);
      receivedBytes += part.bytes;
      onProgress(receivedBytes, totalBytes);
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, work));
  return imageDataset({ name, classNames, shape, flip, crop, ...splits });
}

async function fetchPart(url: URL, part: DataPart): Promise<Uint8Array> {
  for (let attempt = 1; ; attempt++) {
    try {
      // A damaged part must not come from the cache again.
      const response = await request(url, attempt > 1 ? { cache: "reload" } : {});
      const bytes = new Uint8Array(await response.arrayBuffer());
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

async function request(url: string | URL, options: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, options);
  } catch (cause) {
    throw new DataError(`cannot reach ${new URL(url).host}; is "gradalign live" still running? Start it and load this page again`, { cause });
  }
  if (!response.ok) throw new DataError(`${new URL(url).pathname}: the server answered ${response.status}; load this page again`);
  return response;
}
