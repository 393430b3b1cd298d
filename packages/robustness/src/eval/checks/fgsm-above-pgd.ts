/**
 * @file The shape of catastrophic overfitting: a network trained with FGSM stands up to FGSM and falls to PGD (Wong, Rice, Kolter 2020;
 * Andriushchenko, Flammarion 2020). What FGSM says about it is worth nothing.
 */
import type { Check } from "./check.ts";

/** Images below which nothing is said. */
const FEWEST = 8;

/** FGSM leaves at least half of the images that are answered rightly, and PGD less than half of what FGSM leaves. */
export const fgsmAbovePgd: Check = {
  id: "fgsm-above-pgd",
  async before({ probe, epsilon }) {
    if (!(epsilon > 0)) return null;
    const right = await probe.right();
    if (right.length < FEWEST) return null;
    const fgsm = (await probe.left("fgsm", right, epsilon)).length;
    if (2 * fgsm < right.length) return null;
    const pgd = (await probe.left("pgd", right, epsilon)).length;
    if (2 * pgd >= fgsm) return null;
    return {
      seen: `FGSM leaves ${fgsm} of ${right.length} images, PGD with 10 steps at the same radius leaves ${pgd}: the shape of catastrophic overfitting`,
      images: fgsm - pgd,
      of: right.length,
    };
  },
};
