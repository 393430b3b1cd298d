/** @file Every operation's samples, with inputs, ready to run on any device; also in a browser. */
import { type Device, type DType, jit, type Tensor, tensor } from "@gradalign/tensor";
import { sizeOf } from "../../src/base/shape.ts";
import type { Node } from "../../src/ir/graph.ts";
import { apply, type Operation, type Sample } from "../../src/ops/definition.ts";
import { operations } from "../../src/ops/index.ts";
import { pseudoRandom } from "./pseudo-random.ts";

export const samples = operations.flatMap((operation) =>
  operation.samples.map((sample, i) => ({ operation, sample, name: `${operation.name} ${sample.name ?? i}` })),
);

/** The element of each type that a number becomes. */
const ELEMENT: Readonly<Record<DType, (x: number) => number>> = { float32: (x) => x, int32: Math.round, uint8: (x) => Math.round(x) & 255, bool: Math.round };

/** The given elements, else pseudo-random ones from the sample's range. */
export function sampleInputs({ inputs }: Sample): Tensor[] {
  return inputs.map(({ shape, dtype = "float32", data, range = [-2, 2] }, i) => {
    const random = pseudoRandom(17 * i + sizeOf(shape) + 1);
    const values = data ?? Array.from({ length: sizeOf(shape) }, () => range[0] + random() * (range[1] - range[0]));
    return tensor(Float64Array.from(values, ELEMENT[dtype]), shape, dtype);
  });
}

/** The operation's value on the sample. */
export function runSample(operation: Operation, sample: Sample, device: Device): Promise<ArrayLike<number>> {
  const f = jit((...inputs: Node[]) => apply(operation.name, inputs, sample.attrs), { device });
  return f(...sampleInputs(sample)).read();
}
