/** @file The identity. `grad` differentiates with respect to an alias of its argument, so that the same value reached another
 * way (closed over, or through a nested `grad`) counts as a constant. */
import { elementwise } from "./elementwise.ts";

export const alias = elementwise({
  name: "alias",
  operands: 1,
  accepts: ["float32", "int32", "uint8", "bool"],
  value: ([x]) => x!,
  reference: (x) => x,
  vjp: (_, ct) => [ct],
});
