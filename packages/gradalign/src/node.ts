/** @file The parts of gradalign that need Node: files, folders and downloads. */
export { writeFileAtomic } from "./checkpoint/node-atomic-file.ts";
export { type LoadCheckpointOptions, loadCheckpoint, type SaveCheckpointOptions, saveCheckpoint } from "./checkpoint/node-store.ts";
export { dataFolder } from "./data/node-cache-folder.ts";
export { type Cifar10Source, cifar10Sources, type DataEvent, type LoadCifar10Options, loadCifar10 } from "./data/node-cifar10.ts";
export { withLock } from "./data/node-lock.ts";
export { createRun, openRun, type Run } from "./run/node-run.ts";
