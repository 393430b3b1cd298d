/** @file Checks and times the webgpu backend on this machine's GPU, from the folder that bundle.mjs made. Writes one JSON file.
 *
 * ./node run.mjs [--out FILE] [--rounds N] [--only REGEXP] [--model cnn|preact-resnet18] [--width N] [--batch N] [--software] [--no-pytorch]
 *
 * Rounds alternate between ours and PyTorch's: float32, and mixed precision as the paper's code trains (autocast to float16, a scaled loss),
 * the latter also with channels last. Every step waits for its loss. */
import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { median, Partner } from "./partner.mjs";

const { values: options } = parseArgs({
  options: {
    out: { type: "string", default: "gpu.json" },
    rounds: { type: "string", default: "5" },
    only: { type: "string", default: "." },
    model: { type: "string", default: "preact-resnet18" },
    width: { type: "string", default: "64" },
    batch: { type: "string", default: "128" },
    software: { type: "boolean", default: false },
    "no-pytorch": { type: "boolean", default: false },
  },
});
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
// The loader of the bundle serves where the machine has none; it must be known when the processes start.
if (existsSync(here("lib"))) process.env.LD_LIBRARY_PATH = [process.env.LD_LIBRARY_PATH, here("lib")].filter(Boolean).join(":");

const software = options.software ? ["--software"] : [];
const checked = spawnSync(process.execPath, [here("conformance.mjs"), ...software], { encoding: "utf8", maxBuffer: 1 << 26 });
const conformance = checked.stdout.startsWith("{") ? JSON.parse(checked.stdout) : { error: checked.stderr };
console.log(conformance.error ?? `${conformance.gpu}: ${conformance.samples} samples, ${conformance.failures.length} failures`);

const PYTORCH = [
  { name: "pytorch float32", amp: false, layout: "nchw" },
  { name: "pytorch amp", amp: true, layout: "nchw" },
  { name: "pytorch amp channels-last", amp: true, layout: "channels-last" },
];
const results = [];
for (const method of ["standard", "fgsm", "gradalign", "pgd10"].filter((name) => new RegExp(options.only).test(name))) {
  const task = { model: options.model, width: Number(options.width), filters: 4, batch: Number(options.batch), method, epsilon: 8 / 255 };
  const ours = new Partner(process.execPath, [here("ours-steps.mjs")]);
  const sides = [{ name: "ours float32", partner: ours, prepare: { ...task, backend: "webgpu", software: options.software, threads: 1 } }];
  if (!options["no-pytorch"]) {
    for (const { name, ...how } of PYTORCH) {
      const partner = new Partner("python3", [here("bench/baselines/pytorch_steps.py"), "--device", "cuda"]);
      await partner.greeting();
      sides.push({ name, partner, prepare: { ...task, ...how } });
    }
  }
  const times = Object.fromEntries(sides.map(({ name }) => [name, []]));
  const details = {};
  for (const { name, partner, prepare } of sides) details[name] = await partner.ask({ op: "prepare", ...prepare });
  for (let round = 0; round <= Number(options.rounds); round++) {
    for (const { name, partner } of sides) {
      const { ms } = await partner.ask({ op: "step", n: round === 0 ? 3 : 5 });
      if (round > 0) times[name].push(...ms);
    }
  }
  for (const { partner } of sides) partner.close();
  const medians = Object.fromEntries(Object.entries(times).map(([name, ms]) => [name, median(ms)]));
  results.push({ method, batch: task.batch, medians, times, details });
  console.log(
    `${method}: ${Object.entries(medians)
      .map(([name, ms]) => `${name} ${ms.toFixed(1)} ms`)
      .join(", ")}`,
  );
  writeFileSync(
    options.out,
    `${JSON.stringify({ date: new Date().toISOString(), node: process.version, task: { ...task, method: undefined }, conformance, results }, null, 2)}\n`,
  );
}
