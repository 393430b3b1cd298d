/** @file A model of one's own: two convolutions with batch norm, trained with PGD. Run it with `node examples/custom-model/main.js`. */
import { createDevice, foldIn, ones, zeros } from "@gradalign/tensor";
import {
  batchNorm,
  convolution,
  evaluateRobustness,
  globalAveragePool,
  imageDataset,
  initConvolution,
  initLinear,
  linear,
  param,
  relu,
  resolveTrainConfig,
  train,
} from "gradalign";

/**
 * A model is a pair of pure functions of named tensors: `init` draws the parameters, `apply` is a forward pass.
 *
 * @param {number} width channels of both convolutions
 * @param {number} classes number of classes
 * @param {[number, number, number]} shape channels, height and width of an image
 * @returns {import("gradalign").Model}
 */
export function twoLayer(width, classes, shape) {
  return {
    name: "two-layer",
    // With the name, this decides whether a checkpoint fits; `shape` is what evaluations read.
    config: { width, classes, shape: [...shape] },
    init(key) {
      return {
        params: {
          "conv1.weight": initConvolution(foldIn(key, 0), [width, shape[0], 3, 3]),
          "bn1.weight": ones([width]),
          "bn1.bias": zeros([width]),
          "conv2.weight": initConvolution(foldIn(key, 1), [width, width, 3, 3]),
          "linear.weight": initLinear(foldIn(key, 2), [classes, width]),
          "linear.bias": zeros([classes]),
        },
        state: { "bn1.running_mean": zeros([width]), "bn1.running_var": ones([width]) },
      };
    },
    apply(params, state, x, { train: training }) {
      const h = convolution(x, param(params, "conv1.weight"), undefined, { padding: 1 });
      const { y, runningMean, runningVar } = batchNorm(
        h,
        {
          weight: param(params, "bn1.weight"),
          bias: param(params, "bn1.bias"),
          runningMean: param(state, "bn1.running_mean"),
          runningVar: param(state, "bn1.running_var"),
        },
        { train: training },
      );
      const features = globalAveragePool(relu(convolution(relu(y), param(params, "conv2.weight"), undefined, { stride: 2, padding: 1 })));
      return {
        logits: linear(features, param(params, "linear.weight"), param(params, "linear.bias")),
        state: { "bn1.running_mean": runningMean, "bn1.running_var": runningVar },
      };
    },
  };
}

/**
 * Blurred dots on noise, in one of three colours.
 *
 * @param {number} count
 */
function dots(count) {
  const labels = Uint8Array.from({ length: count }, (_, i) => i % 3);
  const images = new Uint8Array(count * 3 * 144);
  for (let image = 0; image < count; image++) {
    const [centerY, centerX] = [3 + 6 * Math.random(), 3 + 6 * Math.random()];
    for (let i = 0; i < 3 * 144; i++) {
      const [channel, y, x] = [Math.floor(i / 144), Math.floor((i % 144) / 12), i % 12];
      const light = channel === labels[image] ? 150 * Math.exp(-((y - centerY) ** 2 + (x - centerX) ** 2) / 6) : 0;
      images[image * 3 * 144 + i] = 40 + light + 40 * Math.random();
    }
  }
  return { images, labels };
}

const dataset = imageDataset({
  name: "dots",
  classNames: ["red", "green", "blue"],
  shape: [3, 12, 12],
  train: dots(480),
  test: dots(120),
  flip: true,
});

const device = await createDevice();
const epsilon = 8 / 255;
const model = twoLayer(8, dataset.classNames.length, [3, 12, 12]);
const config = resolveTrainConfig({
  dataset,
  model: model.name,
  method: { name: "pgd", steps: 3, stepSize: 0.5 },
  epsilon,
  epochs: 6,
  batchSize: 24,
  optimizer: { name: "adam" },
  schedule: { peak: 0.02 },
});
const { params, state, evaluations } = await train(config, dataset, { device, model });
const report = await evaluateRobustness(model, params, state, dataset.test, { device, attack: "pgd-20-2", epsilon });
for (const { epoch, train_loss } of evaluations) console.log(`epoch ${epoch.toFixed(1)}: loss ${train_loss.toFixed(3)}`);
console.log(`accuracy ${report.cleanAccuracy.toFixed(3)}, under PGD-20-2 ${report.robustAccuracy.toFixed(3)}`);
device.close();
