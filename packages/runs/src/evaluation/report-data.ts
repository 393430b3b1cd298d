/** @file What the report of an evaluation is made of: its record, and a few images to look at. */
import type { EvaluationRecord } from "./record.ts";

/** One image of an evaluation. */
export interface ExampleImage {
  readonly index: number;
  readonly shape: readonly [channels: number, height: number, width: number];
  /** As it is, in [0, 1]. */
  readonly image: ArrayLike<number>;
  /** As an attack left it; null where none broke it. */
  readonly perturbed: ArrayLike<number> | null;
}

/** Everything the report shows. */
export interface EvaluationReport {
  /** Short name, distinct among those of a comparison. */
  readonly label: string;
  readonly record: EvaluationRecord;
  /** The images that `chosenImages` names, as far as they are at hand. */
  readonly examples: readonly ExampleImage[];
}
