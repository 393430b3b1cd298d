/** @file A cheap attack breaks what the attacks left: the number is not of this classifier, but of an attack that is too weak for it. */
import type { Check } from "./check.ts";
import { LADDER_ATTACK } from "./ladder.ts";

/** Part of the images that another random start may well break. */
const LUCK = 0.1;

/** The first rung of the ladder, at the radius itself, breaks more than a tenth of the images. */
export const attackTooWeak: Check = {
  id: "attack-too-weak",
  after({ ladder: [first] }) {
    if (!first || first.of - first.left <= LUCK * first.of) return null;
    const images = first.of - first.left;
    return { seen: `${LADDER_ATTACK} at the same radius broke ${images} of ${first.of} images that the attacks had left`, images, of: first.of };
  },
};
