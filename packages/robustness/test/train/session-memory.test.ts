/** @file What beginning a training takes: no more memory than its steps do. */
import { planningDevice } from "@gradalign/tensor";
import { expect, test } from "vitest";
import { imageDataset } from "../../src/data/dataset.ts";
import { createModel } from "../../src/models/index.ts";
import { resolveTrainConfig } from "../../src/train/config.ts";
import { createSession } from "../../src/train/session.ts";

test("beginning takes no more memory than a step", () => {
  const images = { images: new Uint8Array(16 * 192), labels: new Uint8Array(16) };
  const dataset = imageDataset({ name: "zeros", classNames: ["a", "b"], shape: [3, 8, 8], train: images, test: images });
  const device = planningDevice({ backend: "wasm", threads: 1 });
  const config = resolveTrainConfig({ dataset, model: { name: "cnn", filters: 64 }, method: "fgsm", epsilon: 0.1, epochs: 1, batchSize: 4 });
  const session = createSession(createModel(config.model, { classes: 2, shape: dataset.shape }), config, dataset, device);
  session.initialize();
  const begun = device.memory();
  session.step(0);
  expect(device.memory().peakBytes).toBe(begun.peakBytes);
  const parameters = Object.values(session.current.params).reduce((n, { shape }) => n + 4 * shape.reduce((a, b) => a * b, 1), 0);
  expect(begun.peakBytes).toBeLessThan(begun.liveBytes + (session.stats()?.arenaBytes ?? 0) + parameters / 4);
});
