/** @file The content address of a run: equal settings on equal data share a folder, whichever experiment or sweep asks first. */
import { createHash } from "node:crypto";
import { canonicalJson, type TrainConfig } from "@gradalign/robustness";
import type { FinalAttack } from "./plan.ts";

/** The version of the code as far as results depend on it: raised when equal settings no longer mean equal results. */
export const CODE = 1;

/** What the images of a known data set are: its own, or made-up ones in their place. */
export type DataKind = "real" | "made-up";

/**
 * `<method>-eps<n>-seed<s>-<hash of all settings, the code's version and the data>`, a folder's name.
 *
 * @param data a {@link DataKind}, or the fingerprint of a folder of one's own.
 * @param attacks attacks after training, where they are settings like the others: in sweeps. Experiments share trainings and add attacks.
 */
export function runId(config: TrainConfig, data: string, attacks?: readonly FinalAttack[]): string {
  const content = { format: CODE, data, config, ...(attacks === undefined ? {} : { attacks }) };
  const hash = createHash("sha256").update(canonicalJson(content)).digest("hex");
  const levels = Number((config.epsilon * 255).toFixed(4));
  return `${config.method.name}-eps${levels}-seed${config.seed}-${hash.slice(0, 12)}`;
}
