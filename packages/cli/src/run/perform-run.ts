/** @file One training run from its folder to its report: train, attack the saved models, write the report. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Device } from "@gradalign/tensor";
import { type TrainConfig, train } from "gradalign";
import { createRun, openRun, type Run } from "gradalign/node";
import { runReport } from "../report/report.ts";
import type { RunMachine } from "../report/report-data.ts";
import { describeRun } from "../settings/describe.ts";
import type { TrainingView } from "../terminal/training-view.ts";
import { attackSaved, type FinalAttack } from "./attack-saved.ts";
import type { LoadedDataset } from "./dataset.ts";
import { machineOf } from "./device.ts";
import { readReportRun } from "./read-run.ts";
import { noteSession } from "./run-notes.ts";

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
  /** What the run notes about the device. */
  readonly machine?: RunMachine;
  readonly attacks: readonly FinalAttack[];
  readonly view: Pick<TrainingView, "event" | "note">;
  readonly signal: AbortSignal;
  /** Steps between checkpoints; as between evaluations unless set. */
  readonly checkpointEvery?: number;
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
  const machine = request.machine ?? machineOf(device);
  noteSession(folder, { machine, classes: data.dataset.classNames.length, dataset: data.fingerprint });
  view.event(label, { type: "run", directory: folder, description: describeRun(config), resumed: request.resume, machine });
  const resume = request.resume ? resumePoint(run, view) : undefined;
  const result = await train(config, data.dataset, {
    device,
    signal,
    checkpoints: run.sink,
    onEvent: (event) => view.event(label, event),
    ...(resume ? { resume } : {}),
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
  writeFileSync(reportFile, runReport(readReportRun(folder)));
  view.event(label, { type: "report", path: reportFile });
  return { interrupted, reportFile };
}

/** The checkpoint to go on from; none if the run was killed before its first. */
function resumePoint(run: Run, view: Pick<TrainingView, "note">) {
  const snapshot = run.hasCheckpoint("last")
    ? run.loadCheckpoint("last", { onRefused: ({ file, reason }) => view.note(`${file} is not used: ${reason}`) })
    : undefined;
  if (!snapshot) view.note("the run has no checkpoint yet; starting from its beginning");
  return snapshot;
}
