/** @file Sine. Angles beyond ±102,943 are taken for that bound. */
import { sinExpr } from "../ir/transcendental.ts";
import { cos, mul } from "./build.ts";
import { elementwise, FLOAT } from "./elementwise.ts";

export const sin = elementwise({
  name: "sin",
  operands: 1,
  accepts: FLOAT,
  value: ([x], node) => sinExpr(x!, node.attrs["inTurn"] === true),
  reference: Math.sin,
  vjp: ({ inputs: [x] }, ct) => [mul(ct, cos(x!))],
});
