/** @file Difference of two operands. */
import { neg } from "./build.ts";
import { elementwise, NUMERIC } from "./elementwise.ts";

export const sub = elementwise({
  name: "sub",
  operands: 2,
  accepts: NUMERIC,
  value: "sub",
  reference: (a, b) => a - b,
  vjp: (_, ct) => [ct, neg(ct)],
});
