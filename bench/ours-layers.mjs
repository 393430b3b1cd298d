/** @file Times single layers of ours on command: the counterpart of baselines/pytorch_layers.py, with the same protocol.
 *
 * Images lie in memory as they do inside of a network, channels last; only the network's own images have their planes apart. */
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { nodeNative } from "gradalign/node";

/** Another build may be measured: its folder of packages/tensor. */
const { conv2d, createDevice, grad, jit, maxPool2d, mul, sum, tensor, transpose } = await import(
  process.argv[2] ? pathToFileURL(`${process.argv[2]}/dist/index.js`).href : "@gradalign/tensor"
);

// Machine code as the command would take it, unless a build is named.
const { host } = process.argv[2] ? { host: null } : nodeNative(false);
const device = await createDevice({ backend: "wasm", threads: 1, ...(host ? { native: host } : {}) });
let program = null;

const noise = (shape) => {
  const values = new Float32Array(shape.reduce((n, extent) => n * extent, 1));
  for (let i = 0, state = 1; i < values.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    values[i] = (state >>> 8) / 2 ** 24 - 0.5;
  }
  return tensor(values, shape);
};

function prepare({ pass, batch, pool = false, inputs, side, outputs, window, stride, padding }) {
  program?.dispose();
  const isImage = inputs <= 4;
  const last = (x) => transpose(x, [0, 2, 3, 1]);
  const first = (x) => transpose(x, [0, 3, 1, 2]);
  const out = Math.floor((side + 2 * padding - window) / stride) + 1;
  const x = noise(isImage ? [batch, inputs, side, side] : [batch, side, side, inputs]);
  const w = noise([outputs, pool ? 1 : inputs, window, window]);
  const cotangent = noise([batch, out, out, outputs]);
  const image = (given) => (isImage ? given : first(given));
  const layer = (given, filter) => (pool ? maxPool2d(given, { kernel: window, stride, padding }) : conv2d(given, filter, { stride, padding }));
  const pulled = (given, filter, ct) => sum(mul(layer(given, filter), first(ct)));
  const passes = {
    forward: (x, w) => last(layer(image(x), w)),
    // Of pooling the backward pass includes looking for the largest elements again.
    input: (x, w, ct) => (isImage ? grad(pulled)(x, w, ct) : last(grad(pulled)(image(x), w, ct))),
    filter: (x, w, ct) => grad(pulled, 1)(image(x), w, ct),
  };
  program = jit(passes[pass], { device });
  program.inputs = [x, w, cotangent];
  return {};
}

function step({ n }) {
  const ms = [];
  for (let i = 0; i < n; i++) {
    const start = process.cpuUsage();
    program(...program.inputs).dispose();
    const { user, system } = process.cpuUsage(start);
    ms.push((user + system) / 1000);
  }
  return { ms };
}

for await (const line of createInterface({ input: process.stdin })) {
  const { op, ...command } = JSON.parse(line);
  let answer;
  try {
    answer = { ok: true, ...(op === "prepare" ? prepare(command) : step(command)) };
  } catch (error) {
    answer = { ok: false, error: String(error?.stack ?? error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
