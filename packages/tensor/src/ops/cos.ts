/** @file Cosine, for arguments up to a few thousand. */
import { cosExpr } from "../ir/transcendental.ts";
import { mul, neg, sin } from "./build.ts";
import { elementwise, FLOAT } from "./elementwise.ts";

export const cos = elementwise({
  name: "cos",
  operands: 1,
  accepts: FLOAT,
  value: ([x]) => cosExpr(x!),
  reference: Math.cos,
  vjp: ({ inputs: [x] }, ct) => [neg(mul(ct, sin(x!)))],
});
