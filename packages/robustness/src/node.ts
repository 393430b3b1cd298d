/** @file The parts of gradalign that need Node: files, folders and downloads. */
export { type LoadCheckpointOptions, loadCheckpoint, type SaveCheckpointOptions, saveCheckpoint } from "./checkpoint/node-store.ts";
export { dataFolder } from "./data/node-cache-folder.ts";
export { firstBytes } from "./data/node-first-bytes.ts";
export { type DataEvent, type LoadDatasetOptions, loadDataset } from "./data/node-load-dataset.ts";
export { makeFolder, removeLeftovers, requireWritable, requireWritableFile, writeFileAtomic } from "./files/node-atomic-file.ts";
export { FileError, onFile } from "./files/node-file-error.ts";
export { BusyError, type Lock, type LockOptions, withLock } from "./files/node-lock.ts";
export { checkForm, readIfThere, readJson, readJsonLines, readRegularFile } from "./files/node-read.ts";
export { mayHaveGpu, nodeGpu } from "./run/node-gpu.ts";
export { createRun, isRunFolder, isRunLock, openRun, type Run, withRunLock } from "./run/node-run.ts";
export { nodeTuning } from "./run/node-tuning.ts";
