/** @file What the worker loads when the first training begins or is opened. */
export { createDevice } from "@gradalign/tensor";
export { trainConfigOf } from "../train-config.ts";
export { checkSides, describeSides, openRunFolders } from "./open-run.ts";
export { Pair } from "./pair.ts";
export { createProbe } from "./probe.ts";
