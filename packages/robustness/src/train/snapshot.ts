/** @file Snapshots of a run: everything that later bits depend on, as named arrays and JSON. */

import type { StoredTensor } from "@gradalign/formats";
import { type Computed, type Tensor, type TreeOf, tensor, treeLeaves, treePaths, treeUnflatten, type Value } from "@gradalign/tensor";
import type { ModelIdentity } from "../checkpoint/checkpoint.ts";
import { CheckpointError } from "../checkpoint/errors.ts";
import type { Model, ModelTensors } from "../models/model.ts";
import type { BestCheckpoint, Evaluation } from "./events.ts";
import type { GuardRecord } from "./guard.ts";
import type { RunSeal } from "./seal.ts";

/**
 * What a checkpoint holds. Tensors of both kinds: `params/NAME` and `state/NAME`; of kind `last` also `optimizer/...`, `carry/...`
 * (the method's own), `trained/...` (with averaging, whose averages `params` and `state` then are), `sums/...`, the best parameters so far (`best/params/NAME`, `best/state/NAME`),
 * and the states that a guard may go back to (`guard/0/…`, `guard/1/…`).
 */
export interface Snapshot {
  readonly model: ModelIdentity;
  /** Optimiser steps done. */
  readonly iteration: number;
  /** Epochs done, fractional. */
  readonly epoch: number;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly run: RunRecord;
  /** The evaluations so far; of kind `last`. */
  readonly evaluations?: readonly Evaluation[];
}

/** What a checkpoint says of its run. */
export interface RunRecord extends RunSeal {
  readonly best: BestCheckpoint | null;
  /** Seconds of training and evaluation so far. */
  readonly seconds: number;
  /** Of a run that is watched; of kind `last`. */
  readonly guard?: GuardRecord;
}

/** Where snapshots and evaluations go. */
export interface CheckpointSink {
  /** Stores a snapshot and says where, if that means anything. */
  save(kind: "last" | "best", snapshot: Snapshot): string | undefined;
  /** Notes an evaluation as soon as it is there. */
  record?(evaluation: Evaluation): void;
  /** Called once before the run: of evaluations noted earlier only these belong to it. */
  rewind?(evaluations: readonly Evaluation[]): void;
}

/** Copies a tree's tensors to the host, named by their path in the tree, e.g. `params/conv1.weight`. */
export async function storeTree<T>(tree: T & TreeOf<T, Tensor>): Promise<Map<string, StoredTensor>> {
  const stored = new Map<string, StoredTensor>();
  const paths = treePaths(tree);
  for (const [i, leaf] of (treeLeaves<T>(tree) as Tensor[]).entries()) {
    const data = await leaf.read();
    stored.set(paths[i] as string, { dtype: leaf.dtype, shape: leaf.shape, data });
  }
  return stored;
}

/**
 * Tensors with a template's structure and names.
 *
 * @throws CheckpointError when one is missing or has another type.
 */
export function restoreTree<T>(template: T & TreeOf<T, Value>, stored: ReadonlyMap<string, StoredTensor>): Computed<T> {
  const paths = treePaths(template);
  const leaves = (treeLeaves<T>(template) as Value[]).map((leaf, i) => {
    const path = paths[i] as string;
    const found = stored.get(path);
    const expected = `${leaf.dtype}[${leaf.shape.join(", ")}]`;
    if (!found) throw new CheckpointError(`checkpoint: it has no tensor "${path}" (${expected}); it belongs to another model or method`);
    const got = `${found.dtype}[${found.shape.join(", ")}]`;
    if (got !== expected) throw new CheckpointError(`checkpoint: tensor "${path}" is ${got}, expected ${expected}; it belongs to another model`);
    return tensor(found.data as Float32Array, [...leaf.shape], leaf.dtype);
  });
  return treeUnflatten<T, Tensor>(template, leaves);
}

/**
 * A model's parameters and statistics from a snapshot of either kind.
 *
 * @throws CheckpointError when they do not fit the model.
 */
export function restoreModel(model: Model, snapshot: Pick<Snapshot, "tensors">): Computed<ModelTensors> {
  const { params, state } = model.init(tensor(new Int32Array(2)));
  return restoreTree({ params, state }, snapshot.tensors);
}
