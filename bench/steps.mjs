/** @file Times whole training steps, ours alone or interleaved with PyTorch's on the same machine.
 *
 * node bench/steps.mjs [--pytorch] [--python PATH] [--nodes PATH,PATH] [--native auto|on|off] [--instructions best|avx2] [--only REGEXP]
 *   [--rounds N] [--threads N] [--json FILE] [--force]
 *
 * `--instructions avx2` denies both sides all that came after AVX2, on processors that have more.
 *
 * Every version of Node and PyTorch has a process of its own. Their rounds alternate, so that a noisy machine disturbs all alike; medians are
 * compared. A machine that is busy already is refused. */
import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { cpus, loadavg, totalmem } from "node:os";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Partner, summary } from "./partner.mjs";

const USAGE = `node bench/steps.mjs [--pytorch] [--python PATH] [--nodes PATH,PATH] [--native auto|on|off] [--instructions best|avx2] [--only REGEXP]
  [--rounds N] [--threads N] [--json FILE] [--force]

Example: npm run bench:pytorch -- --only 'cnn fgsm'`;

const OPTIONS = {
  pytorch: { type: "boolean", default: false },
  python: { type: "string" },
  nodes: { type: "string", default: process.execPath },
  native: { type: "string", default: "auto" },
  instructions: { type: "string", default: "best" },
  only: { type: "string", default: "." },
  rounds: { type: "string", default: "5" },
  threads: { type: "string", default: String(Math.min(2, cpus().length)) },
  json: { type: "string" },
  force: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
};

function fail(message) {
  console.error(message);
  process.exit(1);
}

function optionsGiven() {
  try {
    return parseArgs({ options: OPTIONS }).values;
  } catch (error) {
    return fail(`${error.message}\n\n${USAGE}`);
  }
}

const options = optionsGiven();
if (options.help) {
  console.log(USAGE);
  process.exit(0);
}

/** Of the last minute. */
const MOST_LOAD = 0.5;

/** Steps of a round: about a second of the faster side, so that threads and caches settle after the other side's turn. */
const WORKLOADS = [
  { name: "cnn", model: "cnn", filters: 4, batch: 128, epsilon: 10 / 255, steps: [600, 400, 150, 60] },
  { name: "preact-resnet18 w16", model: "preact-resnet18", width: 16, batch: 128, epsilon: 8 / 255, steps: [6, 4, 2, 2] },
  { name: "preact-resnet18 w64", model: "preact-resnet18", width: 64, batch: 32, epsilon: 8 / 255, steps: [2, 2, 2, 2] },
].flatMap(({ steps, ...workload }) =>
  ["standard", "fgsm", "gradalign", "pgd10"].map((method, i) => ({ ...workload, method, steps: steps[i], name: `${workload.name} ${method}` })),
);

for (const [name, choices] of Object.entries({ native: ["auto", "on", "off"], instructions: ["best", "avx2"] })) {
  if (!choices.includes(options[name])) fail(`--${name} (="${options[name]}") must be one of ${choices.join(", ")}`);
}
for (const name of ["rounds", "threads"]) {
  if (!/^[1-9]\d*$/.test(options[name])) fail(`--${name} (="${options[name]}") must be an integer of at least 1`);
}
function chosenWorkloads() {
  try {
    return WORKLOADS.filter(({ name }) => new RegExp(options.only).test(name));
  } catch (error) {
    return fail(`--only: ${error.message}`);
  }
}

const chosen = chosenWorkloads();
if (chosen.length === 0) fail(`--only (="${options.only}") fits none of: ${WORKLOADS.map(({ name }) => name).join(", ")}`);

for (const node of options.nodes.split(",")) {
  if (spawnSync(node, ["--version"]).status !== 0) fail(`--nodes: "${node}" is no Node that runs here; name its binary`);
}
if (options.json && !existsSync(dirname(resolve(options.json)))) fail(`--json (="${options.json}") must be a file in a folder that is there`);

function pythonWithTorch() {
  for (const python of options.python ? [options.python] : ["python3", "/usr/bin/python3"]) {
    const { status, stdout } = spawnSync(python, ["-c", "import torch; print(torch.__version__)"], { encoding: "utf8" });
    if (status === 0) return { python, version: stdout.trim() };
  }
  return fail("PyTorch was not found. On Debian: apt-get install python3-torch; elsewhere: pip install torch; --python names a python that has it");
}

// PyTorch's own kernels, oneDNN's and MKL's are chosen apart.
if (options.instructions === "avx2") Object.assign(process.env, { ATEN_CPU_CAPABILITY: "avx2", ONEDNN_MAX_CPU_ISA: "AVX2", MKL_ENABLE_INSTRUCTIONS: "AVX2" });
const load = loadavg()[0];
if (load > MOST_LOAD && !options.force) fail(`the machine is busy (load ${load.toFixed(2)}): times would say nothing; wait, or --force`);
const torch = options.pytorch || options.python ? pythonWithTorch() : null;
const threads = Number(options.threads);
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const results = [];
console.log(
  `${cpus()[0]?.model.trim()}, ${threads} threads, instructions: ${options.instructions}, load ${load.toFixed(2)}${torch ? `, PyTorch ${torch.version}` : ""}`,
);

for (const workload of chosen) {
  const { name, steps, ...task } = workload;
  const ours = [];
  for (const node of options.nodes.split(",")) {
    const partner = new Partner(node, [here("ours-steps.mjs")]);
    ours.push({ partner, ...(await partner.ask({ op: "prepare", ...task, threads, native: options.native, instructions: options.instructions })), times: [] });
  }
  const sides = [...ours];
  if (torch) {
    const partner = new Partner(torch.python, [here("baselines/pytorch_steps.py"), "--threads", String(threads)]);
    await partner.greeting();
    await partner.ask({ op: "prepare", ...task });
    sides.push({ partner, times: [] });
  }
  // The first round warms all up: the engine replaces code by optimised code, PyTorch fills its caches.
  for (let round = 0; round <= Number(options.rounds); round++) {
    for (const side of sides) {
      side.last = await side.partner.ask({ op: "step", n: steps });
      if (round > 0) side.times.push(...side.last.ms);
    }
  }
  for (const { partner } of sides) partner.close();
  const theirs = torch ? sides.at(-1) : null;
  const measured = ({ times, last }) => ({ ...summary(times), peakRssMb: last.peakRss / 2 ** 20 });
  const pytorch = theirs && measured(theirs);
  const result = {
    name,
    batch: workload.batch,
    pytorch,
    ours: ours.map((side) => {
      const one = measured(side);
      const { node, native, compileMs, last } = side;
      return { node, native, ...one, ratio: pytorch ? pytorch.median / one.median : null, compileMs, deviceMb: last.deviceBytes / 2 ** 20 };
    }),
  };
  results.push(result);
  console.log(`${name}, batch ${workload.batch}`);
  const ms = ({ median, quartiles }) => `${median.toFixed(2)} ms (${quartiles.map((value) => value.toFixed(2)).join(" to ")})`.padEnd(34);
  const rss = ({ peakRssMb }) => `RSS ${peakRssMb.toFixed(0)} MB`;
  if (pytorch) console.log(`  PyTorch             ${ms(pytorch)} ${rss(pytorch)}`);
  for (const side of result.ours) {
    const ratio = pytorch ? `  PyTorch / ours ${side.ratio.toFixed(2)}, memory ours / PyTorch ${(side.peakRssMb / pytorch.peakRssMb).toFixed(2)}` : "";
    console.log(`  ${`${side.node}${side.native ? ", native" : ""}`.padEnd(19)} ${ms(side)} ${rss(side)}  compile ${side.compileMs.toFixed(0)} ms${ratio}`);
  }
}

if (options.json) {
  const nodes = [...new Set(results.flatMap(({ ours }) => ours.map(({ node }) => node)))];
  const machine = {
    cpu: cpus()[0]?.model.trim(),
    cores: cpus().length,
    memoryGb: totalmem() / 2 ** 30,
    load,
    node: nodes.join(", "),
    pytorch: torch?.version ?? null,
    threads,
    instructions: options.instructions,
    flags: process.execArgv,
  };
  writeFileSync(options.json, `${JSON.stringify({ date: new Date().toISOString(), machine, results }, null, 2)}\n`);
}
