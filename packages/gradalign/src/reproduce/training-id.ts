/** @file The content address of a training: equal settings on equal data share a folder, whichever experiment asks first. */
import { createHash } from "node:crypto";
import { levels } from "@gradalign/experiments";
import { canonicalJson, type TrainConfig } from "@gradalign/robustness";

/** Raised when equal settings no longer mean equal results. */
const FORMAT = 1;

/** What a training's images are: the data set its settings name, or made-up ones in its place. */
export type DataKind = "real" | "made-up";

/** `<method>-eps<n>-seed<s>-<hash of all settings>`, a folder's name. */
export function trainingId(config: TrainConfig, data: DataKind): string {
  const hash = createHash("sha256")
    .update(canonicalJson({ format: FORMAT, data, config }))
    .digest("hex");
  return `${config.method.name}-eps${levels(config.epsilon)}-seed${config.seed}-${hash.slice(0, 12)}`;
}
