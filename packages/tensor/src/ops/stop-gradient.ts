/** @file The identity whose derivative is zero. */
import { elementwise } from "./elementwise.ts";

export const stopGradient = elementwise({
  name: "stop-gradient",
  operands: 1,
  accepts: ["float32", "int32", "uint8", "bool"],
  value: ([x]) => x!,
  reference: (x) => x,
  vjp: () => [null],
});
