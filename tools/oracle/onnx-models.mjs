/**
 * @file ONNX graphs of others against the answers beside them: networks of torchvision and timm, and the operators' data of the package onnx.
 *
 *     V/bin/python tools/oracle/onnx_models.py FOLDER
 *     node tools/oracle/onnx-models.mjs FOLDER               # logits and input gradients, to a relative error of 1e-4
 *     node tools/oracle/onnx-models.mjs V/lib/…/onnx/backend/test/data/pytorch-operator …/pytorch-converted
 *
 * A case is right, or refused with what is not supported; anything else is a failure.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { decodeSafetensors, FormatError, readOnnx, readOnnxTensor, toFloat32 } from "@gradalign/formats";
import { crossEntropyPerExample, onnxFunction, onnxModel } from "@gradalign/robustness";
import { fileSource, filesBeside } from "@gradalign/robustness/node";
import { createDevice, GradalignError, grad, jit, sum, tensor } from "@gradalign/tensor";

/** @typedef {import("@gradalign/tensor").Value} Value */
/** @typedef {import("@gradalign/tensor").Tensor} Tensor */
/** @typedef {import("@gradalign/formats").StoredTensor} StoredTensor */

const LARGEST_ERROR = 1e-4;
const say = (/** @type {string} */ text) => process.stdout.write(`${text}\n`);
const device = await createDevice();

/** A stored tensor as ours; some of the data are doubles of uninitialised memory. */
const ours = (/** @type {StoredTensor} */ stored) => {
  if (!/float/.test(stored.dtype)) return tensor(Int32Array.from(stored.data, Number), stored.shape, "int32");
  const values = toFloat32(stored);
  if (stored.dtype === "float64" && values.some((value) => Math.abs(value) === Number.POSITIVE_INFINITY)) {
    throw new FormatError("unsupported", "numbers beyond float32");
  }
  return tensor(values, stored.shape);
};

/** ‖a − b‖ / ‖b‖; where b is zero, ‖a‖. */
const relativeError = (/** @type {ArrayLike<number>} */ a, /** @type {ArrayLike<number>} */ b) => {
  let [difference, size] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    if (Number.isNaN(a[i]) && Number.isNaN(b[i])) continue;
    difference += ((a[i] ?? Number.NaN) - (b[i] ?? 0)) ** 2;
    size += (b[i] ?? 0) ** 2;
  }
  return Math.sqrt(difference) / (Math.sqrt(size) || 1);
};

/** Networks with answers.safetensors: the largest error of logits and gradients, which are told. */
async function network(/** @type {string} */ folder, /** @type {string} */ name, /** @type {Map<string, StoredTensor>} */ answers) {
  const path = join(folder, `${name}.onnx`);
  const { model, params, state } = await onnxModel(readOnnx(fileSource(path), { external: filesBeside(path) }));
  const key = name.replace(/-(old|new)$/, "");
  const answer = (/** @type {string} */ what) => /** @type {StoredTensor} */ (answers.get(`${key}/${what}`));
  const x = ours(answer("x"));
  const labels = tensor(Int32Array.from({ length: x.shape[0] ?? 0 }, (_, i) => i));
  const logits = (/** @type {Value} */ x) => model.apply(params, state, x, { train: false }).logits;
  const loss = (/** @type {Value} */ x) => sum(crossEntropyPerExample(logits(x), labels));
  const compute = jit((/** @type {Value} */ x) => ({ logits: logits(x), gradient: grad(loss)(x) }), { device });
  const result = compute(x);
  const errors = ["logits", "gradient"].map((what) =>
    relativeError(/** @type {Record<string, Tensor>} */ (result)[what]?.data() ?? [], toFloat32(answer(what))),
  );
  compute.dispose();
  say(`${name}: logits ${errors[0]?.toExponential(1)}, gradient ${errors[1]?.toExponential(1)}`);
  return Math.max(...errors);
}

/** A case of the package onnx: model.onnx, and inputs and outputs as tensors. */
async function operator(/** @type {string} */ folder) {
  const onnx = readOnnx(readFileSync(join(folder, "model.onnx")));
  const stored = (/** @type {string} */ kind, /** @type {number} */ i) =>
    readOnnxTensor(readFileSync(join(folder, "test_data_set_0", `${kind}_${i}.pb`))).read();
  const run = await onnxFunction(onnx);
  const inputs = Object.fromEntries(onnx.inputs.map(({ name }, i) => [name, ours(stored("input", i))]));
  const results = /** @type {Record<string, Tensor>} */ (jit(run, { device })(inputs));
  return Math.max(...onnx.outputs.map(({ name }, i) => relativeError(results[name]?.data() ?? [], Array.from(stored("output", i).data, Number))));
}

let failures = 0;
for (const folder of process.argv.slice(2)) {
  const file = join(folder, "answers.safetensors");
  const answers = existsSync(file) ? decodeSafetensors(readFileSync(file)).tensors : undefined;
  const names = answers ? readdirSync(folder).flatMap((name) => (name.endsWith(".onnx") ? [name.slice(0, -5)] : [])) : readdirSync(folder);
  let [right, refused] = [0, 0];
  for (const name of names) {
    try {
      const error = await (answers ? network(folder, name, answers) : operator(join(folder, name)));
      if (error <= LARGEST_ERROR) right++;
      else {
        failures++;
        say(`${name}: wrong by ${error.toExponential(1)}`);
      }
    } catch (error) {
      const named = error instanceof FormatError && error.problem === "unsupported";
      if (named) refused++;
      else failures++;
      say(`${name}: ${named ? "refused: " : ""}${error instanceof GradalignError ? error.message : error instanceof Error ? error.stack : error}`);
    }
  }
  say(`${folder}: ${right} of ${names.length} right, ${refused} refused`);
}
device.close();
process.exitCode = failures === 0 ? 0 : 1;
