/** @file Gradient alignment (Eq. 5) of a saved model, measured as during training. */
import { add, ConfigError, clamp, convert, type Device, jit, type Tensor, type Value } from "@gradalign/tensor";
import type { ImageSource } from "../data/source.ts";
import { alignment } from "../diagnostics/gradient-alignment.ts";
import { keyFor } from "../keys.ts";
import type { Model } from "../models/model.ts";
import type { Params } from "../nn/params.ts";
import { boxedGradient } from "../threat/box.ts";
import { linf } from "../threat/linf.ts";
import { checkEvaluation, disposeBatch, evaluationBatch, exampleBatches } from "./examples.ts";
import { Mean } from "./mean.ts";
import { pauser } from "./pause.ts";
import { type ClassifierPrograms, modelPrograms } from "./programs.ts";
import type { AttackTarget } from "./run-attack.ts";

/** Cosines on the device: tensors [N]. */
export interface Measured {
  readonly cosine: Tensor;
  readonly defined: Tensor;
}

/** Compares gradients at images and at random points around them. */
export interface AlignmentRunner {
  /** Cosine per example, [N], and 1 where it is defined, else 0; the noise depends on the batch's number. */
  run(target: Omit<AttackTarget, "indices">, number: number): Measured;
  dispose(): void;
}

/** Prepares the measurement for a radius in pixel units. */
export function alignmentRunner(programs: ClassifierPrograms, epsilon: number, seed: number, device: Device): AlignmentRunner {
  const near = jit(
    (x: Value, key: Value) => {
      const point = add(x, linf.randomStart(key, x.shape, epsilon));
      return { point, clipped: clamp(point, 0, 1) };
    },
    { device },
  );
  // The paper's code takes the gradient through the clamp, so a pixel outside of (0, 1) has none.
  const compare = jit((x: Value, g1: Value, point: Value, g2: Value) => measured(boxedGradient(g1, x), boxedGradient(g2, point)), { device });
  return {
    run({ tensors, x, labels }, number) {
      const { point, clipped } = near(x, Int32Array.from(keyFor(seed, "alignment", number))) as { point: Tensor; clipped: Tensor };
      const g1 = programs.gradient(tensors, x, labels);
      const g2 = programs.gradient(tensors, clipped, labels);
      const cosines = compare(x, g1, point, g2) as Measured;
      for (const value of [point, clipped, g1, g2]) value.dispose();
      return cosines;
    },
    dispose() {
      near.dispose();
      compare.dispose();
    },
  };
}

/** {@link alignment} in a form that can be read back. */
export function measured(a: Value, b: Value): { cosine: Value; defined: Value } {
  const { cosine, defined } = alignment(a, b);
  return { cosine, defined: convert(defined, "float32") };
}

/** How {@link measureAlignment} measures. */
export interface AlignmentOptions {
  readonly device: Device;
  /** Radius in pixel units [0, 1]. */
  readonly epsilon: number;
  /** The first so many examples. */
  readonly n: number;
  readonly seed?: number;
}

/** What {@link measureAlignment} finds. */
export interface AlignmentReport {
  readonly n: number;
  /** Mean over the examples where the cosine is defined; null if there is none. */
  readonly alignment: number | null;
  /** Share of the examples where it is undefined: a gradient is zero or not finite. */
  readonly undefinedShare: number;
}

/** Mean gradient alignment (Eq. 5), as {@link measureAlignment} finds it; NaN where it is undefined on every example. */
export async function evaluateAlignment(...args: Parameters<typeof measureAlignment>): Promise<number> {
  return (await measureAlignment(...args)).alignment ?? Number.NaN;
}

/**
 * Gradient alignment (Eq. 5) over the first examples of a split, in eval mode.
 *
 * @throws DataError when the split does not fit the model; ConfigError for an impossible number of examples.
 */
export async function measureAlignment(model: Model, params: Params, state: Params, split: ImageSource, options: AlignmentOptions): Promise<AlignmentReport> {
  const { device, epsilon, seed = 0 } = options;
  const imageShape = checkEvaluation("evaluateAlignment", model, params, state, split);
  if (!Number.isInteger(options.n) || options.n < 1) throw new ConfigError(`evaluateAlignment: n (=${options.n}) must be a positive integer`);
  const total = Math.min(options.n, split.count);
  const programs = modelPrograms(model, device);
  const runner = alignmentRunner(programs, epsilon, seed, device);
  const pause = pauser();
  const mean = new Mean();
  try {
    const batches = await exampleBatches(split, imageShape, Math.min(evaluationBatch(imageShape, 128), total), total);
    for (const [number, batch] of batches.entries()) {
      const { cosine, defined } = runner.run({ tensors: { params, state }, x: batch.x, labels: batch.labels }, number);
      await mean.add(cosine, batch.count, defined);
      cosine.dispose();
      defined.dispose();
      disposeBatch(batch);
      await pause();
    }
  } finally {
    runner.dispose();
    programs.dispose();
  }
  return { n: total, alignment: Number.isNaN(mean.value) ? null : mean.value, undefinedShare: mean.leftOut };
}
