/** @file Methods that move the weights before their loss is taken: they are trained on from there, and stay moved. */
import { createDevice, type Device, type Tensor } from "@gradalign/tensor";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createModel } from "../../src/models/index.ts";
import { type PartialTrainConfig, resolveTrainConfig } from "../../src/train/config.ts";
import { createSession } from "../../src/train/session.ts";
import { tinyDataset } from "../support/tiny-dataset.ts";

let device: Device;
beforeAll(async () => {
  device = await createDevice({ backend: "wasm", threads: 1 });
});
afterAll(() => device.close());

const data = tinyDataset({ flip: true });
const small: PartialTrainConfig = { dataset: data, model: { name: "cnn", filters: 2 }, optimizer: { name: "sgd", weightDecay: 0 }, batchSize: 4 };

/** A weight's values before and after some steps. */
function stepped(settings: PartialTrainConfig, steps: number, name = "_model.0.weight"): { before: number[]; after: number[] } {
  const config = resolveTrainConfig({ ...small, ...settings });
  const session = createSession(createModel(config.model, { classes: data.classNames.length, shape: data.shape }), config, data, device);
  const values = (): number[] => [...(session.current.params[name] as Tensor).data()];
  session.initialize();
  const before = values();
  for (let i = 0; i < steps; i++) session.step(i);
  const after = values();
  session.dispose({ model: true });
  return { before, after };
}

const norm = (values: readonly number[]): number => Math.hypot(...values);
const distance = (a: readonly number[], b: readonly number[]): number => norm(a.map((v, i) => v - (b[i] as number)));

test("LAP without a movement is N-FGSM, bit for bit", () => {
  expect(stepped({ method: { name: "lap", strength: 0 } }, 2)).toEqual(stepped({ method: "n-fgsm" }, 2));
});

test("LAP's weights stay where it moved them: all of the first layer's, none of the last one's, opposite ways by direction", () => {
  // Nearly no learning rate: what moves, LAP has moved. The initialising step, without any, moves nothing.
  const schedule = { peak: 1e-3 };
  const first = stepped({ schedule, method: { name: "lap", strength: 0.01 } }, 1);
  expect(distance(first.after, first.before) / norm(first.before)).toBeCloseTo(0.01, 3);
  const last = stepped({ schedule, method: { name: "lap", strength: 0.01 } }, 1, "_model.3.weight");
  expect(distance(last.after, last.before) / norm(last.before)).toBeLessThan(1e-3);
  const ascent = stepped({ schedule, method: { name: "lap", strength: 0.01, direction: "ascent" } }, 1);
  expect(distance(ascent.after, first.after) / norm(first.before)).toBeCloseTo(0.02, 3);
});
