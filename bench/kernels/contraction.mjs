/** @file Single-thread speed of the contraction kernels on the shapes of the models.
 * Usage: node bench/kernels/contraction.mjs [--plain] [--filter=REGEXP] [--repeat=N] [--modules=FOLDER] */
import { parseArgs } from "node:util";
import v8 from "node:v8";

const { values: options } = parseArgs({
  options: {
    plain: { type: "boolean", default: false },
    filter: { type: "string", default: "" },
    repeat: { type: "string", default: "7" },
    modules: { type: "string", default: new URL("../../packages/tensor/dist", import.meta.url).href },
  },
});
// Node 20 has relaxed SIMD behind a flag, later versions have it on.
if (!options.plain && process.version.startsWith("v20.")) v8.setFlagsFromString("--experimental-wasm-relaxed-simd");
const { emitKernel } = await import(`${options.modules}/codegen/wasm/program.js`);
const { encodeModule } = await import(`${options.modules}/codegen/wasm/module.js`);
const { filterBlock } = await import(`${options.modules}/ir/kernel.js`);
const { filterGradChunks } = await import(`${options.modules}/passes/contractions/direct-filter-gradient.js`);
const { CPU } = await import(`${options.modules}/ir/target.js`);

/** Convolution geometry: images, channels, output side, filters, filter side, stride. */
const SHAPES = [
  { name: "3x3 64>64 @32", batch: 32, inputs: 64, side: 32, channels: 64, window: 3, stride: 1 },
  { name: "3x3 128>128 @16", batch: 32, inputs: 128, side: 16, channels: 128, window: 3, stride: 1 },
  { name: "3x3 256>256 @8", batch: 32, inputs: 256, side: 8, channels: 256, window: 3, stride: 1 },
  { name: "3x3 512>512 @4", batch: 32, inputs: 512, side: 4, channels: 512, window: 3, stride: 1 },
  { name: "3x3/2 64>128 @16", batch: 32, inputs: 64, side: 16, channels: 128, window: 3, stride: 2 },
  { name: "1x1/2 64>128 @16", batch: 32, inputs: 64, side: 16, channels: 128, window: 1, stride: 2 },
  { name: "3x3 3>64 @32", batch: 32, inputs: 3, side: 32, channels: 64, window: 3, stride: 1 },
  { name: "3x3 64>3 @32", batch: 32, inputs: 64, side: 32, channels: 3, window: 3, stride: 1 },
  { name: "cnn 3x3 3>4 @32", batch: 128, inputs: 3, side: 32, channels: 4, window: 3, stride: 1 },
  { name: "cnn 3x3 4>3 @32", batch: 128, inputs: 4, side: 32, channels: 3, window: 3, stride: 1 },
  { name: "linear 4096>10", batch: 128, inputs: 4096, side: 1, channels: 10, window: 1, stride: 1 },
  { name: "linear 10>4096", batch: 128, inputs: 10, side: 1, channels: 4096, window: 1, stride: 1 },
  { name: "linear 512>10", batch: 128, inputs: 512, side: 1, channels: 10, window: 1, stride: 1 },
];

function convKernel(shape) {
  const { batch, inputs, side, channels, window, stride } = shape;
  const padded = (side - 1) * stride + window;
  const matrix = side === 1 && window === 1;
  const input = { offset: 0, image: padded * padded * inputs, row: stride * padded * inputs, pixel: stride * inputs };
  const output = { offset: 0, image: side * side * channels, row: side * channels, pixel: channels };
  const extents = { batch, height: side, width: side };
  if (matrix) Object.assign(extents, { batch: 1, width: batch });
  return { kind: "conv", ...extents, channels, block: filterBlock(channels), rows: window, run: window * inputs, tapRow: padded * inputs, input, output };
}

function filterGradKernel(shape, chunks) {
  const { block: _, output: cotangent, ...rest } = convKernel(shape);
  return { ...rest, kind: "filter-grad", cotangent, chunks };
}

function compile(kernel) {
  const functions = [];
  const code = emitKernel(kernel, { add: (f) => functions.push(f) - 1, relaxed: !options.plain });
  const memory = new WebAssembly.Memory({ initial: 16, maximum: 16384, shared: true });
  const bytes = encodeModule(functions, { entry: code.entry }, { initialPages: 16, maximumPages: 16384, shared: true });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
  return { tasks: code.tasks, run: instance.exports.entry, memory, bytes: bytes.length };
}

function place(memory, sizes) {
  let next = 1024;
  const addresses = sizes.map((size) => {
    const address = next;
    next += 4 * size + 64 + ((-4 * size) & 63);
    return address;
  });
  memory.grow(Math.max(0, Math.ceil(next / 65536) - 16));
  const floats = new Float32Array(memory.buffer);
  sizes.forEach((size, i) => {
    const at = addresses[i] / 4;
    for (let j = 0; j < size; j++) floats[at + j] = ((j * 2654435761) >>> 20) / 4096 - 0.5;
  });
  return addresses;
}

function measure(label, shape, kernel, sizes) {
  if (!new RegExp(options.filter).test(label)) return;
  const { tasks, run, memory, bytes } = compile(kernel);
  const addresses = place(memory, sizes);
  const pass = () => {
    for (let task = 0; task < tasks; task++) run(task, ...addresses);
  };
  const work = 2 * shape.batch * shape.side ** 2 * shape.channels * shape.window ** 2 * shape.inputs;
  const until = performance.now() + 250;
  while (performance.now() < until) pass();
  const times = [];
  for (let i = 0; i < Number(options.repeat); i++) {
    const repeats = Math.max(1, Math.round(3e8 / work));
    const start = performance.now();
    for (let j = 0; j < repeats; j++) pass();
    times.push((performance.now() - start) / repeats);
  }
  times.sort((a, b) => a - b);
  const speed = (ms) => (work / ms / 1e6).toFixed(1).padStart(6);
  const median = times[times.length >> 1];
  console.log(
    `${label.padEnd(30)} ${median.toFixed(2).padStart(8)} ms  median ${speed(median)}  best ${speed(times[0])} GF/s` +
      `  tasks ${String(tasks).padStart(4)}  ${((1000 * median) / tasks).toFixed(0).padStart(4)} µs each  ${bytes} B`,
  );
}

for (const shape of SHAPES) {
  const kernel = convKernel(shape);
  const blocks = Math.ceil(kernel.channels / kernel.block);
  const pixels = shape.batch * shape.side ** 2;
  const inputSize = shape.batch * kernel.input.image;
  measure(`conv ${shape.name}`, shape, kernel, [inputSize, blocks * kernel.block * kernel.rows * kernel.run, pixels * shape.channels]);
  const chosen = shape.side === 1 ? 1 : filterGradChunks({ batch: shape.batch, result: [shape.side, shape.side] }, CPU);
  for (const chunks of new Set([1, chosen])) {
    const grad = filterGradKernel(shape, chunks);
    measure(`filter-grad ${shape.name} /${chunks}`, shape, grad, [inputSize, pixels * shape.channels, chunks * grad.rows * grad.run * grad.channels]);
  }
}
