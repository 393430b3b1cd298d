/** @file A classifier left in training mode: its batch norm uses the batch's mean and variance, so that an image's answer is about its company. */
import { batchAnswers, seenAlone } from "./batch-answers.ts";
import type { Check } from "./check.ts";

/** Answers depend on which images are in the batch, but not on their order: on statistics of the batch. */
export const batchStatistics: Check = {
  id: "batch-statistics",
  ofAnswers: true,
  async before({ probe }) {
    const answers = await batchAnswers(probe);
    if (answers.alone === 0 || answers.byOrder) return null;
    return { seen: `${seenAlone(answers)}; the order in the batch makes no difference`, images: answers.alone, of: answers.of };
  },
};
