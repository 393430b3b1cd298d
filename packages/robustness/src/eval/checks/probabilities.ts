/** @file A classifier that returns probabilities instead of logits: losses and margins of them have gradients that vanish where it is sure. */
import type { Check } from "./check.ts";

/** AutoAttack's tolerance. */
const TOLERANCE = 1e-5;

/** Every output lies in [0, 1], and every image's add up to 1. */
export const probabilities: Check = {
  id: "probabilities",
  async before({ probe }) {
    const answers = await probe.clean();
    const like = answers.every(({ logits }) => {
      const sum = logits.reduce((total, value) => total + value, 0);
      return Math.abs(sum - 1) <= TOLERANCE && logits.every((value) => value > -TOLERANCE && value < 1 + TOLERANCE);
    });
    if (!like) return null;
    return {
      seen: `the outputs for each of ${answers.length} images lie between 0 and 1 and add up to 1: they are probabilities, not logits`,
      images: answers.length,
      of: answers.length,
    };
  },
};
