import { createDevice } from "@gradalign/tensor";
import { imageDataset, resolveTrainConfig, type TrainEvent, train } from "gradalign";
import { describe, expect, it } from "vitest";

function dataset() {
  const make = (n: number, seed: number) => {
    const images = new Uint8Array(n * 3 * 64),
      labels = new Uint8Array(n);
    let s = seed;
    const rnd = () => (s = (s * 1103515245 + 12345) & 0x7fffffff) / 0x7fffffff;
    for (let i = 0; i < n; i++) {
      labels[i] = i % 2;
      for (let j = 0; j < 192; j++) images[i * 192 + j] = Math.floor(60 + 80 * rnd() + (labels[i] === 1 && j % 8 < 4 ? 100 : 0));
    }
    return { images, labels };
  };
  return imageDataset({ name: "bars", classNames: ["a", "b"], shape: [3, 8, 8], train: make(16, 1), test: make(8, 2), crop: 1, flip: true });
}
describe("slice", () => {
  it("trains", async () => {
    const device = await createDevice({ backend: "reference" });
    for (const method of ["fgsm", "fgsm-gradalign"] as const) {
      const events: TrainEvent[] = [];
      const data = dataset();
      const config = resolveTrainConfig({ dataset: data, model: { name: "cnn", filters: 2 }, method, epochs: 4, batchSize: 4, evalExamples: 8, evalEvery: 4 });
      const t = performance.now();
      const r = await train(config, data, { device, onEvent: (e) => events.push(e) });
      console.log(method, performance.now() - t, JSON.stringify(r.evaluations.at(-1)), JSON.stringify(r.evaluations[0]));
      expect(r.interrupted).toBe(false);
    }
  });
});
