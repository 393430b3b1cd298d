/** @file Adversarial training on images of one's own: here stripes, made on the spot. Run it with `node examples/custom-dataset/main.js`. */
import { createDevice } from "@gradalign/tensor";
import { evaluateRobustness, imageDataset, resolveTrainConfig, train } from "gradalign";

// One byte per pixel as [count, channels, height, width], and each image's class number. Yours may come from files instead.
function stripes(first, count) {
  const images = Uint8Array.from({ length: count * 256 }, (_, i) => {
    const [image, row, column] = [first + (i >> 8), (i >> 4) & 15, i & 15];
    const noise = Math.imul(first * 256 + i, 0x9e3779b1) >>> 26;
    return ((image % 2 === 0 ? row : column) + (image >> 1)) % 8 < 4 ? 40 + noise : 150 + noise;
  });
  return { images, labels: Uint8Array.from({ length: count }, (_, i) => (first + i) % 2) };
}
const [trainImages, testImages] = [stripes(0, 512), stripes(512, 128)];
const dataset = imageDataset({ name: "stripes", classNames: ["rows", "columns"], shape: [1, 16, 16], train: trainImages, test: testImages });

const device = await createDevice();
const epsilon = 16 / 255;
const config = resolveTrainConfig({ dataset, model: "cnn", method: "fgsm-gradalign", epsilon, epochs: 10, batchSize: 32, schedule: { peak: 0.01 } });
const { model, params, state, evaluations } = await train(config, dataset, { device });
const { cleanAccuracy, robustAccuracy } = await evaluateRobustness(model, params, state, dataset.test, { device, attack: "pgd-50-10", epsilon });
for (const { epoch, train_loss } of evaluations) console.log(`epoch ${epoch.toFixed(1)}: loss ${train_loss.toFixed(3)}`);
console.log(`accuracy ${cleanAccuracy.toFixed(3)}, under PGD-50-10 ${robustAccuracy.toFixed(3)}`);
device.close();
