/** @file Logical right shift of int32 by 0..31 bits: zeros come in from the left. */
import { elementwise } from "./elementwise.ts";

export const shiftRight = elementwise({
  name: "shift-right",
  operands: 2,
  accepts: ["int32"],
  value: "shiftRight",
  reference: (a, b) => (a >>> b) | 0,
  vjp: null,
  samples: [
    {
      inputs: [
        { shape: [5], dtype: "int32", data: [-1, 8, 1024, -7, 5] },
        { shape: [5], dtype: "int32", data: [8, 1, 3, 28, 31] },
      ],
    },
  ],
});
