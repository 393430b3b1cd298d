/** @file The models of a training at moments of it, to go back to: as many as fit a bound, evenly over what has been. */

import type { StoredTensor } from "@gradalign/formats";
import type { Snapshot } from "@gradalign/robustness";
import { bounded } from "../bounded.ts";

/** A model at an iteration. */
export interface Moment {
  readonly iteration: number;
  readonly epoch: number;
  /** `params/NAME` and `state/NAME`. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

/** Bytes of one training's moments, and their number, at most. */
const MOST_BYTES = 2 ** 26;
const MOST = 256;

/** The moments of one training. */
export class Moments {
  #kept: Moment[] = [];

  get count(): number {
    return this.#kept.length;
  }

  get last(): Moment | undefined {
    return this.#kept.at(-1);
  }

  /** Keeps a snapshot's model; those after it belong to a course that was given up. */
  add({ iteration, epoch, tensors }: Pick<Snapshot, "iteration" | "epoch" | "tensors">): void {
    const model = new Map([...tensors].filter(([name]) => name.startsWith("params/") || name.startsWith("state/")));
    this.#kept = this.#kept.filter((moment) => moment.iteration < iteration);
    this.#kept.push({ iteration, epoch, tensors: model });
    const bytes = [...model.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
    const most = Math.max(8, Math.min(MOST, Math.floor(MOST_BYTES / bytes)));
    this.#kept = [...bounded(this.#kept, most, ({ iteration: at }) => at)];
  }

  /** The latest at or before an epoch; the first if there is none. */
  at(epoch: number): Moment | undefined {
    return this.#kept.findLast((moment) => moment.epoch <= epoch) ?? this.#kept[0];
  }
}
