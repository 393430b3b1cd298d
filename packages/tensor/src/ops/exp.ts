/** @file Exponential. */
import { expExpr } from "../ir/transcendental.ts";
import { mul } from "./build.ts";
import { elementwise, FLOAT } from "./elementwise.ts";

export const exp = elementwise({
  name: "exp",
  operands: 1,
  accepts: FLOAT,
  value: ([x]) => expExpr(x!),
  reference: Math.exp,
  vjp: (node, ct) => [mul(ct, node)],
});
