/** @file What needs Node: run folders, performing a run, reports as files, and the local server of a page. */
export { attemptRun, exitCodeOf, type RunsPlace, type Trouble, troubleOf, type WorkOutcome } from "./engines/node-attempt-run.ts";
export { openQueue, type QueueState, type RunQueue } from "./engines/node-bullmq.ts";
export { type QueueAddress, queueAddress, withoutSecrets } from "./engines/node-queue-address.ts";
export { arrayScripts, maxArraySize, mergeScript, type SlurmTask, sbatch, scancel, squeue } from "./engines/node-slurm.ts";
export {
  ADVERSARIALS,
  type EvaluationFolderOptions,
  type EvaluationLog,
  isEvaluationFolder,
  readEvaluation,
  withEvaluation,
} from "./evaluation/node-folder.ts";
export { readEvaluationReport } from "./evaluation/node-read-report.ts";
export { nodeDocument } from "./figures/node-document.ts";
export {
  type Attempt,
  attemptFolder,
  attemptOf,
  type Claim,
  carryOver,
  claimRun,
  differingRuns,
  type Failure,
  failuresOf,
  finishedFolder,
  forgiveFailures,
  type Holder,
  holderOf,
  isGivenUp,
  MAX_FAILURES,
  noteFailure,
  publishRun,
  resultDigest,
} from "./folder/node-attempts.ts";
export { type AttackPart, noteEvent, noteRobustness, readLog, readRobustness, readSession } from "./folder/node-notes.ts";
export { alarmsOf, chanceOf, loadIfThere, readReportRun } from "./folder/node-read-run.ts";
export { createRun, isRunFolder, isRunLock, openRun, type Run, withRunLock } from "./folder/node-run.ts";
export { askToStop } from "./folder/node-stop.ts";
export { type Converted, type ConvertOptions, convertModel, type WrittenFormat } from "./models/node-convert.ts";
export { modelFile, ofFile } from "./models/node-model-file.ts";
export { type OpenedVictim, type OpenOptions, openVictim } from "./models/node-open-victim.ts";
export { loadSavedModel, type SavedModel, type Which } from "./models/node-saved-model.ts";
export { type AttackRequest, attackSaved, type FinalAttack } from "./perform/node-attack-saved.ts";
export { arithmeticOptions, DEVICE_SETTINGS, machineOf, openDevice, resumedSettings, runSettingsOf, usualNative } from "./perform/node-device.ts";
export { type EvaluationRequest, evaluate, evaluationIdentity, noteEvaluation } from "./perform/node-evaluate.ts";
export { ownRun, performRun, type RunOutcome, type RunRequest } from "./perform/node-perform-run.ts";
export { type Provenance, provenance } from "./perform/node-provenance.ts";
export { VERSION } from "./perform/node-version.ts";
export { checkPlannedRun, formatPlan, planOf, readPlan, writePlan } from "./plan/node-plan.ts";
export {
  cancelPlan,
  isCancelled,
  isPlannedFinished,
  noteSubmission,
  planFolder,
  planStatus,
  readSubmission,
  type Submission,
  submittedPlans,
} from "./plan/node-plan-status.ts";
export { CODE, type DataKind, runId } from "./plan/node-run-id.ts";
export { cutIntoParts, type DataList, type DataPart, type ServedData } from "./serve/node-data-parts.ts";
export type { RunStarter, RunsOptions } from "./serve/node-runs-service.ts";
export { type StudioServer, type StudioServerOptions, startStudioServer } from "./serve/node-server.ts";
export { writeSite } from "./serve/node-site.ts";
export { type Exchange, openExchange } from "./store/node-exchange.ts";
export { openStore } from "./store/node-open-store.ts";
export type { ObjectStore } from "./store/object-store.ts";
export { readTrackers, type TrackerChoice, trackedView, trackers } from "./track/node-trackers.ts";
