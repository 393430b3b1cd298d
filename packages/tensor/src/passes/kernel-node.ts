/** @file The one operation that exists only below the layout pass: a value that kernels of its own compute, which it carries with it. */
import type { DType } from "../base/dtype.ts";
import { InvariantError } from "../base/errors.ts";
import type { Attributes } from "../ir/graph.ts";
import { Node } from "../ir/graph.ts";
import type { Kernel } from "../ir/kernel.ts";
import { register } from "../ops/definition.ts";

/** Name of the operation. */
export const KERNELS = "kernels";

/** One of the kernels, which are run in order. */
export interface Step {
  readonly kernel: Kernel;
  /** Numbers of the node's inputs that are its first buffers; the last buffer is the node's value. */
  readonly inputs: readonly number[];
}

/** A value that one kernel makes of the inputs. */
export function kernelNode(kernel: Kernel, inputs: readonly Node[], shape: readonly number[], dtype: DType = "float32"): Node {
  return stepsNode([{ kernel, inputs: inputs.map((_, i) => i) }], inputs, shape, dtype);
}

/** A value that several kernels make together. */
export function stepsNode(steps: readonly Step[], inputs: readonly Node[], shape: readonly number[], dtype: DType = "float32"): Node {
  // Kernels are plain data, like all attributes.
  return new Node(KERNELS, inputs, { steps } as unknown as Attributes, shape, dtype);
}

export function stepsOf({ attrs }: Node): readonly Step[] {
  return attrs["steps"] as unknown as readonly Step[];
}

const never = (): never => {
  throw new InvariantError("a value of kernels has no logical meaning");
};

register([{ name: KERNELS, infer: never, vjp: null, lower: { kind: "kernels" }, reference: never, samples: [] }]);
