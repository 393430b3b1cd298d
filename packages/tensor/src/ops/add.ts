/** @file Sum of two operands. */
import { elementwise, NUMERIC } from "./elementwise.ts";

export const add = elementwise({
  name: "add",
  operands: 2,
  accepts: NUMERIC,
  value: "add",
  reference: (a, b) => a + b,
  vjp: (_, ct) => [ct, ct],
});
