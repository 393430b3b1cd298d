/** @file Loss scaling: it changes nothing where nothing overflows, and skips and counts the steps where something does. */
import { createDevice, type Device, evaluate, jit, type Tensor, tensor, type Value } from "@gradalign/tensor";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cnn } from "../../src/models/cnn.ts";
import { resolveTrainConfig } from "../../src/train/config.ts";
import { firstScaling, nextScaling } from "../../src/train/loss-scaling.ts";
import { stepNumbers, stepOptions } from "../../src/train/setup.ts";
import { initialState, trainingStep } from "../../src/train/step.ts";
import { tinyDataset } from "../support/tiny-dataset.ts";

let device: Device;
beforeAll(async () => {
  device = await createDevice({ backend: "wasm", threads: 1 });
});
afterAll(() => device.close());

const data = tinyDataset({ flip: true });
const config = resolveTrainConfig({ dataset: data, model: { name: "cnn", filters: 2 }, method: "fgsm-gradalign", batchSize: 4 });

/** Parameters after some steps, and what scaling then carries. */
function run(scaleLoss: boolean, steps: number, scale?: number): { params: number[][]; scaling: Record<string, number> } {
  const setup = stepOptions(config, cnn({ filters: 2, classes: 4, shape: data.shape }), scaleLoss ? { precision: "float16" } : {});
  let state = evaluate(initialState(setup, { image: data.shape, examples: 16 }, tensor([1, 2], [2], "int32")), device);
  if (scale !== undefined) state = { ...state, scaling: evaluate({ ...firstScaling(), scale: tensor(scale) }, device) };
  const step = jit(trainingStep(setup), { device });
  const images = { images: tensor(data.train.images, [16, ...data.shape]), labels: tensor(data.train.labels) };
  const order = tensor(Int32Array.from({ length: 16 }, (_, i) => i));
  for (let i = 0; i < steps; i++) {
    const inputs = {
      position: Int32Array.of(4 * i),
      augmentKey: Int32Array.of(i, 7),
      attackKey: Int32Array.of(i, 8),
      lr: 0.01,
      ramp: 1,
      numbers: stepNumbers(config),
    };
    state = step(state, images, order, inputs);
  }
  const numbers = (values: Record<string, Value>): [string, number[]][] => Object.entries(values).map(([name, value]) => [name, [...(value as Tensor).data()]]);
  return {
    params: numbers(state.params).map(([, values]) => values),
    scaling: Object.fromEntries(numbers(state.scaling as Record<string, Value>).map(([name, [value]]) => [name, value!])),
  };
}

test("a power of two goes through a step without a trace, also through GradAlign's gradients of gradients", () => {
  const plain = run(false, 3);
  const scaled = run(true, 3);
  expect(scaled.params).toEqual(plain.params);
  expect(plain.scaling).toEqual({});
  expect(scaled.scaling).toEqual({ scale: 2 ** 16, good: 3, skipped: 0 });
});

test("steps whose gradients overflow are skipped and counted, and change no parameter", () => {
  const before = run(true, 0);
  const after = run(true, 2, Number.POSITIVE_INFINITY);
  expect(after.params).toEqual(before.params);
  expect(after.scaling).toEqual({ scale: Number.POSITIVE_INFINITY, good: 0, skipped: 2 });
});

test("the scale doubles after 2000 good steps, up to 2^24", () => {
  const next = jit((scale: Value, good: Value, finite: Value) => nextScaling(finite, { scale, good, skipped: tensor(5) }), { device });
  const after = (scale: number, good: number, finite: boolean): number[] => {
    const result = next(tensor(scale), tensor(good), tensor(finite)) as unknown as Record<"scale" | "good" | "skipped", Tensor>;
    return [result.scale.item(), result.good.item(), result.skipped.item()];
  };
  expect(after(1024, 1998, true)).toEqual([1024, 1999, 5]);
  expect(after(1024, 1999, true)).toEqual([2048, 0, 5]);
  expect(after(2 ** 24, 1999, true)).toEqual([2 ** 24, 0, 5]);
  expect(after(1024, 1999, false)).toEqual([512, 0, 6]);
});
