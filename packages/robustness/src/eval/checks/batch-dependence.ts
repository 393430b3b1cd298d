/** @file A classifier whose answer to an image depends on which images stand beside it, and where. */
import { batchAnswers, seenAlone } from "./batch-answers.ts";
import type { Check } from "./check.ts";

/** Answers depend on the order of a batch; where they depend on its statistics alone, that is told by `batch-statistics`. */
export const batchDependence: Check = {
  id: "batch-dependence",
  ofAnswers: true,
  async before({ probe }) {
    const answers = await batchAnswers(probe);
    if (!answers.byOrder) return null;
    return { seen: `${seenAlone(answers)}; so they do in another order`, images: answers.alone, of: answers.of };
  },
};
