/** @file Logits that are NaN or infinite: such answers count as wrong, and an attack may have done nothing but overflow. */
import type { Check } from "./check.ts";

/** An image whose logits, as it is or attacked, are not finite. */
export const nonFiniteLogits: Check = {
  id: "non-finite-logits",
  ofAnswers: true,
  after({ images, n }) {
    const broken = images.filter(({ finite }) => !finite);
    if (broken.length === 0) return null;
    const clean = broken.filter((image) => !image.clean).length;
    return {
      seen: `logits are NaN or infinite on ${broken.length} of ${n} images, of which ${broken.length - clean} were answered rightly before they were attacked`,
      images: broken.length,
      of: n,
    };
  },
};
