/** @file What the worker loads when the first model is attacked. */
export { attackModel } from "./attack-model.ts";
export { openModel } from "./open-model.ts";
