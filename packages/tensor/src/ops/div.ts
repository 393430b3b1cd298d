/** @file Quotient of two float operands. */
import { div as divide, mul, neg } from "./build.ts";
import { elementwise, FLOAT } from "./elementwise.ts";

const positive = { range: [0.5, 2] as const };

export const div = elementwise({
  name: "div",
  operands: 2,
  accepts: FLOAT,
  value: "div",
  reference: (a, b) => a / b,
  // d(a/b) = da/b − (a/b)·db/b
  vjp: (node, ct) => {
    const da = divide(ct, node.inputs[1]!);
    return [da, neg(mul(da, node))];
  },
  samples: [{ inputs: [{ shape: [3, 4] }, { shape: [3, 4], ...positive }] }, { inputs: [{ shape: [7] }, { shape: [7], ...positive }] }],
});
