/** @file Which methods can be computed in micro-batches or on images that are moved or mixed before the step sees them: it depends on what they carry along. */
import { ConfigError } from "@gradalign/tensor";
import type { ImageDataset } from "../data/dataset.ts";
import { isResident } from "../data/source.ts";
import type { CarrySizes, Method } from "../methods/method.ts";
import type { TrainConfig } from "./config.ts";
import type { StepOptions } from "./step.ts";

/** Of any small batch. */
const SIZES: CarrySizes = { batch: 2, image: [1, 1, 1], examples: 2 };

/** Whether what the method carries has a place for each of so many. */
function growsWith(size: "batch" | "examples", { carries }: Pick<Method, "carries">): boolean {
  const shapes = (sizes: CarrySizes): string =>
    Object.values(carries?.(sizes) ?? {})
      .map(({ shape }) => shape.join())
      .join(";");
  return shapes(SIZES) !== shapes({ ...SIZES, [size]: SIZES[size] + 1 });
}

/** Whether a method keeps something for the pixels of every image. */
export function keepsImages(method: Pick<Method, "carries">): boolean {
  return growsWith("examples", method);
}

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
  if (parts > 1 && growsWith("batch", method)) refuse("which carries something from batch to batch for every place in it");
  if (keepsImages(method) && !isResident(data.train) && data.train.varies) {
    throw new ConfigError(
      `train: the method ${method.id} keeps something for the pixels of every image, which the data set ${data.name} moves at random; read images without random crops`,
    );
  }
}
