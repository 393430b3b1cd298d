/** @file Cosine. Angles beyond ±102,943 are taken for that bound. */
import { cosExpr } from "../ir/transcendental.ts";
import { mul, neg, sin } from "./build.ts";
import { elementwise, FLOAT } from "./elementwise.ts";

export const cos = elementwise({
  name: "cos",
  operands: 1,
  accepts: FLOAT,
  value: ([x], node) => cosExpr(x!, node.attrs["inTurn"] === true),
  reference: Math.cos,
  vjp: ({ inputs: [x] }, ct) => [neg(mul(ct, sin(x!)))],
});
