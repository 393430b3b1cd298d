/** @file One training run from its folder to its report: train, attack the saved models, write the report. */
import { join } from "node:path";
import {
  type Arithmetic,
  arithmeticDifference,
  arithmeticOf,
  type CheckpointSink,
  majorityShare,
  type StepPrograms,
  type TrainConfig,
  train,
} from "@gradalign/robustness";
import { type LoadedDataset, type Lock, type LockOptions, writeFileAtomic } from "@gradalign/robustness/node";
import type { Device } from "@gradalign/tensor";
import { nodeDocument } from "../figures/node-document.ts";
import { loggedView, noteSession } from "../folder/node-notes.ts";
import { readReportRun } from "../folder/node-read-run.ts";
import { createRun, openRun, type Run, withRunLock } from "../folder/node-run.ts";
import { untilAskedToStop } from "../folder/node-stop.ts";
import { runReport } from "../pages/report.ts";
import type { RunView } from "../run/events.ts";
import { describeRun } from "../settings/describe.ts";
import type { RunSettings } from "../settings/run-options.ts";
import { attackSaved, type FinalAttack } from "./node-attack-saved.ts";
import { arithmeticOptions, machineOf } from "./node-device.ts";

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
  /** Compiled steps to share with other trainings on the device. */
  readonly programs?: StepPrograms;
  /** What was asked besides the training's settings; noted, for when the run goes on. */
  readonly asked: RunSettings;
  /** Goes on although it was computed in another way so far. */
  readonly elsewhere?: boolean;
  readonly attacks: readonly FinalAttack[];
  readonly view: RunView;
  readonly signal: AbortSignal;
  /** Steps between checkpoints; as between evaluations unless set. */
  readonly checkpointEvery?: number;
}

/** How a run ended. */
export interface RunOutcome {
  readonly interrupted: boolean;
  readonly reportFile: string;
}

/** Locks the run's folder while `work` goes on, and tells when the lock of a process that is gone is taken over. */
export function ownRun<T>(
  folder: string,
  { note, ...options }: { readonly note: (text: string) => void } & Pick<LockOptions, "onWait" | "signal">,
  work: (lock: Lock) => Promise<T>,
): Promise<T> {
  return withRunLock(folder, { ...options, onTakeOver: (holder) => note(`${folder}: the lock of a process that is gone (${holder}) is taken over`) }, work);
}

/**
 * Performs the run in a folder that the caller has locked, until its end, the signal, or a request in the folder; the report is written in any case.
 *
 * @throws what `train` throws; a new run that is refused leaves no file.
 */
export function performRun(request: RunRequest, lock: Lock): Promise<RunOutcome> {
  const { folder, view, signal } = request;
  const onAsked = (): void => view.note("asked to stop: finishing the step and writing a checkpoint");
  return untilAskedToStop(folder, signal, onAsked, (either) => perform({ ...request, view: loggedView(folder, view), signal: either }, lock));
}

async function perform(request: RunRequest, lock: Lock): Promise<RunOutcome> {
  const { label, folder, config, data, device, asked, view, signal } = request;
  const run = request.resume ? openRun(folder, lock) : createRun(folder, config, lock);
  const machine = machineOf(device);
  const { train: training, test, classNames } = data.dataset;
  const majority = majorityShare(test.labels.subarray(0, config.evalExamples));
  view.event(label, { type: "run", directory: folder, description: describeRun(config), resumed: request.resume, machine });
  view.event(label, { type: "data", train: training.count, test: test.count, classes: classNames.length, classesFrom: data.classesFrom });
  const resume = request.resume ? resumePoint(run, view) : undefined;
  const checkpoints: CheckpointSink = {
    ...run.sink,
    // From here on the run is under way.
    rewind(evaluations) {
      run.sink.rewind?.(evaluations);
      noteSession(folder, { machine, asked, majority });
    },
  };
  const arithmetic: Arithmetic = arithmeticOptions(device, asked);
  const other = request.elsewhere && arithmeticDifference(resume?.run.arithmetic.at(-1) ?? {}, arithmeticOf(device, arithmetic));
  if (resume && other) view.note(`the run goes on in another way: ${other}; its numbers will differ from an undisturbed run's`);
  const result = await train(config, data.dataset, {
    device,
    signal,
    checkpoints,
    fingerprint: data.fingerprint,
    arithmetic,
    elsewhere: request.elsewhere ?? false,
    ...(asked.workers === undefined ? {} : { workers: asked.workers }),
    onEvent: (event) => view.event(label, event),
    ...(request.programs ? { programs: request.programs } : {}),
    ...(resume ? { resume } : {}),
    ...(data.phases ? { phaseData: data.phases } : {}),
    ...(request.checkpointEvery === undefined ? {} : { checkpointEvery: request.checkpointEvery }),
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
  const shown = readReportRun(folder);
  writeFileAtomic(reportFile, runReport(shown, nodeDocument()));
  view.event(label, { type: "report", path: reportFile });
  if (!interrupted && shown.outcome) view.event(label, { type: "outcome", kind: shown.outcome.kind, evidence: shown.outcome.evidence });
  return { interrupted, reportFile };
}

/** The checkpoint to go on from; none if the run was killed before its first. */
function resumePoint(run: Run, view: Pick<RunView, "note">) {
  const snapshot = run.hasCheckpoint("last")
    ? run.loadCheckpoint("last", { onRefused: ({ file, reason }) => view.note(`${file} is not used: ${reason}`) })
    : undefined;
  if (!snapshot) view.note("the run has no checkpoint yet; starting from its beginning");
  return snapshot;
}
