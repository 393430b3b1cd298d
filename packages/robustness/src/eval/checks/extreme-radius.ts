/** @file A radius that says nothing about robustness: less than an image can hold, or so much that every image can be turned grey. */
import type { Check } from "./check.ts";

/** Half a level of an 8-bit image in one pixel: in every norm no smaller change can be seen in one. */
const LEAST = 0.5 / 255;

/** A radius below half a level, or of at least half the box's diameter. */
export const extremeRadius: Check = {
  id: "extreme-radius",
  async before({ epsilon, threat, probe }) {
    if (epsilon < LEAST) return { seen: `epsilon is ${epsilon}, less than half a level of an 8-bit image in one pixel (${LEAST.toPrecision(3)})` };
    const grey = (await probe.diameter()) / 2;
    if (epsilon < grey) return null;
    return { seen: `epsilon is ${epsilon}; from ${grey.toPrecision(4)} on in ${threat.name} every image may become a grey one, and all may become equal` };
  },
};
