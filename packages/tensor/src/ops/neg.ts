/** @file Negation. */
import { neg as negate } from "./build.ts";
import { elementwise, NUMERIC } from "./elementwise.ts";

export const neg = elementwise({
  name: "neg",
  operands: 1,
  accepts: NUMERIC,
  value: "neg",
  reference: (x) => -x,
  vjp: (_, ct) => [negate(ct)],
});
