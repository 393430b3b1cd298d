/** @file Gradients that are zero in every pixel: an attack that follows them stands still. */
import { blindFinding } from "./blind-gradients.ts";
import type { Check } from "./check.ts";

/** Counted at every step of every attack, in its own programs, where the answer is still right. */
export const zeroGradients: Check = {
  id: "zero-gradients",
  after: (aftermath) => blindFinding(aftermath, "zero", "zero in every pixel"),
};
