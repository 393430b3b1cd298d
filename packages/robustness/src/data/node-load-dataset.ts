/**
 * @file Loads a known data set on Node: from the cache folder, or else from the network, verified either way.
 *
 * The cache holds a data set's official files. Where they come from does not matter, a download or the user's own hand: the
 * checksum of every file decides.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { DataError, GradalignError } from "@gradalign/tensor";
import { makeFolder, removeLeftovers, writeFileAtomic } from "../files/node-atomic-file.ts";
import { FileError } from "../files/node-file-error.ts";
import { withLock } from "../files/node-lock.ts";
import { inflated, readAll } from "./byte-reader.ts";
import type { ResidentDataset } from "./dataset.ts";
import { type DatasetDefinition, type DatasetFile, type DatasetSource, readDataset, type SourcePart } from "./definition.ts";
import { type DatasetName, datasetNamed } from "./index.ts";
import { readArchive } from "./node-archive.ts";
import { dataFolder } from "./node-cache-folder.ts";
import { downloadFile, fileExists, fileProblem } from "./node-download.ts";
import { type HttpRoute, httpRoute, UnreachableError } from "./node-http.ts";
import { type NpmConfig, npmAuthorization, npmTarball, readNpmConfig } from "./node-npm-config.ts";

/** What happens while data are fetched, for a progress display. */
export type DataEvent =
  | {
      readonly type: "progress";
      readonly source: string;
      /** Name of the file that is being downloaded. */
      readonly file: string;
      readonly receivedBytes: number;
      readonly totalBytes: number;
      /** Seconds left at the mean speed so far; undefined before the first byte. */
      readonly etaSeconds: number | undefined;
    }
  | { readonly type: "retry" | "fallback"; readonly source: string; readonly reason: string }
  | { readonly type: "unpack"; readonly source: string }
  | { readonly type: "wait"; readonly reason: string };

/** Options of {@link loadDataset}. */
export interface LoadDatasetOptions {
  /** Data folder; `$GRADALIGN_DATA` or the platform's cache folder unless set. */
  readonly cacheDir?: string | undefined;
  readonly onProgress?: ((event: DataEvent) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Never touch the network. */
  readonly offline?: boolean | undefined;
  /** Milliseconds to wait for a source's answer; 10 s unless set. */
  readonly connectTimeoutMs?: number | undefined;
  /** Milliseconds without a byte before a connection counts as broken; 30 s unless set. */
  readonly idleTimeoutMs?: number | undefined;
  /** Milliseconds before a broken connection is first taken up again, doubling with each failure in a row; 500 unless set. */
  readonly retryDelayMs?: number | undefined;
}

/**
 * Loads a data set, downloading what the cache folder does not hold.
 *
 * Every load checks the checksums of all files; a damaged file is refused, never repaired behind the user's back.
 * @throws DataError when a cached file is damaged or no source can be used; the signal's reason when aborted.
 * @example
 * const cifar10 = await loadDataset("cifar10", { onProgress: (event) => console.error(event) });
 */
export async function loadDataset(which: DatasetName | DatasetDefinition, options: LoadDatasetOptions = {}): Promise<ResidentDataset> {
  const definition = typeof which === "string" ? datasetNamed(which) : which;
  const { signal, onProgress } = options;
  const root = dataFolder(options.cacheDir);
  const folder = join(root, definition.folder);
  signal?.throwIfAborted();
  try {
    if ((await missingFiles(folder, definition.files)).length > 0) {
      makeFolder(folder);
      await withLock(
        join(root, `${definition.name}.lock`),
        {
          what: root,
          signal,
          onWait: (holder) => onProgress?.({ type: "wait", reason: `another process is fetching ${definition.title} into ${root} (${holder})` }),
          onTakeOver: (holder) => onProgress?.({ type: "wait", reason: `${root}: the lock of a process that is gone (${holder}) is taken over` }),
        },
        async () => {
          removeLeftovers(folder);
          // Whoever held the lock before may have filled the cache.
          return fill(folder, await missingFiles(folder, definition.files), definition, options);
        },
      );
    }
    return await readDataset(definition, (name) => createReadStream(join(folder, name), { highWaterMark: 1 << 20, ...(signal ? { signal } : {}) }));
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof GradalignError && !(error instanceof FileError)) throw error;
    throw new DataError(
      `loadDataset: cannot use the data folder ${root}: ${(error as Error).message}; make it writable, or choose another with cacheDir or GRADALIGN_DATA`,
      { cause: error },
    );
  }
}

/** The files that are not there; those that are there must be whole. */
async function missingFiles(folder: string, files: readonly DatasetFile[]): Promise<DatasetFile[]> {
  const missing: DatasetFile[] = [];
  for (const file of files) {
    const path = join(folder, file.name);
    if (!(await fileExists(path))) missing.push(file);
    else {
      const problem = await fileProblem(path, file.bytes, file.checksum);
      if (problem !== undefined) throw new DataError(`${problem}; delete this file to have it fetched again`);
    }
  }
  return missing;
}

/** A data set's folder while it is being filled. */
interface Filling {
  readonly definition: DatasetDefinition;
  readonly folder: string;
  readonly npm: NpmConfig;
  readonly route: HttpRoute;
  readonly options: LoadDatasetOptions;
}

/** Puts the missing files into the folder, from the first source that works. */
async function fill(folder: string, missing: readonly DatasetFile[], definition: DatasetDefinition, options: LoadDatasetOptions): Promise<void> {
  const { onProgress, signal } = options;
  const { sources, title } = definition;
  const npm = readNpmConfig();
  const filling: Filling = { definition, folder, npm, route: httpRoute(npm), options };
  const wanted = await unpackByHand(folder, missing);
  if (wanted.length === 0) return;
  const reasons: string[] = [];
  for (const source of sources) {
    try {
      await fillFrom(source, wanted, filling);
      for (const part of sources.flatMap(({ layout, parts }) => (layout === "files" ? [] : parts))) {
        for (const suffix of ["", ".part", ".part.json"]) await rm(join(folder, part.fileName + suffix), { force: true });
      }
      return;
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof DataError) && !(error instanceof UnreachableError)) throw error;
      reasons.push(`${source.name}: ${error.message}`);
      if (source !== sources.at(-1)) onProgress?.({ type: "fallback", source: source.name, reason: error.message });
    }
  }
  const byHand = sources.map((source) => partsFor(source, wanted).map(({ fileName }) => fileName));
  const put = `put ${byHand.map((names) => names.join(", ")).join(" or ")} into ${folder}`;
  const remedy = options.offline ? `allow the network, or ${put}` : `check the network, HTTPS_PROXY and npm's registry setting, or ${put}`;
  throw new DataError(`loadDataset: ${title} is not in ${folder} and no source could be used (${reasons.join("; ")}); ${remedy}`);
}

/** Uses files that somebody has put there as NAME.gz, whatever compressed them; says which are still wanted. */
async function unpackByHand(folder: string, missing: readonly DatasetFile[]): Promise<DatasetFile[]> {
  const wanted: DatasetFile[] = [];
  for (const file of missing) {
    const path = join(folder, `${file.name}.gz`);
    if (await fileExists(path)) {
      const bytes = await gunzip(path, file);
      if (contentProblem(file, bytes) === undefined) {
        writeFileAtomic(join(folder, file.name), bytes);
        continue;
      }
    }
    wanted.push(file);
  }
  return wanted;
}

/** Downloads what is needed of a source, unless it lies there already, and stores the wanted files. */
async function fillFrom(source: DatasetSource, wanted: readonly DatasetFile[], filling: Filling): Promise<void> {
  const { definition, folder, options } = filling;
  const { name, layout } = source;
  for (const part of partsFor(source, wanted)) {
    const archive = join(folder, part.fileName);
    await providePart(name, part, archive, filling);
    if (layout === "files") continue;
    options.onProgress?.({ type: "unpack", source: name });
    try {
      const files = layout === "gzip" ? wanted.filter((file) => part.fileName === `${file.name}.gz`) : wanted;
      const contents =
        layout === "gzip"
          ? new Map(await Promise.all(files.map(async (file) => [file.name, await gunzip(archive, file)] as const)))
          : await readArchive(archive, layout, definition.files, options.signal);
      for (const file of files) {
        const bytes = contents.get(file.name);
        const problem = bytes ? contentProblem(file, bytes) : "not in the archive";
        if (problem) throw new DataError(`${file.name} from ${name}: ${problem}`);
      }
      for (const file of files) writeFileAtomic(join(folder, file.name), contents.get(file.name) as Uint8Array);
    } catch (error) {
      // A part that cannot give its files is of no use.
      if (!options.signal?.aborted) await rm(archive, { force: true });
      throw error;
    }
  }
}

/** The parts that hold these files. */
function partsFor({ layout, parts }: DatasetSource, wanted: readonly DatasetFile[]): readonly SourcePart[] {
  if (layout !== "files" && layout !== "gzip") return parts;
  const suffix = layout === "gzip" ? ".gz" : "";
  return parts.filter(({ fileName }) => wanted.some(({ name }) => fileName === name + suffix));
}

/** Unpacks a file that should hold `wanted`; anything longer is not read to its end. */
function gunzip(path: string, wanted: DatasetFile): Promise<Uint8Array> {
  const remedy = "delete this file to have it fetched again";
  return readAll(inflated(createReadStream(path), "gzip", path, remedy), wanted.bytes, path, remedy);
}

function contentProblem({ bytes, checksum }: DatasetFile, content: Uint8Array): string | undefined {
  const { algorithm, encoding, digest } = checksum;
  const found = createHash(algorithm).update(content).digest(encoding);
  if (found === digest && content.length === bytes) return undefined;
  return `expected ${bytes} bytes with ${algorithm} ${digest}, found ${content.length} bytes with ${algorithm} ${found}`;
}

/** Makes a part lie in the cache with the right checksum. */
async function providePart(source: string, part: SourcePart, file: string, { npm, route, options }: Filling): Promise<void> {
  const { onProgress, signal, offline = false, connectTimeoutMs = 10_000, idleTimeoutMs = 30_000, retryDelayMs = 500 } = options;
  const { bytes, checksum, fileName } = part;
  const problem = await fileProblem(file, bytes, checksum);
  if (problem === undefined) return;
  if (offline) throw new DataError(`offline, and ${problem}`);
  const { url, headers } = addressOf(part, npm);
  await downloadFile({
    ...{ url, headers, file, bytes, checksum, route, connectTimeoutMs, idleTimeoutMs, retryDelayMs, signal },
    onProgress: (receivedBytes, etaSeconds) => onProgress?.({ type: "progress", source, file: fileName, receivedBytes, totalBytes: bytes, etaSeconds }),
    onRetry: (reason) => onProgress?.({ type: "retry", source, reason }),
  });
}

/** Where a part is to be had, and with which headers; `npm:NAME@VERSION` becomes an address of the user's registry. */
export function addressOf({ url, headers = {} }: SourcePart, npm: NpmConfig): { url: string; headers: Readonly<Record<string, string>> } {
  if (!url.startsWith("npm:")) return { url, headers };
  const tarball = npmTarball(npm, url.slice("npm:".length));
  const authorization = npmAuthorization(npm, tarball);
  return { url: tarball, headers: authorization ? { ...headers, authorization } : headers };
}
