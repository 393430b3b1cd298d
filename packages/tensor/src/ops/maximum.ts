/** @file Larger of two operands. Where they are equal each gets half of the cotangent, as in PyTorch. */
import { add, eq, fullLike, lt, mul, select } from "./build.ts";
import { elementwise, NUMERIC } from "./elementwise.ts";

export const maximum = elementwise({
  name: "maximum",
  operands: 2,
  accepts: NUMERIC,
  value: "max",
  reference: (a, b) => Math.max(a, b),
  vjp: ({ inputs: [a, b] }, ct) => {
    const half = mul(ct, fullLike(ct, 0.5));
    const zero = fullLike(ct, 0);
    const tie = select(eq(a!, b!), half, zero);
    const wins = lt(b!, a!);
    const loses = lt(a!, b!);
    return [add(select(wins, ct, zero), tie), add(select(loses, ct, zero), tie)];
  },
});
