/** @file A side as a file: its run folder in an archive, or its weights. */
import { encodeTar, type Labels, majorityShare } from "@gradalign/robustness";
import { type RunSession, runFiles, savedSafetensors } from "@gradalign/runs";
import { ConfigError, type Device } from "@gradalign/tensor";
import { blobOf } from "../files.ts";
import { runName } from "../names.ts";
import { browserName } from "./browser-name.ts";
import { checkpointSum } from "./open-model.ts";
import type { KeptSide } from "./shelf.ts";

/**
 * Makes the file.
 *
 * @throws ConfigError before the first checkpoint.
 */
export function exportedSide(
  { config, last, best }: KeptSide,
  form: "run" | "safetensors",
  { backend, threads }: Pick<Device, "backend" | "threads">,
  testLabels: Labels,
): { readonly name: string; readonly content: Blob } {
  if (!last) throw new ConfigError("there is no checkpoint to save yet; wait for the first one");
  const name = runName(config);
  if (form === "safetensors") {
    const saved = { which: "last", snapshot: { ...last, sha256: checkpointSum("last", last) } };
    return { name: `${name}.safetensors`, content: blobOf([savedSafetensors(saved, PROGRAM)]) };
  }
  const session: RunSession = {
    machine: { backend, threads, version: PROGRAM.version, node: browserName() },
    // In Node machine code would compute other bits.
    asked: backend === "wasm" ? { native: "off" } : {},
    majority: majorityShare(testLabels.subarray(0, config.evalExamples)),
  };
  const files = [...runFiles({ last, best, session })].map(([path, content]) => [`${name}/${path}`, content] as const);
  return { name: `${name}.tar`, content: blobOf(encodeTar(new Map(files))) };
}
