/** @file Logical negation of bool. */
import { elementwise } from "./elementwise.ts";

export const not = elementwise({
  name: "not",
  operands: 1,
  accepts: ["bool"],
  value: "not",
  reference: (x) => (x === 0 ? 1 : 0),
  vjp: null,
  samples: [{ inputs: [{ shape: [4], dtype: "bool", data: [0, 1, 1, 0] }] }],
});
