/** @file Or: logical on bool, bitwise on int32. */
import { bitwise } from "./elementwise.ts";

export const or = bitwise("or", (a, b) => a | b);
