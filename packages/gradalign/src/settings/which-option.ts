/** @file The flag that chooses between a run's checkpoints. */
import { Option } from "commander";

/** `--which last|best`. */
export function whichOption(): Option {
  return new Option("--which <checkpoint>", "last, or best by PGD accuracy on training (or held-out) images (early stopping); last unless set").choices([
    "last",
    "best",
  ]);
}
