/** @file Sine, for arguments up to a few thousand. */
import { sinExpr } from "../ir/transcendental.ts";
import { cos, mul } from "./build.ts";
import { elementwise, FLOAT } from "./elementwise.ts";

export const sin = elementwise({
  name: "sin",
  operands: 1,
  accepts: FLOAT,
  value: ([x]) => sinExpr(x!),
  reference: Math.sin,
  vjp: ({ inputs: [x] }, ct) => [mul(ct, cos(x!))],
});
