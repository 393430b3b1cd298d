/** @file Which methods can be computed in micro-batches or on images that are moved or mixed before the step sees them: it depends on what they carry along. */
import { ConfigError } from "@gradalign/tensor";
import type { ImageDataset } from "../data/dataset.ts";
import { isResident } from "../data/source.ts";
import { carriesForEach } from "../methods/method.ts";
import type { TrainConfig } from "./config.ts";
import type { StepOptions } from "./step.ts";

/** Refuses what would compute something else than the method. */
export function checkCarried(
  { microBatch, weightPerturbation }: TrainConfig,
  { method, parts }: Pick<StepOptions, "method" | "parts">,
  data: ImageDataset,
): void {
  const refuse = (why: string): never => {
    throw new ConfigError(`train: microBatch (=${microBatch}) must be left out for the method ${method.id}, ${why}; use a smaller batchSize`);
  };
  if (parts > 1 && method.displacement) refuse("which moves the weights by a whole batch's gradient first");
  if (parts > 1 && weightPerturbation !== undefined) refuse("whose weights weightPerturbation moves by a whole batch's gradient first");
  if (parts > 1 && carriesForEach("batch", method)) refuse("which carries something from batch to batch for every place in it");
  if (carriesForEach("examples", method) && !isResident(data.train) && data.train.varies) {
    throw new ConfigError(
      `train: the method ${method.id} keeps something for the pixels of every image, which the data set ${data.name} moves at random; read images without random crops`,
    );
  }
}
