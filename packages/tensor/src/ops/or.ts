/** @file Or: logical on bool, bitwise on int32. */
import { elementwise } from "./elementwise.ts";

export const or = elementwise({
  name: "or",
  operands: 2,
  accepts: ["bool", "int32"],
  value: "or",
  reference: (a, b) => a | b,
  vjp: null,
  samples: [
    {
      inputs: [
        { shape: [4], dtype: "bool", data: [0, 0, 1, 1] },
        { shape: [4], dtype: "bool", data: [0, 1, 0, 1] },
      ],
    },
    {
      inputs: [
        { shape: [5], dtype: "int32", data: [5, -1, 7, 8, 0] },
        { shape: [5], dtype: "int32", data: [3, 6, -4, 8, 1] },
      ],
    },
  ],
});
