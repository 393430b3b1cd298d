/** @file The images that an evaluation broke, as a file: `adversarials.safetensors`. */
import { encodeSafetensors } from "@gradalign/formats";
import type { AttackReport, ImageOutcome } from "@gradalign/robustness";

/** An image that an attack broke, as it left it. */
export interface BrokenImage {
  readonly outcome: ImageOutcome;
  readonly pixels: Float32Array;
}

/** The images that were broken, in order; each has `size` values. */
export function brokenImages({ adversarials, outcomes }: Pick<AttackReport, "adversarials" | "outcomes">, size: number): BrokenImage[] {
  const broken = (outcome: ImageOutcome): boolean => outcome.brokenBy !== null;
  return outcomes.flatMap((outcome, i) => (broken(outcome) ? [{ outcome, pixels: adversarials.subarray(i * size, (i + 1) * size) }] : []));
}

/**
 * The file's bytes: tensors `images` [N, C, H, W], and the image numbers, labels and predicted classes [N].
 *
 * @param id of the evaluation that they are of.
 */
export function adversarialsFile(broken: readonly BrokenImage[], shape: readonly number[], id: string): Uint8Array {
  const size = shape.reduce((product, extent) => product * extent, 1);
  const images = new Float32Array(broken.length * size);
  broken.forEach(({ pixels }, i) => {
    images.set(pixels, i * size);
  });
  const numbers = (of: (outcome: ImageOutcome) => number) => ({
    dtype: "int32" as const,
    shape: [broken.length],
    data: Int32Array.from(broken, ({ outcome }) => of(outcome)),
  });
  return encodeSafetensors(
    {
      images: { dtype: "float32", shape: [broken.length, ...shape], data: images },
      indices: numbers(({ index }) => index),
      labels: numbers(({ label }) => label),
      predicted: numbers(({ predicted }) => predicted),
    },
    { "gradalign.evaluation": id },
  );
}
