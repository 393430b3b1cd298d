/** @file Smaller of two operands. */
import { extremeOf } from "./elementwise.ts";

export const minimum = extremeOf("minimum");
