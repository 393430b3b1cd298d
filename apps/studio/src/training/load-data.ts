/** @file The images, from a list of parts or from files that were dropped, with what stands for their content. */
import { sha256 } from "@gradalign/formats";
import { type DatasetDefinition, type DatasetFile, datasetFingerprint, datasets, readDataset } from "@gradalign/robustness";
import { DataError } from "@gradalign/tensor";
import { baseName, type NamedFile } from "../files.ts";
import { assembleDataset, checkedList, LIST, type LoadedData } from "./fetch-dataset.ts";
import { bytesOf, unpacked } from "./files.ts";

/** Bytes at a time. */
const PIECE = 2 ** 20;

/**
 * The data set that dropped files are: the official files of a known one, packed or not, or a list with its parts.
 *
 * @throws DataError when they are none, or one of them is damaged.
 */
export async function datasetOfFiles(dropped: readonly NamedFile[]): Promise<LoadedData> {
  const files = new Map((await unpacked(dropped)).map(({ path, file }) => [baseName(path), file]));
  const list = files.get(LIST);
  if (list) {
    return assembleDataset(checkedList(await bytesOf(list)), async ({ path }) => {
      const part = files.get(path);
      if (!part) throw new DataError(`${path}, a part of the data, is not among the files; drop all of them together`);
      return bytesOf(part);
    });
  }
  const known: readonly DatasetDefinition[] = Object.values(datasets);
  const definition = known.find((one) => one.files.every(({ name }) => files.has(name)));
  if (!definition) {
    const sets = known.map(({ title, files: own }) => `${title} (${own.map(({ name }) => name).join(", ")})`);
    throw new DataError(
      `${dropped.length === 1 ? "this file is" : `these ${dropped.length} files are`} no data set: drop all files of one of ${sets.join("; ")}, or ${LIST} with its parts`,
    );
  }
  const sums = await Promise.all(definition.files.map((file) => checkFile(file, files.get(file.name) as Blob)));
  const open = (name: string): AsyncIterable<Uint8Array> => pieces(files.get(name) as Blob);
  const dataset = await readDataset(definition, open);
  // What could not be checked stands for itself.
  return { dataset, fingerprint: sums.every(Boolean) ? datasetFingerprint(definition) : await contentSum(definition, files) };
}

/** Whether a file has its checksum; browsers know some kinds, on secure pages. */
async function checkFile({ name, bytes, checksum: { algorithm, encoding, digest } }: DatasetFile, file: Blob): Promise<boolean> {
  if (file.size !== bytes) throw new DataError(`${name} must be ${bytes} bytes long, got ${file.size}; get it again`);
  const kinds: Readonly<Record<string, string>> = { sha1: "SHA-1", sha256: "SHA-256", sha512: "SHA-512" };
  const kind = kinds[algorithm];
  if (kind === undefined || !globalThis.isSecureContext) return false;
  const found = new Uint8Array(await crypto.subtle.digest(kind, await file.arrayBuffer()));
  const text = encoding === "hex" ? Array.from(found, (byte) => byte.toString(16).padStart(2, "0")).join("") : btoa(String.fromCharCode(...found));
  if (text !== digest) throw new DataError(`${name} must have the ${algorithm} ${digest}, got ${text}; get it again`);
  return true;
}

async function contentSum({ files: own }: DatasetDefinition, files: ReadonlyMap<string, Blob>): Promise<string> {
  const sums: string[] = [];
  for (const { name } of own) sums.push(sha256(await bytesOf(files.get(name) as Blob)));
  return sha256(sums.join(""));
}

async function* pieces(file: Blob): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < file.size; start += PIECE) yield bytesOf(file.slice(start, start + PIECE));
}
