/** @file Exclusive or: logical on bool, bitwise on int32. */
import { bitwise } from "./elementwise.ts";

export const xor = bitwise("xor", (a, b) => a ^ b);
