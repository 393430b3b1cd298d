/** @file Equality, as bool; comparisons with NaN are false. */
import { comparison } from "./elementwise.ts";

export const eq = comparison("eq", (a, b) => a === b);
