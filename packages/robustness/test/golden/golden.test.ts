/** @file Goldens: the kernels planned for training steps, evaluations and attacks, and a hash of their code. A change that is not meant to change kernels
 * leaves them as they are; one that is, refreshes them on purpose with `npm run goldens -- -u`, and its diff is what to review. */
import { evaluate, tensor } from "@gradalign/tensor";
import { expect, test } from "vitest";
import { type Detail, Recorder } from "../../../tensor/test/support/recorder.ts";
import { attacks } from "../../src/attacks/index.ts";
import { attackOptions } from "../../src/attacks/options.ts";
import { imageDataset } from "../../src/data/dataset.ts";
import { modelPrograms } from "../../src/eval/programs.ts";
import { attackRunner } from "../../src/eval/run-attack.ts";
import { keyFor } from "../../src/keys.ts";
import type { MethodName } from "../../src/methods/index.ts";
import { createModel } from "../../src/models/index.ts";
import { linf } from "../../src/threat/linf.ts";
import { resolveTrainConfig } from "../../src/train/config.ts";
import { createSession } from "../../src/train/session.ts";

const COUNT = 256;
const images = { images: new Uint8Array(COUNT * 3072), labels: new Uint8Array(COUNT) };
const dataset = imageDataset({
  name: "zeros",
  classNames: Array.from({ length: 10 }, (_, i) => `${i}`),
  shape: [3, 32, 32],
  train: images,
  test: images,
  flip: true,
});

async function golden(name: string, detail: Detail, run: (device: Recorder) => unknown): Promise<void> {
  const recorder = new Recorder(detail);
  await run(recorder);
  await expect(recorder.plans.join("\n")).toMatchFileSnapshot(`${name}.txt`);
}

/** Plans of a model's training step by a method; the first program draws the parameters. */
function trainingStep(device: Recorder, model: { readonly name: string; readonly width?: number }, method: string, batchSize: number): void {
  const config = resolveTrainConfig({ dataset, model, method: method as MethodName, epsilon: 8 / 255, epochs: 1, batchSize, trainSize: COUNT });
  const session = createSession(createModel(config.model, { classes: 10, shape: dataset.shape }), config, dataset, device);
  session.initialize();
}

/** A fixed set: what is compiled, not which methods there are, is what these are about. */
const METHODS: readonly MethodName[] = [
  ...(["standard", "fgsm", "fgsm-rs", "fgsm-gradalign", "pgd", "pgd-gradalign", "pgd-corner", "random-corner", "free"] as const),
  ...(["cure", "grad-norm", "llr"] as const),
];

test.each(METHODS)("training step of the single-layer network, %s", (method) =>
  golden(`cnn-${method}`, method === "fgsm-gradalign" ? "whole" : "brief", (device) => trainingStep(device, { name: "cnn" }, method, 128)),
);

test.each([
  ["standard", 64, 32],
  ["fgsm", 16, 128],
  ["fgsm-gradalign", 16, 128],
  ["fgsm-gradalign", 64, 32],
] as const)("training step of the ResNet, %s, width %i, batch %i", (method, width, batch) =>
  golden(`preact-resnet18-w${width}-${method}`, "brief", (device) => trainingStep(device, { name: "preact-resnet18", width }, method, batch)),
);

/** One of each kind. */
const ATTACKS = ["fgsm", "fgsm-rs", "pgd", "pgd-corner", "random-corner", "apgd-ce", "fab-t", "square"];

test.each(ATTACKS)("evaluation of the single-layer network under %s", (name) =>
  golden(`cnn-attack-${name}`, "brief", async (device) => {
    const attack = attacks[name]!;
    const model = createModel({ name: "cnn" }, { classes: 10, shape: dataset.shape });
    const { params, state } = evaluate(model.init(tensor(new Int32Array(2))), device);
    const runner = attackRunner(
      modelPrograms(model, device),
      attack,
      { ...attackOptions(attack), ...("queries" in attack.options ? { queries: 1 } : { steps: 1 }), restarts: 2 },
      linf,
    );
    const x = tensor(new Float32Array(4 * 3072), [4, ...dataset.shape]);
    const target = { tensors: { params, state }, x, labels: tensor(new Int32Array(4)), indices: [0, 1, 2, 3] };
    await runner.run(target, { epsilon: 8 / 255, keyOf: (index, restart) => keyFor(0, "evaluation", index, restart) });
  }),
);
