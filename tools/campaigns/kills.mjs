/**
 * @file Kills training runs at random moments, resumes them, and compares what they end with to an undisturbed run, bit by bit:
 * `npm run campaign:kills -- [--count 50] [--seed 0] [--images memory|files] [--native auto|mixed]`. Half of the kills come within a few milliseconds of a
 * save. Images in files are JPEGs, cropped at random and read by another number of workers each time. With `--native mixed` the undisturbed run has no
 * machine code, and the others have it every other time they go on.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { campaignArguments } from "./campaign-arguments.mjs";
import { jpegFile } from "./jpeg-writer.mjs";

const { count, seed, images, native } = campaignArguments({ count: 50, seed: 0 }, { images: ["memory", "files"], native: ["auto", "mixed"] });
const main = fileURLToPath(new URL("../../packages/gradalign/dist/main.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "gradalign-kills-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

let state = seed >>> 0;
function random() {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
}

/**
 * Made-up images in CIFAR-10's binary format.
 *
 * @param {string} at
 */
function writeImages(at) {
  mkdirSync(at, { recursive: true });
  for (const [name, images] of [
    ["train.bin", 256],
    ["test.bin", 64],
  ]) {
    const bytes = new Uint8Array(Number(images) * 3073);
    let noise = 1;
    for (let i = 0; i < bytes.length; i++) {
      noise = (Math.imul(noise, 1664525) + 1013904223) >>> 0;
      const label = Math.floor(i / 3073) % 10;
      bytes[i] = i % 3073 === 0 ? label : 128 + 60 * Math.sin(((i % 32) * (label + 1)) / 5) + (noise >>> 26);
    }
    writeFileSync(join(at, String(name)), bytes);
  }
  return at;
}

/**
 * Made-up images as a folder of JPEGs of 40 x 40 pixels.
 *
 * @param {string} at
 */
function writeFiles(at) {
  for (const [split, count] of /** @type {const} */ ([
    ["train", 256],
    ["val", 64],
  ])) {
    for (let i = 0; i < count; i++) {
      const label = i % 10;
      mkdirSync(join(at, split, `class-${label}`), { recursive: true });
      const pixels = Uint8Array.from({ length: 3 * 40 * 40 }, (_, k) => 128 + 60 * Math.sin((((k / 3) % 40) * (label + 1)) / 5) + 60 * random());
      writeFileSync(join(at, split, `class-${label}`, `${i}.jpg`), jpegFile(pixels, 40, 40, 90));
    }
  }
  return `${at}:size=32`;
}

/**
 * Runs the command; `when` says, at each event, after how many milliseconds to kill it.
 *
 * @param {string[]} argv
 * @param {(event: { type: string }) => number | undefined} [when]
 * @returns {Promise<{ killed: boolean, code: number | null, stderr: string }>}
 */
function train(argv, when) {
  const child = spawn(process.execPath, [main, "train", ...argv, "--json"]);
  let [rest, stderr] = ["", ""];
  const consider = (/** @type {{ type: string }} */ event) => {
    const delay = when?.(event);
    if (delay !== undefined) setTimeout(() => child.kill("SIGKILL"), delay);
  };
  consider({ type: "spawn" });
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  child.stdout.on("data", (chunk) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) consider(JSON.parse(line));
  });
  return new Promise((done) => child.on("close", (code, signal) => done({ killed: signal === "SIGKILL", code, stderr })));
}

/** Digests of what a run left, but for times. */
function outcome(/** @type {string} */ run) {
  const at = (/** @type {string[]} */ ...names) => join(run, ...names);
  const digest = (/** @type {string | Buffer} */ bytes) => createHash("sha256").update(bytes).digest("hex").slice(0, 16);
  const tensors = ["last", "best"].map((name) =>
    digest(readFileSync(at("checkpoints", JSON.parse(readFileSync(at("checkpoints", `${name}.json`), "utf8")).tensors))),
  );
  const metrics = readFileSync(at("metrics.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.stringify({ ...JSON.parse(line), seconds: 0 }));
  const left = [...readdirSync(run), ...readdirSync(at("checkpoints"))].filter((name) => /\.(tmp|lock)$/.test(name));
  return JSON.stringify({ tensors, metrics: digest(metrics.join("\n")), evaluations: metrics.length, left });
}

const dataset = (images === "files" ? writeFiles : writeImages)(join(folder, "images"));
const workers = () => (images === "files" ? ["--workers", String([1, 2, 4][Math.floor(3 * random())])] : []);
let begun = 0;
const machineCode = () => (native === "mixed" ? ["--native", begun++ % 2 === 0 ? "on" : "off"] : []);
const settings = ["--dataset", dataset, "--model", "cnn", "--method", "fgsm-gradalign", "--epsilon", "10", "--epochs", "40"];
const flags = [...settings, "--batch-size", "32", "--eval-every", "4", "--eval-examples", "32", "--final-attack", "none", "--threads", "1"];
const began = performance.now();
const whole = await train([...flags, "--out", join(folder, "whole"), ...(native === "mixed" ? ["--native", "off"] : [])]);
if (whole.code !== 0) throw new Error(whole.stderr);
const duration = performance.now() - began;
const expected = outcome(join(folder, "whole"));
const [kills, problems] = [{ anywhere: 0, saving: 0, total: 0 }, /** @type {string[]} */ ([])];
let runs = 0;
while (kills.total < count) {
  const run = join(folder, `killed-${runs++}`);
  for (;;) {
    const saving = random() < 0.5;
    // A save is told of when it is done: the next one comes after a few steps.
    const [delay, save] = saving ? [20 * random(), 1 + Math.floor(6 * random())] : [duration * 0.5 * random(), 0];
    let saves = 0;
    const when = (/** @type {{ type: string }} */ event) => {
      if (kills.total >= count) return undefined;
      return saving ? (event.type === "checkpoint" && ++saves === save ? delay : undefined) : event.type === "spawn" ? delay : undefined;
    };
    const resumed = existsSync(join(run, "config.json"));
    const { killed, code, stderr } = await train([...(resumed ? ["--resume", run] : [...flags, "--out", run]), ...workers(), ...machineCode()], when);
    if (killed) {
      kills.total++;
      kills[saving ? "saving" : "anywhere"]++;
      continue;
    }
    if (code !== 0) problems.push(`${run}: code ${code}: ${stderr.trim().split("\n").at(-1)}`);
    else if (outcome(run) !== expected) problems.push(`${run}: ${outcome(run)} instead of ${expected}`);
    break;
  }
}
for (const problem of problems) console.error(problem);
process.stdout.write(
  `seed ${seed}: ${kills.total} kills (${kills.saving} after a save, ${kills.anywhere} anywhere) over ${runs} runs of ${JSON.parse(expected).evaluations} evaluations; ` +
    `${runs - problems.length} ended with the bits of the undisturbed run, ${problems.length} did not\n`,
);
process.exitCode = problems.length > 0 ? 1 : 0;
