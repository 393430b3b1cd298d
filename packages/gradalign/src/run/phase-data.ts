/** @file What a run trains on: a data set, or one for each of its phases. */
import { createHash } from "node:crypto";
import { phaseData, type TrainConfig } from "@gradalign/robustness";
import type { LoadedDataset } from "@gradalign/robustness/node";

/** Loads what settings train on; of phases the last one's is the data set, and the fingerprint is of all. */
export async function loadRunData(config: Pick<TrainConfig, "dataset" | "phases">, load: (name: string) => Promise<LoadedDataset>): Promise<LoadedDataset> {
  const { dataset: name, phases } = config;
  if (phases === undefined) return load(name);
  const loaded: LoadedDataset[] = [];
  for (const data of phaseData({ dataset: name, phases })) loaded.push(await load(data));
  const last = loaded.at(-1) as LoadedDataset;
  const fingerprint = createHash("sha256")
    .update(loaded.map((data) => data.fingerprint).join("\n"))
    .digest("hex");
  return { ...last, dataset: { ...last.dataset, name }, fingerprint, phases: loaded.map(({ dataset }) => dataset) };
}
