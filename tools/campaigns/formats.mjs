/**
 * @file Malformed files: good checkpoints (.pth, safetensors, ONNX), opened to the last element and made into models, and images, archives and
 * Parquet files of them and arrays, read to the last pixel; all damaged at random.
 *
 * A file may be refused with a GradalignError; of a .pth in zip form, which has checksums, what is read must be what was written; of the others
 * it must be whole: as many elements as the shapes say, as many pixels as the size says. Anything else, ten seconds for a file or a gigabyte of memory is a failure, printed
 * with what repeats it. Run: npm run campaign:formats -- [--count 40000] [--seed 1] [--of data]
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { crc32, elementCount, openWeights, readOnnx, toFloat32 } from "@gradalign/formats";
import { decodeImage, onnxModel, openSource, recognizeModels } from "@gradalign/robustness";
import { readDataFolder } from "@gradalign/robustness/node";
import { GradalignError } from "@gradalign/tensor";
import { campaignArguments } from "./campaign-arguments.mjs";

const HANG_MS = 10_000;
const MOST_MEMORY = 2 ** 30;
const FOLDERS = ["../../packages/formats/test/fixtures/", "../../packages/robustness/test/fixtures/checkpoints/"].map((path) => new URL(path, import.meta.url));

const IMAGES = new URL("../../packages/robustness/test/fixtures/images.json", import.meta.url);

/** @typedef {"zip" | "legacy" | "safetensors" | "onnx"} Weights */
/** @typedef {Weights | "jpeg" | "png" | "webp" | "shards" | "parquet" | "npz" | "npy"} Kind */
/** @type {Kind[]} */
const KINDS = ["zip", "legacy", "safetensors", "onnx", "jpeg", "png", "webp", "shards", "parquet", "npz", "npy"];

/** @type {(kind: Kind) => kind is Weights} */
const isWeights = (kind) => kind === "zip" || kind === "legacy" || kind === "safetensors" || kind === "onnx";

/** Good files, by kind; of each kind the smallest, where damage hits what matters. */
function goodFiles() {
  /** @type {Record<Kind, Buffer[]>} */
  const files = { zip: [], legacy: [], safetensors: [], onnx: [], jpeg: [], png: [], webp: [], shards: [], parquet: [], npz: [], npy: [] };
  for (const folder of FOLDERS) {
    for (const name of readdirSync(folder)) {
      const bytes = readFileSync(new URL(name, folder));
      const kind = name.endsWith(".onnx") ? "onnx" : name.endsWith(".safetensors") ? "safetensors" : bytes[0] === 0x50 ? "zip" : "legacy";
      if (!/foreign|script|answers|unsummed|saves/.test(name)) files[kind].push(bytes);
    }
  }
  for (const kind of KINDS) files[kind] = files[kind].sort((a, b) => a.length - b.length).slice(0, 6);
  const images = Object.entries(/** @type {{ files: Record<string, { file: string, image: unknown }> }} */ (JSON.parse(readFileSync(IMAGES, "utf8"))).files);
  const good = images
    .filter(([name, { image }]) => image && !name.includes("inside"))
    .map(([name, { file }]) => ({ name, bytes: Buffer.from(file, "base64") }));
  for (const { name, bytes } of good) files[name.endsWith(".jpg") ? "jpeg" : name.endsWith(".png") ? "png" : "webp"].push(bytes);
  const three = good.slice(0, 3).map(({ bytes }) => bytes);
  files.shards.push(
    tarOf(
      three.flatMap((bytes, i) => [
        { name: `${i}.jpg`, content: bytes },
        { name: `${i}.cls`, content: Buffer.from(String(i)) },
      ]),
    ),
  );
  for (const name of ["usual", "no-dictionary", "second-version", "gzip", "bare", "missing"])
    files.parquet.push(readFileSync(new URL(`parquet/${name}.parquet`, IMAGES)));
  files.npy.push(npyOf("|u1", "4, 8, 8, 3", Buffer.alloc(768, 77)));
  files.npz.push(...["arrays.npz", "arrays-compressed.npz"].map((name) => readFileSync(new URL(name, IMAGES))));
  return files;
}

/** Writes the checksum of an archive's header: that of the header with spaces in its place. */
function sumHeader(/** @type {Buffer} */ header) {
  header.fill(0x20, 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0`, 148, "latin1");
}

/** A tar archive in ustar's form. */
function tarOf(/** @type {{ name: string, content: Buffer }[]} */ files) {
  const parts = files.flatMap(({ name, content }) => {
    const header = Buffer.alloc(512);
    header.write(name);
    header.write(`0000644\0${"0000000\0".repeat(2)}${content.length.toString(8).padStart(11, "0")}\0${"0".repeat(11)}\0        0`, 100, "latin1");
    header.write("ustar\x0000", 257, "latin1");
    sumHeader(header);
    return [header, content, Buffer.alloc((512 - (content.length % 512)) % 512)];
  });
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

/** Makes the checksums of a PNG's parts right again, as far as there are parts. */
function resumPng(/** @type {Buffer} */ bytes) {
  for (let at = 8; at + 12 <= bytes.length; ) {
    const end = at + 8 + bytes.readUInt32BE(at);
    if (end + 4 > bytes.length) return;
    bytes.writeUInt32BE(crc32(bytes.subarray(at + 4, end)), end);
    at = end + 4;
  }
}

/** Makes the checksums of all blocks of an archive right that look like headers. */
function resumTar(/** @type {Buffer} */ bytes) {
  for (let at = 0; at + 512 <= bytes.length; at += 512) {
    const header = bytes.subarray(at, at + 512);
    if (header.toString("latin1", 257, 262) !== "ustar") continue;
    sumHeader(header);
  }
}

/** A .npy file. */
function npyOf(/** @type {string} */ descr, /** @type {string} */ shape, /** @type {Buffer} */ content) {
  const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape}), }`.padEnd(117);
  return Buffer.concat([Buffer.from(`\x93NUMPY\x01\x00\x76\x00${header}\n`, "latin1"), content]);
}

/** Runs the campaign's files; `progress` counts them for whoever watches. */
async function run(/** @type {{ count: number, seed: number, kinds: Kind[], progress: Int32Array }} */ { count, seed, kinds, progress }) {
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
    // Half of the time damage gets past the checksums.
    if (kind === "png" && draw(2) === 0) resumPng(bytes);
    if (kind === "shards" && draw(2) === 0) resumTar(bytes);
    return bytes;
  };

  const folder = mkdtempSync(join(tmpdir(), "gradalign-formats-"));
  /** Reads data to the last pixel; nothing is compared: damage to pixels is no damage to a file's form. */
  const readData = async (/** @type {Kind} */ kind, /** @type {Uint8Array} */ bytes) => {
    if (kind === "jpeg" || kind === "png" || kind === "webp") {
      const { width, height, data } = await decodeImage(bytes);
      if (data.length !== 3 * width * height) throw new Error("an image has not the pixels of its size");
      return;
    }
    const path = kind === "npz" ? join(folder, "x.npz") : kind === "npy" ? join(folder, "x.npy") : join(folder, kind);
    if (kind === "npy") writeFileSync(join(folder, "labels.npy"), npyOf("|u1", "4,", Buffer.from([0, 1, 2, 0])));
    const ending = kind === "shards" ? "tar" : kind === "parquet" ? "parquet" : undefined;
    if (ending) mkdirSync(path, { recursive: true });
    if (ending) for (const name of ["train-0", "val-0"]) writeFileSync(join(path, `${name}.${ending}`), bytes);
    else writeFileSync(path, bytes);
    const { dataset } = readDataFolder(path);
    const size = dataset.shape.reduce((product, extent) => product * extent, 1);
    const reader = await openSource(dataset.test, size);
    await reader.read(
      Int32Array.from(dataset.test.labels, (_, i) => i),
      null,
      new Uint8Array(size * dataset.test.count),
    );
    await reader.close();
  };

  /** Opens a file to its last element; its tensors by name. */
  const open = async (/** @type {Kind} */ kind, /** @type {Uint8Array} */ bytes) => {
    if (!isWeights(kind)) {
      await readData(kind, bytes);
      return new Map();
    }
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

  const results = Object.fromEntries(kinds.map((kind) => [kind, { read: 0, refused: 0 }]));
  /** @type {string[]} */
  const failures = [];
  let [slowest, most] = [0, 0];
  /** @type {Map<Buffer, Map<string, string>>} */
  const written = new Map();
  for (let i = 0; i < count; i++) {
    const kind = kinds[i % kinds.length] ?? "zip";
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
  rmSync(folder, { recursive: true, force: true });
  if (most > MOST_MEMORY) failures.push(`memory rose to ${Math.round(most / 2 ** 20)} MiB`);
  return { results, failures, slowest, most };
}

if (isMainThread) {
  const { count, seed, of } = campaignArguments({ count: 40_000, seed: 1 }, { of: ["all", "weights", "data"] });
  const kinds = KINDS.filter((kind) => of === "all" || isWeights(kind) === (of === "weights"));
  const progress = new Int32Array(new SharedArrayBuffer(4));
  const began = performance.now();
  // A reader that does not come back cannot be interrupted from its own thread.
  const worker = new Worker(new URL(import.meta.url), { workerData: { count, seed, kinds, progress } });
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
