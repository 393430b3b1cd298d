/**
 * @file A run's folder as files by name, wherever they lie: `config.json`, `metrics.jsonl`, `session.json` and `checkpoints/`. What is written
 * here a command goes on with, and what a command wrote is read here.
 */
import { type JsonObject, sha256 } from "@gradalign/formats";
import {
  CheckpointError,
  type CheckpointManifest,
  checkForm,
  decodeManifest,
  decodeTensors,
  type Evaluation,
  encodeCheckpoint,
  parseJsonForm,
  parseJsonLines,
  requireSameConfig,
  type Snapshot,
  type TrainConfig,
} from "@gradalign/robustness";
import { ConfigError } from "@gradalign/tensor";
import type { z } from "zod";
import type { RunMachine } from "../run/run-data.ts";
import type { RunSettings } from "../settings/run-options.ts";
import { evaluationForm, runRecordForm, trainConfigForm } from "./forms.ts";

/** Names in a run's folder. */
export const RUN_FILES = { config: "config.json", metrics: "metrics.jsonl", session: "session.json", checkpoints: "checkpoints" } as const;
/** What to do about one that is damaged. */
export const RUN_REMEDY = "restore it, or start a new run";

/** A run's surroundings. */
export interface RunSession {
  readonly machine: RunMachine;
  /** Settings that are not the training's: what computes, and the final attack; those that were given. */
  readonly asked: RunSettings;
  /** Share of the commonest class among the test images of evaluations; older runs do not say. */
  readonly majority?: number;
}

/** A checkpoint's content. */
export interface SavedSnapshot extends Snapshot {
  /** Of its file of tensors, hex. */
  readonly sha256: string;
}

/** A run, as far as it has come. */
export interface RunContent {
  /** With the evaluations so far. */
  readonly last: Snapshot;
  readonly best: Snapshot | null;
  readonly session: RunSession;
}

/** What a folder holds. */
export interface ReadRun {
  readonly config: TrainConfig;
  readonly last: SavedSnapshot;
  readonly best: SavedSnapshot | null;
}

/** The run's files, by their path in its folder. */
export function runFiles({ last, best, session }: RunContent): Map<string, Uint8Array> {
  const metrics = evaluationLines(last.evaluations ?? []);
  const files = new Map([
    [RUN_FILES.config, textBytes(`${JSON.stringify(last.run.config, undefined, 2)}\n`)],
    [RUN_FILES.metrics, metrics],
    [RUN_FILES.session, textBytes(`${JSON.stringify(session, undefined, 2)}\n`)],
  ] as [string, Uint8Array][]);
  const add = (name: string, { model, tensors, iteration, epoch, run }: Snapshot, more: object): void => {
    const { manifest, manifestFile, tensorFile } = encodeCheckpoint({
      name,
      model,
      tensors,
      iteration,
      epoch,
      run: { ...run, ...more } as unknown as JsonObject,
    });
    files.set(`${RUN_FILES.checkpoints}/${name}.json`, manifestFile);
    files.set(`${RUN_FILES.checkpoints}/${manifest.tensors}`, tensorFile);
  };
  add("last", last, { metrics: { bytes: metrics.length, sha256: sha256(metrics) } });
  if (best) add("best", best, {});
  return files;
}

/**
 * Reads a run's files.
 *
 * @param read a file by its path in the folder; undefined where it is not there.
 * @throws ConfigError when they are no run's; DataError when the settings cannot be read; CheckpointError when no checkpoint `last` can be used.
 */
export async function readRunFiles(read: (path: string) => Promise<Uint8Array | undefined>, folder: string): Promise<ReadRun> {
  const found = await read(RUN_FILES.config);
  if (!found) throw new ConfigError(`${folder} is not a run folder: it has no ${RUN_FILES.config}; choose the folder that train wrote, or a .tar of it`);
  const config = parseJsonForm(new TextDecoder().decode(found), `${folder}/${RUN_FILES.config}`, trainConfigForm, RUN_REMEDY);
  const metrics = (await read(RUN_FILES.metrics)) ?? new Uint8Array();
  const load = async (name: string): Promise<SavedSnapshot | string> => {
    const refused: string[] = [];
    for (const file of [`${name}.json`, `${name}.previous.json`]) {
      const bytes = await read(`${RUN_FILES.checkpoints}/${file}`);
      const result = bytes && (await readCheckpoint(bytes));
      if (typeof result === "object") return result;
      if (result) refused.push(`${file}: ${result}`);
    }
    return refused.join("; ") || `${name}.json does not exist`;
  };
  const readCheckpoint = async (bytes: Uint8Array): Promise<SavedSnapshot | string> => {
    try {
      const manifest = decodeManifest(bytes);
      const { metrics: noted, ...run } = recordOfManifest(manifest, folder);
      requireSameConfig(run.config, config, `${folder}/${RUN_FILES.config} is not what the run began with`);
      const content = await read(`${RUN_FILES.checkpoints}/${manifest.tensors}`);
      if (!content) return `its tensor file ${manifest.tensors} does not exist`;
      const tensors = decodeTensors(manifest, content);
      const evaluations = noted && evaluationsUpTo(noted, metrics, `${folder}/${RUN_FILES.metrics}`);
      if (typeof tensors === "string") return tensors;
      if (typeof evaluations === "string") return evaluations;
      const { model, iteration, epoch, sha256: sum } = manifest;
      return { model, iteration, epoch, sha256: sum, run, tensors, ...(evaluations ? { evaluations } : {}) };
    } catch (error) {
      if (error instanceof CheckpointError) return error.message;
      throw error;
    }
  };
  const [last, best] = [await load("last"), await load("best")];
  if (typeof last === "string") throw new CheckpointError(`no checkpoint in ${folder} can be used (${last}); choose a run that has come to its first one`);
  return { config, last, best: typeof best === "string" ? null : best };
}

/** Evaluations as `metrics.jsonl` has them. */
export function evaluationLines(evaluations: readonly Evaluation[]): Uint8Array {
  return textBytes(evaluations.map((evaluation) => `${JSON.stringify(evaluation)}\n`).join(""));
}

/** The evaluations that a checkpoint noted, of the file's content, or why they cannot be had. */
export function evaluationsUpTo(
  { bytes, sha256: expected }: { readonly bytes: number; readonly sha256: string },
  content: Uint8Array,
  file: string,
): Evaluation[] | string {
  if (content.length < bytes) return `its evaluations are lost: ${file} has ${content.length} bytes, the checkpoint needs ${bytes}`;
  const own = content.subarray(0, bytes);
  const found = sha256(own);
  if (found !== expected)
    return `its evaluations are altered: the first ${bytes} bytes of ${file} have sha256 ${found.slice(0, 12)}…, expected ${expected.slice(0, 12)}…`;
  return parseJsonLines(new TextDecoder().decode(own), file, evaluationForm, RUN_REMEDY);
}

/** What a manifest says of its run. */
export function recordOfManifest({ run, tensors }: CheckpointManifest, folder: string): z.output<typeof runRecordForm> {
  return checkForm(run, `${folder}/${RUN_FILES.checkpoints}/${tensors}'s manifest`, runRecordForm, RUN_REMEDY);
}

function textBytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
