/** @file And: logical on bool, bitwise on int32. */
import { bitwise } from "./elementwise.ts";

export const and = bitwise("and", (a, b) => a & b);
