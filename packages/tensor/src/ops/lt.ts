/** @file Strict order, as bool; comparisons with NaN are false. */
import { comparison } from "./elementwise.ts";

export const lt = comparison("lt", (a, b) => a < b);
