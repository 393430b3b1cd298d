/** @file Natural logarithm. */
import { logExpr } from "../ir/transcendental.ts";
import { div } from "./build.ts";
import { elementwise, FLOAT } from "./elementwise.ts";

export const log = elementwise({
  name: "log",
  operands: 1,
  accepts: FLOAT,
  value: ([x]) => logExpr(x!),
  reference: Math.log,
  vjp: ({ inputs: [x] }, ct) => [div(ct, x!)],
  samples: [{ inputs: [{ shape: [3, 4], range: [0.1, 4] }] }, { inputs: [{ shape: [9], range: [0.5, 2] }] }],
});
