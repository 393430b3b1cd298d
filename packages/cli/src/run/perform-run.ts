/** @file One training run from its folder to its report: train, attack the saved models, write the report. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Device } from "@gradalign/tensor";
import { evaluateRobustness, type TrainConfig, type TrainResult, train } from "gradalign";
import { createRun, openRun, type Run } from "gradalign/node";
import { runReport } from "../report/report.ts";
import type { RobustnessRecord } from "../report/report-data.ts";
import { describeRun } from "../settings/describe.ts";
import type { TrainingView } from "../terminal/training-view.ts";
import type { LoadedDataset } from "./dataset.ts";
import { machineOf } from "./device.ts";
import { readReportRun } from "./read-run.ts";
import { noteRobustness, noteSession, readRobustness } from "./run-notes.ts";

/** What a run is performed with. */
export interface RunRequest {
  /** Name of the run in the view. */
  readonly label: string;
  readonly folder: string;
  readonly config: TrainConfig;
  /** Whether the folder holds a run to go on with. */
  readonly resume: boolean;
  readonly data: LoadedDataset;
  readonly device: Device;
  readonly final: FinalAttack;
  readonly view: TrainingView;
  readonly signal: AbortSignal;
}

/** The attack after training. */
export interface FinalAttack {
  /** Name of the attack, or `none` for no evaluation at all. */
  readonly attack: string;
  /** The first so many test images; all if there are fewer. */
  readonly examples: number;
  readonly which: readonly ("last" | "best")[];
}

/** How a run ended. */
export interface RunOutcome {
  readonly interrupted: boolean;
  readonly reportFile: string;
}

/** Performs the run; the report is written even when it was interrupted. */
export async function performRun(request: RunRequest): Promise<RunOutcome> {
  const { label, folder, config, data, device, view, signal } = request;
  const run = request.resume ? openRun(folder) : createRun(folder, config);
  noteSession(folder, { machine: machineOf(device), classes: data.dataset.classNames.length, dataset: data.fingerprint });
  view.event(label, { type: "run", directory: folder, description: describeRun(config), resumed: request.resume, machine: machineOf(device) });
  const resume = request.resume ? resumePoint(run, view) : undefined;
  const result = await train(config, data.dataset, {
    device,
    signal,
    checkpoints: run.sink,
    onEvent: (event) => view.event(label, event),
    ...(resume ? { resume } : {}),
  });
  let { interrupted } = result;
  if (!interrupted) {
    try {
      await attackSaved(request, result);
    } catch (error) {
      if (!signal.aborted) throw error;
      interrupted = true;
    }
  }
  const reportFile = join(folder, "report.html");
  writeFileSync(reportFile, runReport(readReportRun(folder)));
  view.event(label, { type: "report", path: reportFile });
  return { interrupted, reportFile };
}

/** The checkpoint to go on from; none if the run was killed before its first. */
function resumePoint(run: Run, view: TrainingView) {
  const snapshot = run.hasCheckpoint("last")
    ? run.loadCheckpoint("last", { onRefused: ({ file, reason }) => view.note(`${file} is not used: ${reason}`) })
    : undefined;
  if (!snapshot) view.note("the run has no checkpoint yet; starting from its beginning");
  return snapshot;
}

async function attackSaved({ label, folder, config, data, device, final, view, signal }: RunRequest, result: TrainResult): Promise<void> {
  const { attack } = final;
  if (attack === "none") return;
  const { evaluations, best } = result;
  const lastIteration = evaluations.at(-1)?.iteration ?? 0;
  const saved = {
    last: { params: result.params, state: result.state, iteration: lastIteration },
    best: best ?? undefined,
  };
  const done: RobustnessRecord[] = readRobustness(folder);
  for (const which of final.which) {
    const target = saved[which];
    if (!target) continue;
    const { iteration } = target;
    const n = Math.min(final.examples, data.dataset.test.count);
    const isSame = (record: RobustnessRecord) =>
      record.iteration === iteration && record.attack === attack && record.epsilon === config.epsilon && record.n === n && record.seed === config.seed;
    // The best may be the last, and a resumed run may have been attacked before.
    const known = done.find(isSame);
    if (!known) view.event(label, { type: "attacking", attack, which, done: 0, total: n });
    const record: RobustnessRecord = known
      ? { ...known, which }
      : {
          which,
          iteration,
          seed: config.seed,
          ...(await evaluateRobustness(result.model, target.params, target.state, data.dataset.test, {
            device,
            attack,
            epsilon: config.epsilon,
            n,
            seed: config.seed,
            signal,
            onProgress: ({ done: examples, total }) => view.event(label, { type: "attacking", attack, which, done: examples, total }),
          })),
        };
    if (!known || known.which !== which) {
      done.push(record);
      noteRobustness(folder, record);
    }
    view.event(label, { type: "robustness", record });
  }
}
