/** @file Gradient alignment (Eq. 5) of a saved model, measured as during training. */
import { add, clamp, type Device, jit, type Tensor, type Value } from "@gradalign/tensor";
import type { ImageSplit } from "../data/dataset.ts";
import { alignment } from "../diagnostics/gradient-alignment.ts";
import { keyFor } from "../keys.ts";
import type { Model } from "../models/model.ts";
import type { Params } from "../nn/params.ts";
import { boxedGradient } from "../threat/box.ts";
import { linf } from "../threat/linf.ts";
import { disposeBatch, exampleBatches } from "./examples.ts";
import { pauser } from "./pause.ts";
import { type ModelPrograms, modelPrograms } from "./programs.ts";
import type { AttackTarget } from "./run-attack.ts";

/** Compares gradients at images and at random points around them. */
export interface AlignmentRunner {
  /** Cosine per example, [N]; the noise depends on the batch's number. */
  run(target: Omit<AttackTarget, "indices">, number: number): Tensor;
  dispose(): void;
}

/** Prepares the measurement for a radius in pixel units. */
export function alignmentRunner(programs: ModelPrograms, epsilon: number, seed: number, device: Device): AlignmentRunner {
  const near = jit(
    (x: Value, key: Value) => {
      const point = add(x, linf.randomStart(key, x.shape, epsilon));
      return { point, clipped: clamp(point, 0, 1) };
    },
    { device },
  );
  // The paper's code takes the gradient through the clamp, so a pixel outside of (0, 1) has none.
  const compare = jit((x: Value, g1: Value, point: Value, g2: Value) => alignment(boxedGradient(g1, x), boxedGradient(g2, point)), { device });
  return {
    run({ params, state, x, labels }, number) {
      const { point, clipped } = near(x, Int32Array.from(keyFor(seed, "alignment", number))) as { point: Tensor; clipped: Tensor };
      const g1 = programs.gradient(params, state, x, labels) as Tensor;
      const g2 = programs.gradient(params, state, clipped, labels) as Tensor;
      const cosines = compare(x, g1, point, g2) as Tensor;
      for (const value of [point, clipped, g1, g2]) value.dispose();
      return cosines;
    },
    dispose() {
      near.dispose();
      compare.dispose();
    },
  };
}

/** How {@link evaluateAlignment} evaluates. */
export interface AlignmentOptions {
  readonly device: Device;
  /** Radius in pixel units [0, 1]. */
  readonly epsilon: number;
  /** The first so many examples. */
  readonly n: number;
  readonly seed?: number;
}

/** Mean gradient alignment (Eq. 5) over the first examples of a split, in eval mode; an undefined cosine counts as 1 (paper's code). */
export async function evaluateAlignment(model: Model, params: Params, state: Params, split: ImageSplit, options: AlignmentOptions): Promise<number> {
  const { device, epsilon, seed = 0 } = options;
  const total = Math.min(options.n, split.count);
  const programs = modelPrograms(model, device);
  const runner = alignmentRunner(programs, epsilon, seed, device);
  const pause = pauser();
  let sum = 0;
  for (const [number, batch] of exampleBatches(split, model.config["shape"] as readonly number[], Math.min(128, total), total).entries()) {
    const cosines = runner.run({ params, state, x: batch.x, labels: batch.labels }, number);
    const data = await cosines.read();
    for (let i = 0; i < batch.count; i++) sum += data[i] as number;
    cosines.dispose();
    disposeBatch(batch);
    await pause();
  }
  runner.dispose();
  programs.dispose();
  return sum / total;
}
