/**
 * @file Ours to PyTorch and back: every built-in network, small, with weights of its own, exported, loaded by PyTorch, saved by it, loaded again.
 *
 *     node tools/oracle/round-trip.mjs FOLDER && V/bin/python tools/oracle/round_trip.py FOLDER && node tools/oracle/round-trip.mjs FOLDER
 *
 * The first call writes what we export; where PyTorch has answered, the second compares logits of 256 images, and tensors to the bit.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { encodeSafetensors, openWeights, toFloat32 } from "@gradalign/formats";
import { createModel, exportSafetensors, loadWeights, modelVictim } from "@gradalign/robustness";
import { createDevice, evaluate, randomKey, uniform, zeros } from "@gradalign/tensor";
import { NETWORKS } from "./onnxruntime.mjs";

/** @typedef {import("@gradalign/tensor").Tensor} Tensor */

const folder = process.argv[2] ?? "round-trip";
mkdirSync(folder, { recursive: true });
const device = await createDevice();
const x = /** @type {Tensor} */ (evaluate(uniform(randomKey(2), [256, 3, 32, 32], 0, 1), device));
writeFileSync(join(folder, "images.safetensors"), encodeSafetensors({ x: { dtype: "float32", shape: x.shape, data: x.data() } }));
for (const [file, config] of NETWORKS) {
  const name = basename(file).replace(/\..*/, "");
  const path = join(folder, `${name}.safetensors`);
  const model = createModel(config);
  if (!existsSync(path)) {
    const { params, state } = /** @type {Record<string, Record<string, Tensor>>} */ (/** @type {unknown} */ (evaluate(model.init(randomKey(7)), device)));
    writeFileSync(path, exportSafetensors(params ?? {}, state ?? {}));
  }
  const ours = openWeights(readFileSync(path)).tensors;
  if (!existsSync(join(folder, `${name}.pth`))) continue;
  const again = openWeights(readFileSync(join(folder, `${name}.pth`))).tensors;
  const changed = [...ours].filter(([key, tensor]) => Buffer.compare(bytes(tensor.read().data), bytes(again.get(key)?.read().data)) !== 0);
  const { params, state, normalization } = loadWeights(model, again);
  const { logits, tensors } = modelVictim(model, params, state, normalization);
  const found = /** @type {Tensor} */ (evaluate(logits(tensors, x, zeros([256, 2], "int32")), device)).data();
  const answer = openWeights(readFileSync(join(folder, `${name}-logits.pth`))).tensors.get("logits");
  const expected = answer ? toFloat32(answer.read()) : new Float32Array();
  const predictions = (/** @type {ArrayLike<number>} */ list) =>
    Array.from({ length: 256 }, (_, i) =>
      [...Array.from(list).slice(10 * i, 10 * i + 10)].reduce((best, value, j, row) => (value > (row[best] ?? 0) ? j : best), 0),
    );
  const difference = Math.max(...Array.from(found, (value, i) => Math.abs(value - (expected[i] ?? Number.NaN))));
  const right = difference <= 1e-4 && changed.length === 0 && predictions(found).join() === predictions(expected).join();
  process.stdout.write(`${name}: largest difference of logits ${difference.toExponential(1)}, ${changed.length} tensors changed${right ? "" : ": wrong"}\n`);
  if (!right) process.exitCode = 1;
}
device.close();

function bytes(/** @type {ArrayBufferView | undefined} */ view) {
  return view ? Buffer.from(view.buffer, view.byteOffset, view.byteLength) : Buffer.alloc(0);
}
