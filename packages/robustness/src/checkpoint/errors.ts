/** @file The error of checkpoints. */
import { GradalignError } from "@gradalign/tensor";

/** A checkpoint is missing, damaged, or belongs to something else. */
export class CheckpointError extends GradalignError {
  constructor(message: string, options?: ErrorOptions) {
    super("CheckpointError", message, options);
  }
}
