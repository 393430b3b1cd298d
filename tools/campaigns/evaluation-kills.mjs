/**
 * @file Kills evaluations by AutoAttack at random moments, resumes them until they are done, and compares their records with an undisturbed one's,
 * but for times: `npm run campaign:evaluation-kills -- [--count 100] [--seed 0] [--images cifar10|synthetic]`. Half of the kills come within a few
 * milliseconds of a part's being noted. The model is the committed `cnn`; CIFAR-10 has to be in its usual folder, else images are made up.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { campaignArguments } from "./campaign-arguments.mjs";

const { count, seed, images } = campaignArguments({ count: 100, seed: 0 }, { images: ["cifar10", "synthetic"] });
const main = fileURLToPath(new URL("../../packages/gradalign/dist/main.js", import.meta.url));
const weights = fileURLToPath(new URL("../../packages/robustness/test/fixtures/weights/cnn.safetensors", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "gradalign-evaluation-kills-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

let state = seed >>> 0;
function random() {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
}

/** Made-up images in CIFAR-10's binary format. */
function madeUp() {
  const at = join(folder, "images");
  mkdirSync(at);
  for (const name of ["train.bin", "test.bin"]) {
    const bytes = new Uint8Array(64 * 3073);
    let noise = 1;
    for (let i = 0; i < bytes.length; i++) {
      noise = (Math.imul(noise, 1664525) + 1013904223) >>> 0;
      const label = Math.floor(i / 3073) % 10;
      bytes[i] = i % 3073 === 0 ? label : 128 + 60 * Math.sin(((i % 32) * (label + 1)) / 5) + (noise >>> 26);
    }
    writeFileSync(join(at, name), bytes);
  }
  return at;
}

const cached = images === "cifar10" && existsSync(join(homedir(), ".cache/gradalign/cifar-10-batches-bin/test_batch.bin"));
const dataset = cached ? "cifar10" : madeUp();
const flags = ["eval", weights, "--arch", "cnn", "--dataset", dataset, "--attack", "autoattack", "--n", "48", "--threads", "1", "--resume", "--out"];

/**
 * Evaluates; `when` is asked every few milliseconds, with the bytes of parts noted, whether to kill.
 *
 * @param {string} out
 * @param {(bytes: number, ms: number) => boolean} [when]
 * @returns {Promise<{ killed: boolean, code: number | null, stderr: string }>}
 */
function evaluate(out, when) {
  const child = spawn(process.execPath, [main, ...flags, out]);
  const began = performance.now();
  let stderr = "";
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  child.stdout.resume();
  const watch = setInterval(() => {
    const bytes = statSync(join(out, "parts.jsonl"), { throwIfNoEntry: false })?.size ?? 0;
    if (when?.(bytes, performance.now() - began)) child.kill("SIGKILL");
  }, 2);
  return new Promise((done) =>
    child.on("close", (code, signal) => {
      clearInterval(watch);
      done({ killed: signal === "SIGKILL", code, stderr });
    }),
  );
}

/** What an evaluation left, but for times and machine. */
function outcome(/** @type {string} */ out) {
  const { written: _, machine: __, seconds: ___, stages, ...record } = JSON.parse(readFileSync(join(out, "evaluation.json"), "utf8"));
  const timeless = { ...record, stages: stages.map((/** @type {object} */ stage) => ({ ...stage, seconds: 0 })) };
  const pixels = createHash("sha256")
    .update(readFileSync(join(out, "adversarials.safetensors")))
    .digest("hex");
  return JSON.stringify({ timeless, intact: pixels === record.adversarials, files: readdirSync(out).sort() });
}

const began = performance.now();
const whole = await evaluate(join(folder, "whole"));
if (whole.code !== 0) throw new Error(whole.stderr);
const duration = performance.now() - began;
const expected = outcome(join(folder, "whole"));
const [kills, problems] = [{ anywhere: 0, noting: 0, total: 0, parts: 0 }, /** @type {string[]} */ ([])];
let evaluations = 0;
while (kills.total < count) {
  const out = join(folder, `killed-${evaluations++}`);
  for (;;) {
    const noting = random() < 0.5;
    const [growths, late, at] = [1 + Math.floor(6 * random()), 20 * random(), 0.6 * duration * random()];
    let [seen, grown, due] = [-1, 0, Number.POSITIVE_INFINITY];
    const { killed, code, stderr } = await evaluate(out, (bytes, ms) => {
      if (kills.total >= count) return false;
      if (!noting) return ms >= at;
      if (seen >= 0 && bytes > seen && ++grown === growths) due = ms + late;
      seen = bytes;
      return ms >= due;
    });
    if (killed) {
      kills.total++;
      kills[noting ? "noting" : "anywhere"]++;
      if (existsSync(join(out, "parts.jsonl"))) kills.parts++;
      continue;
    }
    if (code !== 0) problems.push(`${out}: code ${code}: ${stderr.trim().split("\n").at(-1)}`);
    else if (outcome(out) !== expected) problems.push(`${out}: ${outcome(out).slice(0, 2000)} instead of ${expected.slice(0, 2000)}`);
    break;
  }
}
for (const problem of problems) console.error(problem);
const { timeless } = JSON.parse(expected);
process.stdout.write(
  `seed ${seed}: ${kills.total} kills (${kills.noting} after a part, ${kills.anywhere} anywhere; ${kills.parts} with parts on the disk) over ${evaluations} evaluations of ` +
    `${timeless.outcomes.length} images of ${cached ? "CIFAR-10" : "made-up data"} (clean ${timeless.cleanAccuracy}, robust ${timeless.robustAccuracy}); ` +
    `${evaluations - problems.length} ended with the record of the undisturbed one, ${problems.length} did not\n`,
);
process.exitCode = problems.length > 0 ? 1 : 0;
