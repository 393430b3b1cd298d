/** @file Strict order, as bool; comparisons with NaN are false. */
import { elementwise } from "./elementwise.ts";

export const lt = elementwise({
  name: "lt",
  operands: 2,
  accepts: ["float32", "int32", "uint8"],
  result: "bool",
  value: "lt",
  reference: (a, b) => Number(a < b),
  vjp: null,
  samples: [
    {
      inputs: [
        { shape: [6], data: [1, 2, 3, -1, 0, 5] },
        { shape: [6], data: [1, 3, 2, -1, 0, -5] },
      ],
    },
    {
      inputs: [
        { shape: [2, 3], dtype: "int32", data: [1, 2, 3, -1, 0, 5] },
        { shape: [2, 3], dtype: "int32", data: [1, 3, 2, -1, 0, -5] },
      ],
    },
  ],
});
