/** @file Smaller of two operands. Where they are equal each gets half of the cotangent, as in PyTorch. */
import { add, eq, fullLike, lt, mul, select } from "./build.ts";
import { elementwise, NUMERIC } from "./elementwise.ts";

export const minimum = elementwise({
  name: "minimum",
  operands: 2,
  accepts: NUMERIC,
  value: "min",
  reference: (a, b) => Math.min(a, b),
  vjp: ({ inputs: [a, b] }, ct) => {
    const half = mul(ct, fullLike(ct, 0.5));
    const zero = fullLike(ct, 0);
    const tie = select(eq(a!, b!), half, zero);
    const wins = lt(a!, b!);
    const loses = lt(b!, a!);
    return [add(select(wins, ct, zero), tie), add(select(loses, ct, zero), tie)];
  },
});
