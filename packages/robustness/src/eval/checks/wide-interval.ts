/** @file Too few images for the claim. */
import { wilsonInterval } from "../wilson.ts";
import type { Check } from "./check.ts";

/** Width from which a robust accuracy cannot be compared with another's: 10 points. */
const WIDEST = 0.1;

/** Wilson's 95 % interval of the robust accuracy is wider than 10 points. */
export const wideInterval: Check = {
  id: "wide-interval",
  ofAnswers: true,
  after({ images, n }) {
    const [low, high] = wilsonInterval(images.filter(({ robust }) => robust).length, n);
    if (high - low <= WIDEST) return null;
    const percent = (share: number): string => (100 * share).toFixed(1);
    return {
      seen: `with ${n} images the robust accuracy lies between ${percent(low)} and ${percent(high)} % (95 %), ${percent(high - low)} points apart`,
    };
  },
};
