/** @file Sign: −1, 0 or 1, with sign(0) = 0; its derivative is 0 everywhere. */
import { constant, scalar } from "../ir/scalar.ts";
import { elementwise, NUMERIC } from "./elementwise.ts";

export const sign = elementwise({
  name: "sign",
  operands: 1,
  accepts: NUMERIC,
  value: ([x]) => {
    const { dtype } = x!;
    const zero = constant(dtype, 0);
    const negative = scalar("select", dtype, scalar("lt", "bool", x!, zero), constant(dtype, -1), zero);
    return scalar("select", dtype, scalar("lt", "bool", zero, x!), constant(dtype, 1), negative);
  },
  reference: (x) => (x > 0 ? 1 : x < 0 ? -1 : 0),
  vjp: () => [null],
});
