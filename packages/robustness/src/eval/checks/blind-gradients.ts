/** @file What `zero-gradients` and `non-finite-gradients` say of an attack's counts. */
import type { Aftermath, Finding } from "./check.ts";

/** Images of which an attack saw such a gradient, and how many it saw; null if there is none. */
export function blindFinding({ blind, images }: Pick<Aftermath, "blind" | "images">, kind: "zero" | "notFinite", what: string): Finding | null {
  const stages = blind
    .map(({ attack, images: met }) => ({ attack, met: met.filter((image) => image[kind] > 0) }))
    .filter(({ met }) => met.length > 0)
    .map(({ attack, met }) => ({ attack, indices: met.map(({ index }) => index), count: met.reduce((sum, image) => sum + image[kind], 0) }));
  if (stages.length === 0) return null;
  const told = stages.map(({ attack, indices, count }) => `${count} of ${attack} on ${new Set(indices).size} images`);
  return {
    seen: `gradients were ${what} where the answer was still right: ${told.join(", ")}`,
    images: new Set(stages.flatMap(({ indices }) => indices)).size,
    of: images.filter(({ clean }) => clean).length,
  };
}
