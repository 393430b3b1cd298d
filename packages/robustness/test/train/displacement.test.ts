/** @file Methods that move the weights before their loss is taken: they are trained on from there, and stay moved. */
import { createDevice, type Device, type Tensor } from "@gradalign/tensor";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createModel } from "../../src/models/index.ts";
import { type PartialTrainConfig, resolveTrainConfig } from "../../src/train/config.ts";
import { createSession, type Session } from "../../src/train/session.ts";
import { storeTree } from "../../src/train/snapshot.ts";
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

test("adversarial weight perturbation: the gradient at weights moved uphill by a share of their norm, taken from the weights as they were", async () => {
  // Without momentum a step is the gradient, down.
  const plain: PartialTrainConfig = { method: "standard", optimizer: { name: "sgd", momentum: 0, weightDecay: 0 }, schedule: { name: "piecewise", peak: 0.1 } };
  const config = resolveTrainConfig({ ...small, ...plain });
  const open = (settings: PartialTrainConfig): Session => {
    const session = createSession(
      createModel(config.model, { classes: 4, shape: data.shape }),
      resolveTrainConfig({ ...small, ...plain, ...settings }),
      data,
      device,
    );
    session.initialize();
    return session;
  };
  const names = ["_model.0.weight", "_model.0.bias", "_model.3.weight", "_model.3.bias"] as const;
  const weights = (session: Session): number[][] => names.map((name) => [...(session.current.params[name] as Tensor).data()]);
  const moved = (from: number[][], to: number[][]): number[][] => from.map((list, i) => list.map((value, j) => (to[i]?.[j] as number) - value));
  const share = 0.25;
  const [reference, perturbed, at] = [open({}), open({ weightPerturbation: share }), open({})];
  const before = weights(reference);
  for (const session of [reference, perturbed]) session.step(0);
  const [step, ours] = [moved(before, weights(reference)), moved(before, weights(perturbed))];
  // Uphill is against the step, for tensors of more than one axis.
  const uphill = before.map((list, i) => {
    const [own, size] = [norm(list), norm(step[i] as number[])];
    return names[i]?.endsWith("weight") ? list.map((value, j) => value - (share * own * (step[i]?.[j] as number)) / size) : list;
  });
  const stored = await storeTree(at.current);
  at.restore(
    new Map(
      [...stored].map(([path, tensor]) => {
        const i = names.findIndex((name) => path === `params/${name}`);
        return [path, i < 0 ? tensor : { ...tensor, data: Float32Array.from(uphill[i] as number[]) }];
      }),
    ),
  );
  const from = weights(at);
  at.step(0);
  for (const [i, expected] of moved(from, weights(at)).entries()) {
    const got = ours[i] as number[];
    expect(norm(expected)).toBeGreaterThan(0);
    expect(distance(got, expected) / norm(expected), names[i]).toBeLessThan(0.02);
    expect(distance(got, step[i] as number[]) / norm(expected), names[i]).toBeGreaterThan(0.05);
  }
  for (const session of [reference, perturbed, at]) session.dispose({ model: true });
});

test("adversarial weight perturbation with micro-batches is refused, whose gradient is not the batch's", () => {
  const config = resolveTrainConfig({ ...small, method: "fgsm", weightPerturbation: 0.01, microBatch: 2 });
  expect(() => createSession(createModel(config.model, { classes: 4, shape: data.shape }), config, data, device)).toThrow(
    "whose weights weightPerturbation moves by a whole batch's gradient first; use a smaller batchSize",
  );
});
