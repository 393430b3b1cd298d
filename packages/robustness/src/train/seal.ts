/** @file What a run is: its settings, its data, and the arithmetic it is computed with. Sealed in every checkpoint, compared by whoever uses one. */

import { canonicalJson } from "@gradalign/formats";
import { DataError, type Device, wasmFeatures } from "@gradalign/tensor";
import { CheckpointError } from "../checkpoint/errors.ts";
import type { ImageDataset } from "../data/dataset.ts";
import type { TrainConfig } from "./config.ts";

/** What tells one data set from another. */
export interface DataIdentity {
  /** SHA-256 of the content, or whatever stands for it; null where the caller of `train` gave none. */
  readonly fingerprint: string | null;
  readonly classNames: readonly string[];
  readonly shape: readonly number[];
  /** Number of training and of test images. */
  readonly train: number;
  readonly test: number;
  /** The same of the phases before the last, where there are any. */
  readonly phases?: readonly Pick<DataIdentity, "shape" | "train" | "test">[];
}

/** What decides the last bits besides settings and data: backend, precision, whether multiply-adds are relaxed, and those of contractions fused
 * where others are not. */
export type Arithmetic = Readonly<Record<string, string>>;

/** What a run is. */
export interface RunSeal {
  readonly config: TrainConfig;
  readonly data: DataIdentity;
  /** What the run was computed with, in order; more than one where it went on elsewhere on purpose. */
  readonly arithmetic: readonly Arithmetic[];
}

/** The identity of what a run's phases train on, with a fingerprint of all of it; of the last, of which the others are variants, with their sizes. */
export function identityOf(datasets: readonly ImageDataset[], fingerprint: string | null): DataIdentity {
  const { classNames, shape, train, test } = datasets.at(-1) as ImageDataset;
  const before = datasets.slice(0, -1).map(({ shape, train, test }) => ({ shape, train: train.count, test: test.count }));
  return { fingerprint, classNames, shape, train: train.count, test: test.count, ...(before.length > 0 ? { phases: before } : {}) };
}

/** What a device computes with; `more` is what it does not tell of itself. */
export function arithmeticOf({ backend, precision, contractions }: Device, more: Arithmetic = {}): Arithmetic {
  const multiplyAdds = { relaxedSimd: wasmFeatures()["relaxed-simd"] ? "yes" : "no", ...(contractions ? { contractions } : {}) };
  return { backend, precision: precision ?? "float32", ...(backend === "wasm" ? multiplyAdds : {}), ...more };
}

/**
 * Compares settings.
 *
 * @throws CheckpointError naming the first that differs, and both values.
 */
export function requireSameConfig(was: TrainConfig, is: TrainConfig, who: string): void {
  const found = difference(was, is);
  if (found) {
    const [name, before, now] = found;
    throw new CheckpointError(`${who}: the checkpoint was made with ${name} ${before}, this run has ${now}; resume with the same settings, or start a new run`);
  }
}

/**
 * Compares data.
 *
 * @throws DataError naming what differs, and both values.
 */
export function requireSameData(was: DataIdentity, is: DataIdentity, who: string): void {
  const found = difference(was, is);
  if (found) {
    const [name, before, now] = found;
    throw new DataError(`${who}: the data set is not the one the run began with: its ${name} was ${before}, now it is ${now}; restore it, or start a new run`);
  }
}

/** How arithmetics differ, in words; undefined if they do not. */
export function arithmeticDifference(was: Arithmetic, is: Arithmetic): string | undefined {
  const found = difference(was, is);
  return found && `it was computed with ${found[0]} ${found[1]} so far, here that is ${found[2]}`;
}

/** The first field whose values differ, with both; null stands for a missing one. */
function difference(was: object, is: object): [name: string, was: string, is: string] | undefined {
  const fields = (values: object) => new Map<string, unknown>(Object.entries(values));
  const [before, now] = [fields(was), fields(is)];
  for (const name of new Set([...before.keys(), ...now.keys()])) {
    const [a, b] = [canonicalJson(before.get(name)), canonicalJson(now.get(name))];
    if (a !== b) return [name, a, b];
  }
  return undefined;
}
