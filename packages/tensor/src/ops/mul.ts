/** @file Product of two operands. */
import { mul as times } from "./build.ts";
import { elementwise, NUMERIC } from "./elementwise.ts";

export const mul = elementwise({
  name: "mul",
  operands: 2,
  accepts: NUMERIC,
  value: "mul",
  // int32 products wrap around, as they do in hardware.
  reference: (a, b) => a * b,
  referenceInt: Math.imul,
  vjp: ({ inputs: [a, b] }, ct) => [times(ct, b!), times(ct, a!)],
});
