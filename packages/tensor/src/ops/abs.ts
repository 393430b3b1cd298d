/** @file Absolute value; derivative 0 at 0. */
import { mul, sign } from "./build.ts";
import { elementwise, NUMERIC } from "./elementwise.ts";

export const abs = elementwise({
  name: "abs",
  operands: 1,
  accepts: NUMERIC,
  value: "abs",
  reference: Math.abs,
  vjp: ({ inputs: [x] }, ct) => [mul(ct, sign(x!))],
});
