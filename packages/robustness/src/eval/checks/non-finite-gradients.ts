/** @file Gradients with NaN or infinity: an attack gets 0 and the largest numbers in their place. */
import { blindFinding } from "./blind-gradients.ts";
import type { Check } from "./check.ts";

/** Counted at every step of every attack, in its own programs, where the answer is still right. */
export const nonFiniteGradients: Check = {
  id: "non-finite-gradients",
  after: (aftermath) => blindFinding(aftermath, "notFinite", "NaN or infinite"),
};
