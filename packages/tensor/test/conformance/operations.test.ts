/** @file Every operation on every device: values against the reference, first and second derivatives against finite differences. */
import { type Device, grad, jit, mul, sum, type Tensor, tensor, type Value } from "@gradalign/tensor";
import { describe, expect, test } from "vitest";
import { sizeOf } from "../../src/base/shape.ts";
import type { Node } from "../../src/ir/graph.ts";
import { apply, type Operation, type Sample } from "../../src/ops/definition.ts";
import { openDevices, relativeError } from "../support/devices.ts";
import { pseudoRandom } from "../support/pseudo-random.ts";
import { referenceTensor, referenceValues } from "../support/reference.ts";
import { runSample, sampleInputs, samples } from "../support/samples.ts";
import { toleranceOf } from "../support/tolerances.ts";

const { reference, tested } = await openDevices();

/** A smooth scalar function of an operation's float inputs: ⟨weights, operation(…)⟩. */
function weighted(operation: Operation, sample: Sample, inputs: readonly Value[]): Value {
  const out = apply(operation.name, inputs, sample.attrs);
  const random = pseudoRandom(99);
  return sum(
    mul(
      out,
      tensor(
        Float64Array.from({ length: sizeOf(out.shape) }, () => random() + 0.5),
        out.shape,
      ),
    ),
  );
}

/** Indices of the inputs that have gradients. */
const floatInputs = ({ inputs }: Sample): number[] => inputs.flatMap(({ dtype = "float32" }, i) => (dtype === "float32" ? [i] : []));

const withGradients = samples.filter(({ operation, sample }) => operation.vjp && resultType(operation, sample) === "float32" && floatInputs(sample).length > 0);

test("a tolerance is stated for the gradients of those operations that have any", () => {
  const names = (of: typeof samples): string[] => [...new Set(of.map(({ operation }) => operation.name))];
  expect(names(samples.filter(({ operation }) => toleranceOf(operation).gradient !== null))).toEqual(names(withGradients));
});

describe.each(tested)("%s", (_, device) => {
  test.each(samples)("$name equals the reference", async ({ operation, sample }) => {
    const expected = await runSample(operation, sample, reference);
    const actual = await runSample(operation, sample, device);
    expect(actual.length).toBe(expected.length);
    expect(relativeError(actual, expected)).toBeLessThanOrEqual(toleranceOf(operation).value);
  });

  test.each(withGradients)("gradients of $name equal the reference's", async ({ operation, sample }) => {
    const gradients = (on: Device): Promise<ArrayLike<number>[]> => {
      const f = jit((...inputs: Value[]) => floatInputs(sample).map((i) => grad((...args: Value[]) => weighted(operation, sample, args), i)(...inputs)), {
        device: on,
      });
      return Promise.all(f(...sampleInputs(sample)).map((gradient) => gradient.read()));
    };
    const [actual, expected] = [await gradients(device), await gradients(reference)];
    expected.forEach((gradient, i) => {
      expect(relativeError(actual[i]!, gradient), `gradient ${i}`).toBeLessThanOrEqual(toleranceOf(operation).gradient!);
    });
  });
});

test("one thread and two threads give the same bits", async () => {
  for (const { operation, sample } of samples) {
    const [one, two] = await Promise.all(tested.slice(0, 2).map(([, device]) => runSample(operation, sample, device)));
    expect(two, operation.name).toEqual(one);
  }
});

/** `stop-gradient` lies about its derivative on purpose. */
const differentiable = withGradients.filter(
  ({ operation, sample }) => operation.name !== "stop-gradient" && sample.inputs.every(({ shape }) => sizeOf(shape) <= 600),
);

/** Directional derivative of `f` at `inputs` along `direction` by central differences in float64. */
function centralDifference(f: (inputs: Tensor[]) => number, inputs: Tensor[], direction: (Float64Array | null)[]): number {
  const step = 1e-5;
  const shifted = (sign: number): Tensor[] =>
    inputs.map((input, i) => {
      const d = direction[i];
      if (!d) return input;
      return exact(
        Float64Array.from(input.data(), (x, j) => x + sign * step * d[j]!),
        input.shape,
      );
    });
  return (f(shifted(1)) - f(shifted(-1))) / (2 * step);
}

/** A tensor that keeps float64 values on the reference device. */
function exact(values: Float64Array, shape: readonly number[]): Tensor {
  return referenceTensor(reference, values, shape);
}

function dotProduct(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < a.length; i++) total += a[i]! * b[i]!;
  return total;
}

describe("derivatives against finite differences in float64", () => {
  test.each(differentiable)("$name", ({ operation, sample }) => {
    const inputs = sampleInputs(sample);
    const float = inputs.map((input) => input.dtype === "float32");
    const random = pseudoRandom(5);
    const directions = inputs.map((input, i) => (float[i] ? Float64Array.from({ length: sizeOf(input.shape) }, () => random() - 0.5) : null));
    const value = jit((...args: Node[]) => weighted(operation, sample, args), { device: reference });
    const f = (args: Tensor[]): number => referenceValues(value(...args))[0]!;
    // ⟨gradient, direction⟩, itself a function to differentiate again.
    const along = (args: readonly Node[]): Value => {
      const parts = args.flatMap((_, i) => {
        if (!float[i]) return [];
        const g = grad((x: Node) =>
          weighted(
            operation,
            sample,
            args.map((arg, j) => (j === i ? x : arg)),
          ),
        )(args[i]!);
        return [sum(mul(g, tensor(directions[i]!, args[i]!.shape)))];
      });
      return parts.reduce((a, b) => apply("add", [a, b]));
    };
    const first = jit((...args: Node[]) => along(args), { device: reference });
    const g = (args: Tensor[]): number => referenceValues(first(...args))[0]!;
    const expected = centralDifference(
      f,
      inputs,
      directions.map((d) => d && Float64Array.from(d, Math.fround)),
    );
    expect(g(inputs)).toBeCloseTo(expected, 5);
    // Second order along another direction.
    const second = inputs.map((input, i) => (float[i] ? Float64Array.from({ length: sizeOf(input.shape) }, () => Math.fround(random() - 0.5)) : null));
    const hessian = inputs.map((_, i) =>
      float[i] ? jit((...args: Node[]) => grad((x: Node) => along(args.map((arg, j) => (j === i ? x : arg))))(args[i]!), { device: reference }) : null,
    );
    const product = hessian.reduce((total, h, i) => total + (h ? dotProduct(referenceValues(h(...inputs)), second[i]!) : 0), 0);
    expect(product).toBeCloseTo(centralDifference(g, inputs, second), 4);
  });
});

function resultType(operation: Operation, sample: Sample): string {
  return operation.infer(
    sample.inputs.map(({ shape, dtype = "float32" }) => ({ shape, dtype })),
    sample.attrs ?? {},
  ).dtype;
}
