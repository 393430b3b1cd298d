/** @file An attack without gradients that breaks what attacks with gradients left: their gradients are misleading. */
import type { Check } from "./check.ts";

/** Share of all images beyond which it counts (AutoAttack's). */
const RULE = 0.002;

/** Whether an attack uses gradients is seen by its backward passes, not declared. */
export const blackBoxStronger: Check = {
  id: "black-box-stronger",
  after({ stages, n }) {
    const ran = stages.filter(({ attacked }) => attacked > 0);
    const white = ran.findIndex(({ passes }) => passes.backward > 0);
    const black = white < 0 ? [] : ran.slice(white).filter(({ passes, broken }) => passes.backward === 0 && broken > 0);
    const images = black.reduce((sum, { broken }) => sum + broken, 0);
    if (images <= RULE * n) return null;
    const names = black.map(({ attack, broken, attacked }) => `${attack}, without gradients, broke ${broken} of ${attacked} images`);
    return { seen: `${names.join(" and ")} that the attacks with gradients before it had left`, images, of: n };
  },
};
