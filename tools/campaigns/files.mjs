/**
 * @file Malformed files: good ones of every format, damaged at random, given to their readers.
 *
 * A reader may succeed or throw a GradalignError (SyntaxError for bare JSON). Anything else, ten seconds without an end, a file left open, or
 * a file outside the campaign's folder is a failure, printed with what repeats it. Run: npm run campaign:files -- [--count 2000] [--seed 1]
 */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateSync, gzipSync } from "node:zlib";
import { GradalignError } from "@gradalign/tensor";
import { datasets, decodeSafetensors, encodeSafetensors, matVariables, readIdx } from "gradalign";
import { loadCheckpoint, loadDataset, readRecordFolder, saveCheckpoint } from "gradalign/node";
import { packTar } from "modern-tar";
import { parseJson } from "../../packages/formats/dist/json.js";
import { parseConfig } from "../../packages/gradalign/dist/settings/config-file.js";
import { readArchive } from "../../packages/robustness/dist/data/node-archive.js";
import { httpRoute } from "../../packages/robustness/dist/data/node-http.js";
import { npmAuthorization, npmTarball, parseNpmrc } from "../../packages/robustness/dist/data/node-npm-config.js";
import { campaignArguments } from "./campaign-arguments.mjs";

const HANG_MS = 10_000;
const say = (/** @type {string} */ text) => process.stdout.write(`${text}\n`);
const { count, seed } = campaignArguments({ count: 2000, seed: 1 });
let state = seed >>> 0;
/** An integer from 0 to below `n`. */
const draw = (/** @type {number} */ n) => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * n);
};
/**
 * One of the choices.
 *
 * @template T
 * @param {ArrayLike<T>} choices
 */
const pick = (choices) => /** @type {T} */ (choices[draw(choices.length)]);
const outer = mkdtempSync(join(tmpdir(), "gradalign-campaign-"));
const folder = join(outer, "inside");
mkdirSync(folder);
const utf8 = (/** @type {string} */ text) => Buffer.from(text);
const u32 = (/** @type {number[]} */ ...values) => Buffer.from(Uint32Array.from(values).buffer);
const element = (/** @type {number} */ type, /** @type {Uint8Array} */ data) =>
  Buffer.concat([u32(type, data.length), data, Buffer.alloc((8 - (data.length % 8)) % 8)]);
async function* once(/** @type {Uint8Array} */ bytes) {
  yield bytes;
}

const record = Buffer.concat(Array.from({ length: 4 }, (_, i) => Buffer.alloc(3073, i)));
const matrix = element(14, Buffer.concat([element(6, u32(9, 0)), element(5, u32(4, 6)), element(1, utf8("pixels")), element(2, Buffer.alloc(24, 7))]));
const squeezed = deflateSync(matrix);
const matHeader = Buffer.concat([Buffer.alloc(124, " "), Buffer.from([0, 1, 0x49, 0x4d])]);
const tar = Buffer.from(
  await packTar(["notes.txt", "data_batch_1.bin", "test_batch.bin"].map((name) => ({ header: { name, size: record.length, type: "file" }, body: record }))),
);
const archive = gzipSync(tar);
/** @returns {import("gradalign").DatasetFile["checksum"]} */
const checksumOf = (/** @type {Uint8Array} */ bytes) => ({ algorithm: "sha256", encoding: "hex", digest: createHash("sha256").update(bytes).digest("hex") });
/** @type {import("gradalign").DatasetFile} */
const file = { name: "data_batch_1.bin", split: "train", images: 4, bytes: record.length, checksum: checksumOf(record) };
/** @type {import("gradalign").DatasetFile[]} */
const files = [file, { ...file, name: "test_batch.bin", split: "test" }];
const idx = Buffer.concat([Buffer.from([0, 0, 8, 2, 0, 0, 0, 5, 0, 0, 0, 6]), Buffer.alloc(30, 9)]);
const json = utf8(JSON.stringify({ dataset: "cifar10", list: [1, [2, { a: null }], "text \u001b\\"], method: { name: "fgsm", steps: 3 } }));
const tensors = encodeSafetensors({ w: { dtype: "float32", shape: [2, 3], data: new Float32Array(6) } }, { note: "x".repeat(40) });

/**
 * Each format: good bytes, and the reader they are given to.
 *
 * @type {Record<string, [good: Uint8Array, reader: (bytes: Buffer) => unknown]>}
 */
const formats = {
  safetensors: [tensors, (bytes) => decodeSafetensors(bytes)],
  idx: [idx, (bytes) => readIdx(once(bytes), "a")],
  "idx.gz": [gzipSync(idx), (bytes) => readIdx(once(bytes), "a")],
  mat: [Buffer.concat([matHeader, matrix, u32(15, squeezed.length), squeezed]), readMat],
  yaml: [utf8("epochs: &n 3\nmodel: cnn\nfilters: *n\nmethod: fgsm\nepsilon: 8/255\n"), (bytes) => parseConfig(bytes.toString(), "a.yaml")],
  json: [json, (bytes) => parseJson(bytes)],
  tar: [tar, (bytes) => read("a.tgz", gzipSync(bytes, { level: 1 }), (path) => readArchive(path, "tar", files))],
  tgz: [archive, (bytes) => read("a.tgz", bytes, (path) => readArchive(path, "tar", files))],
  records: [record, readRecords],
  checkpoint: [Buffer.alloc(0), readCheckpoint],
  npmrc: [utf8("registry=https://a.example/npm\n//a.example/npm/:_authToken=${TOKEN}\nhttps-proxy=http://me:p%40@b.example:1\n"), readNpmrc],
  http: [utf8(`HTTP/1.1 200 OK\r\ncontent-length: ${archive.length}\r\netag: "a"\r\n\r\n`), download],
};

async function readMat(/** @type {Buffer} */ bytes) {
  for await (const { data } of matVariables(once(bytes), "a.mat")) if (draw(2)) for await (const _ of data);
}

/**
 * @param {string} name
 * @param {Uint8Array} bytes
 * @param {(path: string) => unknown} work
 */
async function read(name, bytes, work) {
  writeFileSync(join(folder, name), bytes);
  return work(join(folder, name));
}

function readRecords(/** @type {Buffer} */ bytes) {
  const own = join(folder, "records");
  mkdirSync(own, { recursive: true });
  for (const name of ["train.bin", "test.bin"]) writeFileSync(join(own, name), draw(3) ? record : bytes);
  rmSync(join(own, "classes.txt"), { force: true });
  if (!draw(3)) writeFileSync(join(own, "classes.txt"), bytes);
  return readRecordFolder(own);
}

function readCheckpoint() {
  const own = join(folder, "checkpoint");
  rmSync(own, { recursive: true, force: true });
  const model = { name: "cnn", config: { filters: 4 } };
  saveCheckpoint(own, { name: "last", model, iteration: 1, epoch: 1, tensors: { w: { dtype: "uint8", shape: [3], data: Uint8Array.of(1, 2, 3) } } });
  for (const name of readdirSync(own)) if (draw(2)) writeFileSync(join(own, name), mutated(readFileSync(join(own, name))));
  return loadCheckpoint(own, "last");
}

function readNpmrc(/** @type {Buffer} */ bytes) {
  const config = new Map(parseNpmrc(bytes.toString(), { TOKEN: "secret" }));
  const url = npmTarball(config, "a@1.0.0");
  npmAuthorization(config, url);
  httpRoute(config, {}).proxyFor(new URL(url));
}

/** A download from a server whose head is damaged, and whose body is perhaps cut. */
async function download(/** @type {Buffer} */ bytes) {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => socket.end(Buffer.concat([bytes, archive.subarray(0, draw(2) ? archive.length : draw(archive.length))])));
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", () => done(undefined)));
  const url = `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}/a`;
  const part = { fileName: "a.tar.gz", url, bytes: archive.length, checksum: checksumOf(archive) };
  const definition = { ...datasets.cifar10, folder: "c", files, sources: [{ name: "s", layout: /** @type {const} */ ("tar"), parts: [part] }] };
  const patience = { connectTimeoutMs: 300, idleTimeoutMs: 300, retryDelayMs: 1 };
  rmSync(join(folder, "cache"), { recursive: true, force: true });
  try {
    await loadDataset(definition, { cacheDir: join(folder, "cache"), ...patience });
  } finally {
    server.close();
  }
}

/** One to three damages: cut, flipped bits, a piece moved, a number made huge or zero, brackets without end. */
function mutated(/** @type {Uint8Array} */ bytes) {
  let result = Buffer.from(bytes);
  for (let times = 1 + draw(3); times > 0; times--) {
    const at = draw(result.length + 1);
    const rest = result.subarray(at);
    const kind = draw(6);
    if (kind === 0) result = result.subarray(0, at);
    else if (kind === 1 && at < result.length) result[at] = result.readUInt8(at) ^ (1 << draw(8));
    else if (kind === 2) result = Buffer.concat([result.subarray(0, at), result.subarray(draw(result.length + 1)), rest]);
    else if (kind === 3) result = Buffer.concat([result.subarray(0, at), u32(pick([0, 1, 0x7fffffff, 0xffffffff, 0x01000000])), rest.subarray(4)]);
    else if (kind === 4) result = Buffer.concat([result.subarray(0, at), utf8(pick("[{(*&\"'").repeat(pick([1, 70, 20_000]))), rest]);
    else if (kind === 5) result = Buffer.concat([result.subarray(0, at), Buffer.alloc(pick([1, 300, 100_000]), draw(256)), rest]);
  }
  return result;
}

/** Regular files that this process has open. */
const openFiles = () => readdirSync("/proc/self/fd").filter((descriptor) => linkOf(descriptor).startsWith(outer)).length;
function linkOf(/** @type {string} */ descriptor) {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`);
  } catch {
    return "";
  }
}
/** @type {unknown[]} */
const unhandled = [];
process.on("unhandledRejection", (error) => unhandled.push(error)).on("uncaughtException", (error) => unhandled.push(error));
const results = Object.entries(formats).map(([name, [good, reader]]) => ({ name, good, reader, read: 0, refused: 0 }));
/** An error with its place, anything else as it is. */
const told = (/** @type {unknown} */ error) => (error instanceof Error && error.stack) || String(error);
const [before, began] = [openFiles(), performance.now()];
let [failures, most, slowest] = [0, 0, 0];
for (let i = 0; i < count; i++) {
  const result = /** @type {(typeof results)[number]} */ (results[i % results.length]);
  const { name, good, reader } = result;
  const bytes = mutated(good);
  const started = performance.now();
  let timer;
  const late = new Promise((_, fail) => {
    timer = setTimeout(() => fail(new Error("hangs")), HANG_MS);
  });
  try {
    await Promise.race([(async () => reader(bytes))(), late]);
    result.read++;
  } catch (error) {
    result.refused++;
    const right = error instanceof GradalignError || (name === "json" && error instanceof SyntaxError);
    if (!right || error.message.length > 5000) {
      failures++;
      say(`${name}, input ${i} of seed ${seed}: ${told(error).slice(0, 800)}`);
    }
  }
  clearTimeout(timer);
  slowest = Math.max(slowest, performance.now() - started);
  most = Math.max(most, process.memoryUsage().rss);
}
await new Promise((done) => setTimeout(done, 500));
for (const error of unhandled) say(`nobody caught: ${told(error)}`);
const left = openFiles() - before;
const strays = readdirSync(outer).filter((name) => name !== "inside");
rmSync(outer, { recursive: true, force: true });
for (const { name, refused, read } of results) say(`${name}: ${refused} refused, ${read} read`);
say(
  `${count} files in ${((performance.now() - began) / 1000).toFixed(0)} s: ${failures} failures, ${unhandled.length} uncaught errors, ` +
    `${left} files left open, ${strays.length} files outside; slowest ${(slowest / 1000).toFixed(1)} s, memory at most ${Math.round(most / 2 ** 20)} MiB`,
);
process.exit(failures + unhandled.length + Math.max(0, left) + strays.length === 0 ? 0 : 1);
