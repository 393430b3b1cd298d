/**
 * @file Malformed checkpoints: good .pth, safetensors and ONNX files, damaged at random, opened to the last element and made into models.
 *
 * A file may be refused with a GradalignError; of a .pth in zip form, which has checksums, what is read must be what was written; of the others
 * it must be whole: as many elements as the shapes say. Anything else, ten seconds for a file or a gigabyte of memory is a failure, printed
 * with what repeats it. Run: npm run campaign:formats -- [--count 40000] [--seed 1]
 */
import { readdirSync, readFileSync } from "node:fs";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { elementCount, openWeights, readOnnx, toFloat32 } from "@gradalign/formats";
import { onnxModel, recognizeModels } from "@gradalign/robustness";
import { GradalignError } from "@gradalign/tensor";
import { campaignArguments } from "./campaign-arguments.mjs";

const HANG_MS = 10_000;
const MOST_MEMORY = 2 ** 30;
const FOLDERS = ["../../packages/formats/test/fixtures/", "../../packages/robustness/test/fixtures/checkpoints/"].map((path) => new URL(path, import.meta.url));

/** @typedef {"zip" | "legacy" | "safetensors" | "onnx"} Kind */
/** @type {Kind[]} */
const KINDS = ["zip", "legacy", "safetensors", "onnx"];

/** Good files, by kind; of each kind the smallest, where damage hits what matters. */
function goodFiles() {
  /** @type {Record<Kind, Buffer[]>} */
  const files = { zip: [], legacy: [], safetensors: [], onnx: [] };
  for (const folder of FOLDERS) {
    for (const name of readdirSync(folder)) {
      const bytes = readFileSync(new URL(name, folder));
      const kind = name.endsWith(".onnx") ? "onnx" : name.endsWith(".safetensors") ? "safetensors" : bytes[0] === 0x50 ? "zip" : "legacy";
      if (!/foreign|script|answers|unsummed|saves/.test(name)) files[kind].push(bytes);
    }
  }
  for (const kind of KINDS) files[kind] = files[kind].sort((a, b) => a.length - b.length).slice(0, 6);
  return files;
}

/** Runs the campaign's files; `progress` counts them for whoever watches. */
async function run(/** @type {{ count: number, seed: number, progress: Int32Array }} */ { count, seed, progress }) {
  let state = seed >>> 0;
  /** An integer from 0 to below `n`. */
  const draw = (/** @type {number} */ n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
  const u32 = (/** @type {number} */ value) => Buffer.from(Uint32Array.of(value).buffer);
  const files = goodFiles();

  /** One to three damages: cut, a flipped bit, a byte, a piece moved, a number made huge or zero, a piece of another file. */
  const mutated = (/** @type {Kind} */ kind, /** @type {Buffer} */ good) => {
    let bytes = Buffer.from(good);
    for (let times = 1 + draw(3); times > 0; times--) {
      // Half of the damage is done to the beginning or the end, where the sizes are.
      const near = Math.min(bytes.length, 600);
      const at = [draw(bytes.length + 1), draw(near + 1), bytes.length - draw(near + 1)][draw(3)] ?? 0;
      const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
      const damage = draw(7);
      if (damage === 0) bytes = Buffer.from(before);
      else if (damage === 1 && at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ (1 << draw(8));
      else if (damage === 2 && at < bytes.length) bytes[at] = draw(256);
      else if (damage === 3) bytes = Buffer.concat([before, bytes.subarray(draw(bytes.length + 1)).subarray(0, 4000), after]);
      else if (damage === 4) bytes = Buffer.concat([before, u32([0, 1, 0x7fffffff, 0xffffffff, 0x01000000][draw(5)] ?? 0), after.subarray(4)]);
      else if (damage === 5) bytes = Buffer.concat([before, Buffer.alloc([1, 300, 100_000][draw(3)] ?? 1, draw(256)), after]);
      else if (damage === 6) {
        const other = files[kind][draw(files[kind].length)] ?? bytes;
        bytes = Buffer.concat([before, other.subarray(draw(other.length + 1)).subarray(0, draw(2000)), after]);
      }
    }
    return bytes;
  };

  /** Opens a file to its last element; its tensors by name. */
  const open = async (/** @type {Kind} */ kind, /** @type {Uint8Array} */ bytes) => {
    const onnx = kind === "onnx" ? readOnnx(bytes) : undefined;
    const tensors = onnx ? onnx.initializers : openWeights(bytes).tensors;
    /** @type {Map<string, string>} */
    const read = new Map();
    for (const [name, tensor] of tensors) {
      const stored = tensor.read();
      if (toFloat32(stored).length !== elementCount(stored.shape)) throw new Error(`${name} has not the elements of its shape`);
      read.set(name, `${stored.dtype} ${stored.shape} ${Buffer.from(stored.data.buffer, stored.data.byteOffset, stored.data.byteLength).toString("base64")}`);
    }
    if (onnx) await onnxModel(onnx);
    else recognizeModels(openWeights(bytes).tensors);
    return read;
  };

  const results = Object.fromEntries(KINDS.map((kind) => [kind, { read: 0, refused: 0 }]));
  /** @type {string[]} */
  const failures = [];
  let [slowest, most] = [0, 0];
  /** @type {Map<Buffer, Map<string, string>>} */
  const written = new Map();
  for (let i = 0; i < count; i++) {
    const kind = KINDS[i % KINDS.length] ?? "zip";
    const good = files[kind][draw(files[kind].length)];
    const result = results[kind];
    if (!good || !result) throw new Error(`no good files of kind ${kind}`);
    const bytes = mutated(kind, good);
    const started = performance.now();
    try {
      const found = await open(kind, bytes);
      result.read++;
      const original = written.get(good) ?? (await open(kind, good));
      written.set(good, original);
      // Names come from the pickle, which has a checksum too: there is nothing that could differ but which file of a kind it is.
      if (kind === "zip" && ![...found].every(([name, text]) => original.get(name) === text)) failures.push(`${kind}, file ${i} of seed ${seed}: other values`);
    } catch (error) {
      result.refused++;
      const right = error instanceof GradalignError && error.code !== "InvariantError" && error.message.length < 5000;
      if (!right) failures.push(`${kind}, file ${i} of seed ${seed}: ${String(error instanceof Error ? error.stack : error).slice(0, 800)}`);
    }
    slowest = Math.max(slowest, performance.now() - started);
    most = Math.max(most, process.memoryUsage.rss());
    Atomics.add(progress, 0, 1);
  }
  if (most > MOST_MEMORY) failures.push(`memory rose to ${Math.round(most / 2 ** 20)} MiB`);
  return { results, failures, slowest, most };
}

if (isMainThread) {
  const { count, seed } = campaignArguments({ count: 40_000, seed: 1 });
  const progress = new Int32Array(new SharedArrayBuffer(4));
  const began = performance.now();
  // A reader that does not come back cannot be interrupted from its own thread.
  const worker = new Worker(new URL(import.meta.url), { workerData: { count, seed, progress } });
  let [seen, since] = [0, performance.now()];
  const watch = setInterval(() => {
    const now = Atomics.load(progress, 0);
    if (now !== seen) [seen, since] = [now, performance.now()];
    else if (performance.now() - since > 6 * HANG_MS) {
      process.stdout.write(`file ${seen} of seed ${seed} hangs\n`);
      process.exit(1);
    }
  }, 500);
  worker.on("message", (/** @type {Awaited<ReturnType<typeof run>>} */ { results, failures, slowest, most }) => {
    clearInterval(watch);
    for (const failure of failures) process.stdout.write(`${failure}\n`);
    for (const [kind, { read, refused }] of Object.entries(results)) process.stdout.write(`${kind}: ${refused} refused, ${read} read\n`);
    const late = slowest > HANG_MS ? 1 : 0;
    process.stdout.write(
      `${count} files in ${((performance.now() - began) / 1000).toFixed(0)} s: ${failures.length + late} failures; slowest ${(slowest / 1000).toFixed(2)} s, ` +
        `memory at most ${Math.round(most / 2 ** 20)} MiB\n`,
    );
    process.exitCode = failures.length + late === 0 ? 0 : 1;
  });
} else parentPort?.postMessage(await run(workerData));
