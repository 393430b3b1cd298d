/** @file A classifier that is still right where every image may become every other: the attack does not work on it. */
import type { Check } from "./check.ts";
import { LADDER_ATTACK } from "./ladder.ts";

/** The last rung of the ladder leaves an image. */
export const robustAtAnyRadius: Check = {
  id: "robust-at-any-radius",
  after({ ladder }) {
    const last = ladder.at(-1);
    if (!last || last.left === 0) return null;
    const course = ladder.map(({ epsilon, left }) => `${left} at ${Number(epsilon.toPrecision(3))}`).join(", ");
    return {
      seen: `${LADDER_ATTACK} leaves ${last.left} of ${last.of} images where every image in [0, 1] may become every other (${course})`,
      images: last.left,
      of: last.of,
    };
  },
};
