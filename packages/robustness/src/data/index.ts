/** @file The registry of data sets: one line each. */
import { ConfigError } from "@gradalign/tensor";
import { cifar10 } from "./cifar10.ts";
import type { DatasetDefinition } from "./definition.ts";
import { fashionMnist } from "./fashion-mnist.ts";
import { mnist } from "./mnist.ts";
import { svhn } from "./svhn.ts";

/** Every known data set's name. */
export type DatasetName = "cifar10" | "svhn" | "mnist" | "fashion-mnist";

/** Every known data set by name. */
export const datasets: Readonly<Record<DatasetName, DatasetDefinition>> = { cifar10, svhn, mnist, "fashion-mnist": fashionMnist };

/** Whether a data set of that name is known; others are the user's own. */
export function isDatasetName(name: string): name is DatasetName {
  return Object.hasOwn(datasets, name);
}

/**
 * The data set of that name.
 *
 * @throws ConfigError when there is none.
 */
export function datasetNamed(name: string): DatasetDefinition {
  if (!isDatasetName(name)) throw new ConfigError(`dataset: name (="${name}") must be one of ${Object.keys(datasets).join(", ")}`);
  return datasets[name];
}

/** Numbers in one image of a data set by name, 3072 for CIFAR-10; folders of one's own images are in its format. */
export function imageSize(dataset: string): number {
  return (isDatasetName(dataset) ? datasets[dataset] : cifar10).shape.reduce((product, extent) => product * extent, 1);
}
