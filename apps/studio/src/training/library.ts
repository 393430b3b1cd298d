/** @file What the worker loads when the first training begins. */
export { createDevice } from "@gradalign/tensor";
export { trainConfigOf } from "../train-config.ts";
export { Pair } from "./pair.ts";
export { createProbe } from "./probe.ts";
