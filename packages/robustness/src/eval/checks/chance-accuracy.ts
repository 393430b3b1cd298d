/** @file A classifier that is no better than guessing on the images as they are: wrong normalisation, weights or order of classes. */
import { wilsonInterval } from "../wilson.ts";
import type { Check } from "./check.ts";

/** Wilson's 95 % interval of the clean accuracy reaches down to that of guessing. */
export const chanceAccuracy: Check = {
  id: "chance-accuracy",
  ofAnswers: true,
  after({ images, n, victim: { classes } }) {
    const right = images.filter(({ clean }) => clean).length;
    const [low] = wilsonInterval(right, n);
    if (low > 1 / classes) return null;
    return {
      seen: `the classifier is right on ${right} of ${n} images as they are; guessing among ${classes} classes is on ${Number((n / classes).toFixed(1))}`,
    };
  },
};
