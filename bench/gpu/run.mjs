/** @file Checks, times and trains on this machine's GPU, from the folder that bundle.mjs made. Writes one JSON file, and adds to it when called again.
 *
 * ./node run.mjs [--out FILE] [--skip conformance,steps] [--rounds N] [--only REGEXP] [--model cnn|preact-resnet18] [--width N] [--batch N]
 *                [--no-pytorch] [--software] [--train METHODS] [--minutes N] [--runs FOLDER] [-- TRAINING FLAGS]
 *
 * Rounds alternate between ours (float32, mixed float16, float16 on tensor cores where there are any) and PyTorch's: float32, and mixed precision as
 * the paper's code trains (autocast to float16, a scaled loss), the latter also with channels last. Every step waits for its loss.
 *
 * --train fgsm,fgsm-gradalign trains the paper's recipe for each, one after the other, in folders of --runs. After --minutes it stops at a
 * checkpoint; the same call goes on from there. What follows -- goes to `gradalign train`: -- --epsilon 8 --seed 0 --precision f16 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { median, Partner } from "./partner.mjs";
import { joinPieces } from "./pieces.mjs";

const { values: options, positionals: trainingFlags } = parseArgs({
  allowPositionals: true,
  options: {
    out: { type: "string", default: "gpu.json" },
    skip: { type: "string", default: "" },
    rounds: { type: "string", default: "5" },
    only: { type: "string", default: "." },
    model: { type: "string", default: "preact-resnet18" },
    width: { type: "string", default: "64" },
    batch: { type: "string", default: "128" },
    software: { type: "boolean", default: false },
    "no-pytorch": { type: "boolean", default: false },
    train: { type: "string", default: "" },
    minutes: { type: "string", default: "9" },
    runs: { type: "string", default: "runs" },
  },
});
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
// The loader of the bundle serves where the machine has none; it must be known when the processes start.
if (existsSync(here("lib"))) process.env.LD_LIBRARY_PATH = [process.env.LD_LIBRARY_PATH, here("lib")].filter(Boolean).join(":");

// CIFAR-10, and what is measured of this GPU's kernels.
process.env.GRADALIGN_DATA = here("joined");

const report = existsSync(options.out) ? JSON.parse(readFileSync(options.out, "utf8")) : {};
function save() {
  writeFileSync(options.out, `${JSON.stringify({ ...report, date: new Date().toISOString(), node: process.version }, null, 2)}\n`);
}

/** What computes on our side. */
const OURS = [
  { name: "ours float32", precision: "float32", tensorCores: "off" },
  { name: "ours float16", precision: "float16", tensorCores: "off" },
  { name: "ours float16 tensor-cores", precision: "float16", tensorCores: "on" },
];

function checkConformance() {
  report.conformance = {};
  for (const { name, precision, tensorCores } of OURS) {
    const flags = ["--precision", precision, "--tensor-cores", tensorCores, ...(options.software ? ["--software"] : [])];
    const { stdout, stderr } = spawnSync(process.execPath, [here("conformance.mjs"), ...flags], { encoding: "utf8", maxBuffer: 1 << 26 });
    const checked = stdout.startsWith("{") ? JSON.parse(stdout) : { error: /^\w*Error: .*$/m.exec(stderr)?.[0] ?? stderr.trim(), details: stderr };
    report.conformance[name] = checked;
    console.log(`${name}: ${checked.error ?? `${checked.gpu}: ${checked.samples} samples, ${checked.failures.length} failures`}`);
    save();
  }
}

const PYTORCH = [
  { name: "pytorch float32", amp: false, layout: "nchw" },
  { name: "pytorch amp", amp: true, layout: "nchw" },
  { name: "pytorch amp channels-last", amp: true, layout: "channels-last" },
];

async function timeSteps() {
  report.task = { model: options.model, width: Number(options.width), filters: 4, batch: Number(options.batch), epsilon: 8 / 255 };
  report.steps = [];
  for (const method of ["standard", "fgsm", "gradalign", "pgd10"].filter((name) => new RegExp(options.only).test(name))) {
    const task = { ...report.task, method };
    const sides = OURS.map(({ name, ...how }) => {
      const partner = new Partner(process.execPath, [here("ours-steps.mjs")]);
      return { name, partner, prepare: { ...task, ...how, backend: "webgpu", software: options.software, threads: 1 } };
    });
    if (!options["no-pytorch"]) {
      for (const { name, ...how } of PYTORCH) {
        const partner = new Partner("python3", [here("bench/baselines/pytorch_steps.py"), "--device", "cuda"]);
        sides.push({ name, partner, prepare: { ...task, ...how }, greets: true });
      }
    }
    const times = {};
    const details = {};
    for (const { name, partner, prepare, greets } of sides) {
      try {
        if (greets) await partner.greeting();
        details[name] = await partner.ask({ op: "prepare", ...prepare });
        times[name] = [];
      } catch (error) {
        // A side that does not run here is told and left out.
        details[name] = { unavailable: error.message.split("\n")[0].replace(/^benchmark step failed: /, "") };
        console.log(`${method}: ${name} left out: ${details[name].unavailable}`);
      }
    }
    const running = sides.filter(({ name }) => times[name]);
    for (let round = 0; round <= Number(options.rounds); round++) {
      for (const { name, partner } of running) {
        const { ms, ...more } = await partner.ask({ op: "step", n: round === 0 ? 3 : 5 });
        if (round > 0) times[name].push(...ms);
        details[name] = { ...details[name], ...more };
      }
    }
    for (const { partner } of sides) partner.close();
    const medians = Object.fromEntries(Object.entries(times).map(([name, ms]) => [name, median(ms)]));
    report.steps.push({ method, medians, times, details });
    save();
    const list = Object.entries(medians).map(([name, ms]) => `${name} ${ms.toFixed(1)} ms`);
    console.log(`${method}: ${list.join(", ")}`);
  }
}

/** The lines of a file of JSON, none if it is not there. */
const jsonLines = (path) =>
  existsSync(path)
    ? readFileSync(path, "utf8")
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line))
    : [];

/** Runs `gradalign train` until it ends, or until the time is up and it has written its checkpoint; returns its exit code. */
function runTraining(flags, milliseconds) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [here("cli/main.mjs"), "train", ...flags], { stdio: ["ignore", "inherit", "inherit"] });
    const timer = setTimeout(() => child.kill("SIGINT"), milliseconds);
    child.once("exit", (code) => {
      clearTimeout(timer);
      resolve(code);
    });
  });
}

async function trainRuns() {
  joinPieces(here("data"), join(here("joined"), "cifar-10-batches-bin"));
  const end = Date.now() + Number(options.minutes) * 60_000;
  const common = ["--backend", "webgpu", ...(options.software ? ["--software-gpu", "yes"] : [])];
  const isRunFlag = (flag) => ["--precision", "--tensor-cores", "--final-attack", "--final-examples"].includes(flag);
  report.training ??= {};
  for (const method of options.train.split(",")) {
    const name = [method, ...trainingFlags.map((flag) => flag.replace(/^--/, ""))].join("-").replaceAll("/", "_");
    const folder = join(options.runs, name);
    if (report.training[name]?.state === "finished") continue;
    if (Date.now() >= end) break;
    // A resumed run has its settings; what computes must be said again.
    const again = trainingFlags.filter((flag, i) => isRunFlag(flag) || isRunFlag(trainingFlags[i - 1] ?? ""));
    const flags = existsSync(join(folder, "config.json"))
      ? ["--resume", folder, ...common, ...again]
      : ["--dataset", "cifar10", "--model", options.model, "--method", method, "--out", folder, ...common, ...trainingFlags];
    const started = Date.now();
    const code = await runTraining(flags, end - started);
    const calls = [...(report.training[name]?.calls ?? []), { seconds: (Date.now() - started) / 1000, exit: code }];
    report.training[name] = {
      state: code === 0 ? "finished" : code === 130 ? "to be resumed" : "failed",
      calls,
      evaluations: jsonLines(join(folder, "metrics.jsonl")),
      robustness: jsonLines(join(folder, "robustness.jsonl")),
    };
    save();
    console.log(`${name}: ${report.training[name].state}`);
  }
}

const skipped = options.skip.split(",");
if (!skipped.includes("conformance")) checkConformance();
if (!skipped.includes("steps")) await timeSteps();
if (options.train) await trainRuns();
save();
