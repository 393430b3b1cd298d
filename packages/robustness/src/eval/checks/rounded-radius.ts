/** @file A radius in l-infinity that is not the one of the tables: 0.031 is not 8/255. */
import type { Check } from "./check.ts";

/** Radii from here on are given as decimals on purpose, e.g. 0.3 of MNIST. */
const SMALL = 0.1;
/** How far from a quarter of a level still counts as rounding of float32. */
const ROUNDING = 1e-3;

/** A small radius that is no multiple of a quarter of 1/255. */
export const roundedRadius: Check = {
  id: "rounded-radius",
  before({ threat, epsilon }) {
    const levels = 255 * epsilon;
    const meant = Math.round(levels);
    if (threat.name !== "linf" || epsilon >= SMALL || meant < 1 || Math.abs(4 * levels - Math.round(4 * levels)) <= 4 * ROUNDING) return null;
    return { seen: `epsilon is ${epsilon}, that is ${Number(levels.toFixed(3))}/255; if ${meant}/255 is meant, it is ${(meant / 255).toPrecision(6)}` };
  },
};
