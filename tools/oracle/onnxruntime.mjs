/**
 * @file Networks as we export them, computed by onnxruntime and by us: logits and predictions of 256 images, for every built-in network made small.
 *
 *     npm run build && node tools/oracle/onnxruntime.mjs
 */
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { openWeights } from "@gradalign/formats";
import { createModel, exportOnnx, loadWeights, modelVictim } from "@gradalign/robustness";
import { createDevice, evaluate, jit, randomKey, uniform, zeros } from "@gradalign/tensor";
import ort from "onnxruntime-web";

/** @typedef {import("@gradalign/robustness").ModelConfig} ModelConfig */
/** @typedef {import("@gradalign/tensor").Tensor} Tensor */
/** @typedef {import("@gradalign/tensor").Value} Value */

const IMAGES = 256;
const FIXTURES = new URL("../../packages/robustness/test/fixtures/", import.meta.url);

/**
 * Files of weights, and the networks that they are of.
 *
 * @type {readonly (readonly [file: string, config: ModelConfig])[]}
 */
export const NETWORKS = [
  ["weights/cnn.safetensors", { name: "cnn" }],
  ["checkpoints/preact-resnet18.pth", { name: "preact-resnet18", width: 2 }],
  ["checkpoints/preact-resnet18-final.pth", { name: "preact-resnet18-final-norm", width: 2 }],
  ["checkpoints/preact-resnet18-v2.pth", { name: "preact-resnet18-v2", width: 2 }],
  ["checkpoints/resnet18.pth", { name: "resnet18", width: 2 }],
  ["checkpoints/resnet50.pth", { name: "resnet50", width: 1 }],
  ["checkpoints/resnet18-imagenet.pth", { name: "resnet18", width: 2, stem: "imagenet" }],
  ["checkpoints/resnet50-imagenet.pth", { name: "resnet50", width: 1, stem: "imagenet" }],
  ["checkpoints/wide-resnet.safetensors", { name: "wide-resnet", depth: 10, widen: 1 }],
  ["checkpoints/dm-wide-resnet.pth", { name: "dm-wide-resnet", depth: 10, widen: 1 }],
  ["checkpoints/dm-preact-resnet.pth", { name: "dm-preact-resnet", width: 2 }],
];

/**
 * The largest difference between the logits of both, and on how many of the images the predictions differ.
 *
 * @param {import("@gradalign/tensor").Device} device
 * @param {string} file
 * @param {ModelConfig} config
 */
export async function compareWithOnnxruntime(device, file, config) {
  ort.env.wasm.numThreads = 1;
  const model = createModel(config);
  const { params, state, normalization } = loadWeights(model, openWeights(readFileSync(new URL(file, FIXTURES))).tensors);
  const { logits, tensors } = modelVictim(model, params, state, normalization);
  const compute = jit((/** @type {Value} */ x) => logits(tensors, x, zeros([IMAGES, 2], "int32")), { device });
  const x = /** @type {Tensor} */ (evaluate(uniform(randomKey(1), [IMAGES, 3, 32, 32], 0, 1), device));
  const ours = compute(x).data();
  compute.dispose();
  const session = await ort.InferenceSession.create(exportOnnx(model, params, state, normalization), { executionProviders: ["wasm"] });
  const answer = (await session.run({ images: new ort.Tensor("float32", /** @type {Float32Array} */ (x.data()), x.shape) }))["logits"];
  await session.release();
  if (answer?.dims.join() !== `${IMAGES},10`) throw new Error(`${file}: onnxruntime's logits have shape [${answer?.dims}]`);
  const theirs = /** @type {Float32Array} */ (answer.data);
  let [difference, others] = [0, 0];
  for (let i = 0; i < IMAGES; i++) {
    const [a, b] = [ours, theirs].map((list) => Array.from(list.slice(10 * i, 10 * i + 10)));
    if (!a || !b) throw new Error(`${file}: no logits of image ${i}`);
    difference = Math.max(difference, ...a.map((value, j) => Math.abs(value - (b[j] ?? Number.NaN))));
    if (a.indexOf(Math.max(...a)) !== b.indexOf(Math.max(...b))) others++;
  }
  return { difference, others };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const device = await createDevice();
  for (const [file, config] of NETWORKS) {
    const { difference, others } = await compareWithOnnxruntime(device, file, config);
    process.stdout.write(`${file}: largest difference of logits ${difference.toExponential(1)}, ${others} of ${IMAGES} predictions differ\n`);
    if (!(difference <= 1e-4) || others > 0) process.exitCode = 1;
  }
  device.close();
}
