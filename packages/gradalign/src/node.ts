/** @file What needs a file system: downloaded data sets, run folders and checkpoints. */
export * from "@gradalign/robustness/node";
export { createRun, isRunFolder, isRunLock, openRun, type Run, withRunLock } from "@gradalign/runs/node";
