/**
 * @file A run's folder: `config.json` (the settings), `metrics.jsonl` (one evaluation per line), `checkpoints/` (last and best).
 * It can be read while the run goes on, and after it was killed at any moment.
 *
 * The metrics file only grows. A checkpoint notes how long it was and its checksum, so saving costs the same however many evaluations there
 * are, and a resumed run finds exactly the evaluations that belong to its checkpoint.
 */

import { createHash, type Hash } from "node:crypto";
import { appendFileSync, closeSync, existsSync, fsyncSync, openSync, truncateSync } from "node:fs";
import { join } from "node:path";
import type { JsonObject } from "@gradalign/formats";
import type { Alarm, CheckpointManifest, CheckpointSink, Evaluation, TrainConfig } from "@gradalign/robustness";
import { CheckpointError, type RunSeal, requireSameConfig } from "@gradalign/robustness";
import {
  FileError,
  isLocked,
  type LoadCheckpointOptions,
  type Lock,
  type LockOptions,
  loadCheckpoint,
  makeFolder,
  onFile,
  readIfThere,
  readJson,
  readJsonLines,
  readManifests,
  removeLeftovers,
  saveCheckpoint,
  withLock,
  writeFileAtomic,
} from "@gradalign/robustness/node";
import { ConfigError } from "@gradalign/tensor";
import { evaluationForm, trainConfigForm } from "./forms.ts";
import { evaluationLines, evaluationsUpTo, RUN_FILES, RUN_REMEDY, recordOfManifest, type SavedSnapshot } from "./run-files.ts";

/** A run folder. */
export interface Run {
  readonly folder: string;
  readonly config: TrainConfig;
  /** What the newest checkpoint says that the run is; null before the first. */
  readonly seal: RunSeal | null;
  /** What its guard raised up to the newest checkpoint. */
  readonly alarms: readonly Alarm[];
  /** The evaluations written so far, read anew on each access. */
  readonly evaluations: readonly Evaluation[];
  /**
   * The same, for whoever shows them.
   *
   * @throws CheckpointError where they are not those of the newest checkpoint.
   */
  sealedEvaluations(): readonly Evaluation[];
  hasCheckpoint(kind: "last" | "best"): boolean;
  /**
   * The newest checkpoint of that kind that is whole.
   *
   * @throws CheckpointError when there is none.
   */
  loadCheckpoint(kind: "last" | "best", options?: LoadCheckpointOptions): SavedSnapshot;
  /** For train's option `checkpoints`: writes checkpoints and metrics here. */
  readonly sink: CheckpointSink;
}

const { config: CONFIG, metrics: METRICS, checkpoints: CHECKPOINTS } = RUN_FILES;
const LOCK = "run.lock";

/**
 * Makes the folder's lock ours while `work` goes on, so that a run has one writer, and clears up after writers that were killed. A folder
 * that is made for it and into which `work` writes nothing is removed again.
 *
 * @throws BusyError when another process writes there and is not to be waited for; FileError when the folder cannot be made.
 */
export async function withRunLock<T>(folder: string, options: Omit<LockOptions, "what">, work: (lock: Lock) => Promise<T>): Promise<T> {
  const remove = makeFolder(folder);
  try {
    return await withLock(join(folder, LOCK), { what: folder, ...options }, async (lock) => {
      removeLeftovers(folder);
      removeLeftovers(join(folder, CHECKPOINTS));
      return work(lock);
    });
  } finally {
    remove();
  }
}

/** Whether a file in a run folder is a lock or left by a writer: nothing that a new run would write over. */
export function isRunLock(name: string): boolean {
  return name === LOCK || (name.startsWith(`.${LOCK}.`) && name.endsWith(".tmp"));
}

/** Whether a process that lives writes the run, as far as can be told from here. */
export function isRunOwned(folder: string): boolean {
  return isLocked(join(folder, LOCK));
}

/** Whether there is a run in the folder. */
export function isRunFolder(folder: string): boolean {
  return existsSync(join(folder, CONFIG));
}

/**
 * A new run. Its folder gets the settings when training begins: a run that is refused leaves nothing.
 *
 * @param lock makes every write sure that the folder is still ours.
 * @throws ConfigError when the folder already holds a run.
 */
export function createRun(folder: string, config: TrainConfig, lock?: Lock): Run {
  if (isRunFolder(folder)) throw new ConfigError(`createRun: ${folder} already holds a run; resume it, or choose another folder`);
  return runIn(folder, config, null, lock);
}

/**
 * Opens an existing run folder.
 *
 * @param lock as for {@link createRun}.
 * @throws ConfigError when there is no run in it; DataError when its settings cannot be read; CheckpointError when its checkpoints are another
 * run's or all damaged.
 */
export function openRun(folder: string, lock?: Lock): Run {
  const config = readConfig(folder);
  const checkpoints = join(folder, CHECKPOINTS);
  const { manifests, refused } = readManifests(checkpoints, ["last", "best"]);
  const seals = manifests.map((manifest) => {
    const { metrics: _, ...record } = recordOfManifest(manifest, folder);
    requireSameConfig(record.config, config, `${join(folder, CONFIG)} is not what the run began with`);
    return record;
  });
  if (manifests.length === 0 && refused.length > 0) {
    throw new CheckpointError(`no checkpoint in ${folder} can be used (${refused.map(({ file, reason }) => `${file}: ${reason}`).join("; ")})`);
  }
  return runIn(folder, config, seals[0] ?? null, lock, seals.find(({ guard }) => guard)?.guard?.alarms);
}

function runIn(folder: string, config: TrainConfig, seal: RunSeal | null, lock: Lock | undefined, alarms: readonly Alarm[] = []): Run {
  const checkpoints = join(folder, CHECKPOINTS);
  const metrics = join(folder, METRICS);
  return {
    folder,
    config,
    seal,
    alarms,
    get evaluations() {
      return readJsonLines(metrics, evaluationForm, RUN_REMEDY);
    },
    sealedEvaluations() {
      const all = readJsonLines(metrics, evaluationForm, RUN_REMEDY);
      // Later lines than those that the newest checkpoint noted belong to a run that goes on, or was killed.
      const [last] = readManifests(checkpoints, ["last"]).manifests;
      const noted = last && recordOfManifest(last, folder).metrics;
      const known = noted && evaluationsUpTo(noted, readIfThere(metrics) ?? new Uint8Array(), metrics);
      if (typeof known === "string") throw new CheckpointError(`${folder}: ${known}; restore it, or resume the run, which goes on from an earlier checkpoint`);
      return all;
    },
    hasCheckpoint: (kind) => existsSync(join(checkpoints, `${kind}.json`)) || existsSync(join(checkpoints, `${kind}.previous.json`)),
    loadCheckpoint(kind, options) {
      const found: { evaluations?: Evaluation[] } = {};
      const refuse = (manifest: CheckpointManifest): string | undefined => {
        const { metrics: noted } = recordOfManifest(manifest, folder);
        const result = noted && evaluationsUpTo(noted, readIfThere(metrics) ?? new Uint8Array(), metrics);
        if (typeof result === "string") return result;
        if (result) found.evaluations = result;
        return undefined;
      };
      const { manifest, tensors } = loadCheckpoint(checkpoints, kind, { refuse, ...options });
      const { metrics: _, ...run } = recordOfManifest(manifest, folder);
      const { model, iteration, epoch, sha256 } = manifest;
      return { model, iteration, epoch, sha256, run, tensors, ...found };
    },
    sink: runSink(folder, config, lock),
  };
}

/** Writes a run's files. */
function runSink(folder: string, config: TrainConfig, lock: Lock | undefined): CheckpointSink {
  const checkpoints = join(folder, CHECKPOINTS);
  const file = join(folder, METRICS);
  // The metrics file as this process knows it.
  let written: { hash: Hash; bytes: number } | undefined;
  const known = () => {
    written ??= measure(readIfThere(file) ?? new Uint8Array());
    return written;
  };
  return {
    save(kind, { model, iteration, epoch, tensors, run }) {
      lock?.assertHeld();
      const { hash, bytes } = known();
      // What the checkpoint relies on must be on the disk before it is.
      if (bytes > 0) flush(file);
      const metrics = kind === "last" ? { metrics: { bytes, sha256: hash.copy().digest("hex") } } : {};
      saveCheckpoint(checkpoints, { name: kind, model, tensors, iteration, epoch, run: { ...run, ...metrics } as unknown as JsonObject });
      return join(checkpoints, `${kind}.json`);
    },
    record(evaluation) {
      lock?.assertHeld();
      const line = evaluationLines([evaluation]);
      const state = known();
      onFile("write", file, () => appendFileSync(file, line));
      state.hash.update(line);
      state.bytes += line.length;
    },
    rewind(evaluations) {
      lock?.assertHeld();
      if (!isRunFolder(folder)) {
        makeFolder(checkpoints);
        writeFileAtomic(join(folder, CONFIG), `${JSON.stringify(config, undefined, 2)}\n`);
      }
      const content = readIfThere(file) ?? new Uint8Array();
      let kept = firstLines(content, evaluations.length);
      if (!kept) {
        // A snapshot from elsewhere brings its evaluations along.
        kept = evaluationLines(evaluations);
        writeFileAtomic(file, kept);
      } else if (kept.length < content.length) onFile("write", file, () => truncateSync(file, (kept as Uint8Array).length));
      written = measure(kept);
    },
  };
}

function measure(bytes: Uint8Array): { hash: Hash; bytes: number } {
  return { hash: createHash("sha256").update(bytes), bytes: bytes.length };
}

function flush(file: string): void {
  onFile("write", file, () => {
    const descriptor = openSync(file, "r");
    try {
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  });
}

/** The bytes of the first so many lines; undefined if there are fewer. */
function firstLines(bytes: Uint8Array, count: number): Uint8Array | undefined {
  let end = 0;
  for (let line = 0; line < count; line++) {
    const next = bytes.indexOf(0x0a, end);
    if (next < 0) return undefined;
    end = next + 1;
  }
  return bytes.subarray(0, end);
}

function readConfig(folder: string): TrainConfig {
  const file = join(folder, CONFIG);
  try {
    return readJson(file, trainConfigForm, RUN_REMEDY);
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    throw new ConfigError(
      `${folder} is not a run folder: ${existsSync(file) ? error.message : `it has no ${CONFIG}`}; name the folder that train or eval wrote`,
      {
        cause: error,
      },
    );
  }
}
