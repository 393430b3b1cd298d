/** @file Square root. Its derivative at 0 is infinite: select a safe operand before, not after. */
import { div, fullLike, mul } from "./build.ts";
import { elementwise, FLOAT } from "./elementwise.ts";

export const sqrt = elementwise({
  name: "sqrt",
  operands: 1,
  accepts: FLOAT,
  value: "sqrt",
  reference: Math.sqrt,
  // d√x = dx / (2√x)
  vjp: (node, ct) => [div(mul(ct, fullLike(ct, 0.5)), node)],
  samples: [{ inputs: [{ shape: [3, 4], range: [0.1, 4] }] }],
});
