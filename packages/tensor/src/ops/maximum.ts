/** @file Larger of two operands. */
import { extremeOf } from "./elementwise.ts";

export const maximum = extremeOf("maximum");
