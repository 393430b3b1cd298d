/** @file Attacks whose loss needs more classes than there are. */
import type { Check } from "./check.ts";

/** With fewer classes such an attack climbs the margin of the logits. */
export const fewClasses: Check = {
  id: "few-classes",
  before({ attacks, victim: { classes } }) {
    const short = attacks.map(({ attack }) => attack).filter(({ fewestClasses = 2 }) => classes < fewestClasses);
    if (short.length === 0) return null;
    const needs = short.map(({ id, fewestClasses }) => `the loss of ${id} is defined from ${fewestClasses} classes on`);
    return { seen: `the classifier has ${classes} classes; ${needs.join(", ")}: the margin of the logits was climbed instead` };
  },
};
