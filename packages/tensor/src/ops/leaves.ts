/** @file The leaves of a graph: a program's inputs, and tensors in memory. They have no formula; the runtime knows their values. */
import { InvariantError } from "../base/errors.ts";
import type { Operation } from "./definition.ts";

function leaf(name: string): Operation {
  const never = (): never => {
    throw new InvariantError(`${name}: a leaf is never computed`);
  };
  return { name, infer: never, vjp: () => [], lower: { kind: "special" }, reference: never, samples: [] };
}

export const input = leaf("input");
export const constantLeaf = leaf("constant");
