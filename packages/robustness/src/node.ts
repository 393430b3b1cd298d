/** @file The parts of gradalign that need Node: files, folders and downloads. */
export { type LoadCheckpointOptions, loadCheckpoint, readManifests, type SaveCheckpointOptions, saveCheckpoint } from "./checkpoint/node-store.ts";
export { dataFolder } from "./data/node-cache-folder.ts";
export { firstBytes } from "./data/node-first-bytes.ts";
export { type DataEvent, type LoadDatasetOptions, loadDataset } from "./data/node-load-dataset.ts";
export { type LoadedDataset, readRecordFolder } from "./data/node-record-folder.ts";
export { builtModule, type StreamedOptions, streamedSplit } from "./data/node-streamed.ts";
export { mayHaveGpu, nodeGpu } from "./device/node-gpu.ts";
export { type NativeState, nodeNative } from "./device/node-native.ts";
export { nodeTuning } from "./device/node-tuning.ts";
export { makeFolder, removeLeftovers, requireWritable, requireWritableFile, writeFileAtomic } from "./files/node-atomic-file.ts";
export { writeFolderAtomic } from "./files/node-atomic-folder.ts";
export { fileSource, filesBeside } from "./files/node-byte-source.ts";
export { FileError, onFile } from "./files/node-file-error.ts";
export { BusyError, type Lock, type LockOptions, withLock } from "./files/node-lock.ts";
export { checkForm, parseJsonLines, readIfThere, readJson, readJsonLines, readRegularFile } from "./files/node-read.ts";
