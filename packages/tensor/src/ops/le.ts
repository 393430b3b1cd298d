/** @file Order, as bool; comparisons with NaN are false. */
import { comparison } from "./elementwise.ts";

export const le = comparison("le", (a, b) => a <= b);
