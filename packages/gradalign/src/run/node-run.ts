/**
 * @file A run's folder: `config.json` (the settings), `metrics.jsonl` (one evaluation per line), `checkpoints/` (last and best).
 * It can be read while the run goes on, and after it was killed at any moment.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ConfigError, DataError } from "@gradalign/tensor";
import { type LoadCheckpointOptions, loadCheckpoint, saveCheckpoint } from "../checkpoint/node-store.ts";
import { writeFileAtomic } from "../files/node-atomic-file.ts";
import type { TrainConfig } from "../train/config.ts";
import type { Evaluation } from "../train/events.ts";
import type { CheckpointSink, Snapshot } from "../train/snapshot.ts";

/** A run folder. */
export interface Run {
  readonly folder: string;
  readonly config: TrainConfig;
  /** The evaluations written so far, read anew on each access. */
  readonly evaluations: readonly Evaluation[];
  hasCheckpoint(kind: "last" | "best"): boolean;
  /**
   * The newest checkpoint of that kind that is whole.
   *
   * @throws CheckpointError when there is none.
   */
  loadCheckpoint(kind: "last" | "best", options?: LoadCheckpointOptions): Snapshot;
  /** For train's option `checkpoints`: writes checkpoints and metrics here. */
  readonly sink: CheckpointSink;
}

const CONFIG = "config.json";
const METRICS = "metrics.jsonl";
const CHECKPOINTS = "checkpoints";

/**
 * Makes a run folder and stores the settings in it.
 *
 * @throws ConfigError when the folder already holds a run.
 */
export function createRun(folder: string, config: TrainConfig): Run {
  const file = join(folder, CONFIG);
  if (existsSync(file)) throw new ConfigError(`createRun: ${folder} already holds a run; resume it, or choose another folder`);
  mkdirSync(join(folder, CHECKPOINTS), { recursive: true });
  writeFileAtomic(file, encode(JSON.stringify(config, undefined, 2)));
  return openRun(folder);
}

/**
 * Opens an existing run folder.
 *
 * @throws ConfigError when there is no run in it; DataError when its settings cannot be read.
 */
export function openRun(folder: string): Run {
  const config = readConfig(folder);
  const checkpoints = join(folder, CHECKPOINTS);
  const metrics = join(folder, METRICS);
  return {
    folder,
    config,
    get evaluations() {
      return readMetrics(metrics);
    },
    hasCheckpoint: (kind) => existsSync(join(checkpoints, `${kind}.json`)) || existsSync(join(checkpoints, `${kind}.previous.json`)),
    loadCheckpoint(kind, options) {
      const { manifest, tensors } = loadCheckpoint(checkpoints, kind, options);
      const { model, iteration, epoch, run } = manifest;
      return { model, iteration, epoch, run, tensors };
    },
    sink: {
      save(kind, { model, iteration, epoch, tensors, run }) {
        saveCheckpoint(checkpoints, { name: kind, model, tensors, iteration, epoch, run });
        return join(checkpoints, `${kind}.json`);
      },
      record(evaluation) {
        appendFileSync(metrics, `${JSON.stringify(evaluation)}\n`);
      },
      rewind(evaluations) {
        writeFileAtomic(metrics, encode(evaluations.map((evaluation) => `${JSON.stringify(evaluation)}\n`).join("")));
      },
    },
  };
}

function readConfig(folder: string): TrainConfig {
  const file = join(folder, CONFIG);
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new ConfigError(`openRun: ${folder} is not a run folder (${(error as Error).message}); name the folder that train wrote`, { cause: error });
  }
  try {
    return JSON.parse(text) as TrainConfig;
  } catch (error) {
    throw new DataError(`openRun: ${file} is not JSON (${(error as Error).message}); restore it, or start a new run`, { cause: error });
  }
}

function readMetrics(file: string): Evaluation[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").split("\n");
  return lines.flatMap((line) => {
    try {
      return line === "" ? [] : [JSON.parse(line) as Evaluation];
    } catch {
      // Cut off by a kill: as if never written.
      return [];
    }
  });
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
