/** @file Where a run's batches come from: cut by the step out of a data set in device memory, or streamed into a ring of buffers ahead of it. */
import { DataError, permutation, type Tensor, tensor } from "@gradalign/tensor";
import type { ImageDataset } from "../data/dataset.ts";
import { type ImageReader, isResident, labelsFor, openSource, type StreamedSplit, sharedBytes } from "../data/source.ts";
import { keyFor } from "../keys.ts";
import type { TrainingData } from "./batch.ts";

/** A place in a run: images from `position` on in the order of `epoch`. */
export interface Place {
  readonly epoch: number;
  readonly position: number;
}

/** What a step is told of its images. */
export interface BatchArguments {
  readonly data: TrainingData & { readonly images: Tensor; readonly labels: Tensor };
  /** Resident: the epoch's order, int32 [examples]. Streamed: which images these are, int32 [batch]. */
  readonly order: Tensor;
  /** Where in the order the batch starts: int32 [1]. */
  readonly position: Int32Array;
}

/** Yields the images of a run's steps. */
export interface Batches {
  /** Waits until the images of the batch at a place are there. */
  ready(place: Place): Promise<void>;
  /** One of the parts of the batch that was last waited for; it is there until the next call. */
  at(place: Place, part: number): BatchArguments;
  dispose(): void;
}

/** How a run reads its images. */
export interface BatchPlan {
  readonly seed: number;
  /** How many of the data set's images are trained on. */
  readonly examples: number;
  /** Images of a batch, and of each of the equal parts that it is taken in. */
  readonly size: number;
  readonly part: number;
  /** The place that is asked for after one; null at the run's end. */
  after(place: Place): Place | null;
  /** Threads that read streamed images. */
  readonly workers: number;
}

/** Buffers of the ring: of the batch that is computed with, and two that are read meanwhile. */
const BUFFERS = 3;

/** Threads that read unless it is said how many. */
export const DEFAULT_WORKERS = 2;

/** The batches of a data set's training images. */
export function trainingBatches({ train, shape, classNames }: ImageDataset, plan: BatchPlan): Batches {
  const { seed, examples, part: extent } = plan;
  let known: { readonly epoch: number; readonly order: Int32Array } | null = null;
  const orderOf = (epoch: number): Int32Array => {
    if (known?.epoch !== epoch) known = { epoch, order: permutation(keyFor(seed, "order", epoch), examples) };
    return known.order;
  };
  if (!isResident(train)) return streamedBatches(train, shape, classNames.length, plan, orderOf);
  const pixels = shape.reduce((product, extent) => product * extent, 1);
  const data = {
    images: tensor(train.images.subarray(0, examples * pixels), [examples, ...shape]),
    labels: tensor(train.labels.subarray(0, examples)),
  };
  let held: { readonly epoch: number; readonly order: Tensor } | null = null;
  return {
    async ready() {},
    at({ epoch, position }, part) {
      if (held?.epoch !== epoch) {
        held?.order.dispose();
        held = { epoch, order: tensor(orderOf(epoch)) };
      }
      return { data, order: held.order, position: Int32Array.of(position + part * extent) };
    },
    dispose() {
      for (const value of [data.images, data.labels, held?.order]) value?.dispose();
    },
  };
}

/** A buffer of the ring, and the batch that is being read into it. */
interface Reading extends Place {
  readonly bytes: Uint8Array;
  readonly rows: Int32Array;
  readonly done: Promise<void>;
}

/** The order of the batches is known before, so reading is always some batches ahead; a place that was not expected begins anew. */
function streamedBatches(
  source: StreamedSplit,
  shape: readonly number[],
  classes: number,
  { seed, size, part: extent, after, workers }: BatchPlan,
  orderOf: (epoch: number) => Int32Array,
): Batches {
  const pixels = shape.reduce((product, extent) => product * extent, 1);
  const free = Array.from({ length: BUFFERS }, () => sharedBytes(size * pixels));
  const ring: Reading[] = [];
  let reader: Promise<ImageReader> | null = null;
  /** The batch that was waited for, and what is on the device of it. */
  let held: Reading | null = null;
  let given: readonly Tensor[] = [];
  const same = (a: Place | null | undefined, b: Place): boolean => a?.epoch === b.epoch && a.position === b.position;
  const fill = (from: Place | null): void => {
    reader ??= openSource(source, pixels, workers);
    for (let place = from; place && free.length > 0; place = after(place)) {
      const { epoch, position } = place;
      const bytes = free.pop() as Uint8Array;
      const rows = orderOf(epoch).slice(position, position + size);
      const done = reader.then((opened) => opened.read(rows, { seed, epoch }, bytes));
      // It is awaited later, or never.
      done.catch(() => {});
      ring.push({ epoch, position, bytes, rows, done });
    }
  };
  return {
    async ready(place) {
      if (same(held, place)) return;
      if (held) free.push(held.bytes);
      held = null;
      if (!same(ring[0], place)) {
        await Promise.allSettled(ring.map(({ done }) => done));
        free.push(...ring.splice(0).map(({ bytes }) => bytes));
        fill(place);
      } else fill(after(ring.at(-1) ?? place));
      const reading = ring[0] as Reading;
      await reading.done;
      ring.shift();
      held = reading;
    },
    at(place, part) {
      if (!held || !same(held, place)) throw new DataError("train: the step's images are not there; wait for session.ready(iteration) first");
      for (const value of given) value.dispose();
      const rows = held.rows.slice(part * extent, (part + 1) * extent);
      const labels = labelsFor(extent, classes);
      for (const [i, row] of rows.entries()) labels[i] = source.labels[row] as number;
      const bytes = held.bytes.subarray(part * extent * pixels, (part + 1) * extent * pixels);
      const data = { images: tensor(bytes, [extent, ...shape]), labels: tensor(labels) };
      const order = tensor(rows);
      given = [data.images, data.labels, order];
      return { data, order, position: Int32Array.of(0) };
    },
    dispose() {
      for (const value of given) value.dispose();
      void reader?.then((opened) => opened.close()).catch(() => {});
    },
  };
}
