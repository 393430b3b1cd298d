/** @file Hyperbolic tangent. */
import { tanhExpr } from "../ir/transcendental.ts";
import { fullLike, mul, sub } from "./build.ts";
import { elementwise, FLOAT } from "./elementwise.ts";

export const tanh = elementwise({
  name: "tanh",
  operands: 1,
  accepts: FLOAT,
  value: ([x]) => tanhExpr(x!),
  reference: Math.tanh,
  // d tanh x = (1 − tanh² x) dx
  vjp: (node, ct) => [mul(ct, sub(fullLike(ct, 1), mul(node, node)))],
});
