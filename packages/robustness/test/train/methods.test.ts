/** @file Every method that carries something of its own: its steps are finite, and resumed between two of them it goes on to the same bits. */
import { createDevice, type Device } from "@gradalign/tensor";
import { afterAll, beforeAll, expect, test } from "vitest";
import { methods } from "../../src/methods/index.ts";
import type { Method } from "../../src/methods/method.ts";
import { createModel } from "../../src/models/index.ts";
import { type PartialTrainConfig, resolveTrainConfig } from "../../src/train/config.ts";
import { createSession } from "../../src/train/session.ts";
import { storeTree } from "../../src/train/snapshot.ts";
import { stepPrograms } from "../../src/train/step-programs.ts";
import { tinyDataset } from "../support/tiny-dataset.ts";

let device: Device;
beforeAll(async () => {
  device = await createDevice({ backend: "wasm", threads: 1 });
});
afterAll(() => device.close());

const data = tinyDataset({ train: 8, flip: true });
/** Two steps per epoch. */
const small: PartialTrainConfig = { dataset: data, model: { name: "cnn", filters: 2 }, epochs: 2, batchSize: 4, epsilon: 8 / 255 };
const STEPS = 4;
const STOP = 3;

const carrying = Object.values<Method>(methods).filter(({ carries }) => carries);

test.each(carrying)("$id", async ({ id: name }) => {
  const config = resolveTrainConfig({ ...small, method: { name } as NonNullable<PartialTrainConfig["method"]> });
  const model = createModel(config.model, { classes: data.classNames.length, shape: data.shape });
  const programs = stepPrograms(device);
  const begin = () => createSession(model, config, data, device, { programs });
  const [whole, resumed] = [begin(), begin()];
  whole.initialize();
  for (let i = 0; i < STOP; i++) whole.step(i);
  resumed.restore(await storeTree(whole.current));
  for (let i = STOP; i < STEPS; i++) for (const session of [whole, resumed]) session.step(i);
  const { loss, finite } = await whole.readSums();
  expect([Number.isFinite(loss), finite]).toEqual([true, STEPS + 1]);
  const bytes = async (session: typeof whole) =>
    new Map([...(await storeTree(session.current))].map(([key, { data }]) => [key, [...new Uint8Array(data.buffer, data.byteOffset, data.byteLength)]]));
  expect(await bytes(resumed)).toEqual(await bytes(whole));
  for (const session of [whole, resumed]) session.dispose({ model: true });
  programs.dispose();
});
