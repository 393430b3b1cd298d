/** @file The parts of gradalign that need Node: files, folders and downloads. */
export { writeFileAtomic } from "./checkpoint/node-atomic-file.ts";
export { type LoadCheckpointOptions, loadCheckpoint, type SaveCheckpointOptions, saveCheckpoint } from "./checkpoint/node-store.ts";
export { dataFolder } from "./data/node-cache-folder.ts";
export { type DataEvent, type LoadDatasetOptions, loadDataset } from "./data/node-load-dataset.ts";
export { withLock } from "./data/node-lock.ts";
export { mayHaveGpu, nodeGpu } from "./run/node-gpu.ts";
export { createRun, openRun, type Run } from "./run/node-run.ts";
export { nodeTuning } from "./run/node-tuning.ts";
