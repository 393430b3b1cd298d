/** @file Largest whole number not above; derivative 0. */
import { elementwise, FLOAT } from "./elementwise.ts";

export const floor = elementwise({
  name: "floor",
  operands: 1,
  accepts: FLOAT,
  value: "floor",
  reference: Math.floor,
  vjp: () => [null],
});
