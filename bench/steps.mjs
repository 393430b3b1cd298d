/** @file Times whole training steps, ours alone or interleaved with PyTorch's on the same machine.
 *
 * node bench/steps.mjs [--pytorch] [--only REGEXP] [--rounds N] [--threads N] [--json FILE]
 *
 * Rounds alternate between the two, so that a noisy machine disturbs both alike; medians are compared. */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { median, Partner } from "./partner.mjs";

const { values: options } = parseArgs({
  options: {
    pytorch: { type: "boolean", default: false },
    only: { type: "string", default: "." },
    rounds: { type: "string", default: "5" },
    threads: { type: "string", default: String(Math.min(2, cpus().length)) },
    json: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
if (options.help) {
  console.log(
    "node bench/steps.mjs [--pytorch] [--only REGEXP] [--rounds N] [--threads N] [--json FILE]\n\nExample: npm run bench:pytorch -- --only 'cnn fgsm'",
  );
  process.exit(0);
}

/** Steps of a round: about a second of the faster side, so that threads and caches settle after the other side's turn. */
const WORKLOADS = [
  { name: "cnn", model: "cnn", filters: 4, batch: 128, epsilon: 10 / 255, steps: [600, 400, 150, 60] },
  { name: "preact-resnet18 w16", model: "preact-resnet18", width: 16, batch: 128, epsilon: 8 / 255, steps: [6, 4, 2, 2] },
  { name: "preact-resnet18 w64", model: "preact-resnet18", width: 64, batch: 32, epsilon: 8 / 255, steps: [2, 2, 2, 2] },
].flatMap(({ steps, ...workload }) =>
  ["standard", "fgsm", "gradalign", "pgd10"].map((method, i) => ({ ...workload, method, steps: steps[i], name: `${workload.name} ${method}` })),
);

function pythonWithTorch() {
  for (const python of ["python3", "/usr/bin/python3"]) {
    const { status, stdout } = spawnSync(python, ["-c", "import torch; print(torch.__version__)"], { encoding: "utf8" });
    if (status === 0) return { python, version: stdout.trim() };
  }
  console.error("PyTorch was not found. On Debian: apt-get install python3-torch; elsewhere: pip install torch");
  process.exit(1);
}

const torch = options.pytorch ? pythonWithTorch() : null;
const threads = Number(options.threads);
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const results = [];

for (const workload of WORKLOADS.filter(({ name }) => new RegExp(options.only).test(name))) {
  const ours = new Partner(process.execPath, [here("ours-steps.mjs")]);
  const theirs = torch && new Partner(torch.python, [here("baselines/pytorch_steps.py"), "--threads", String(threads)]);
  const { name, steps, ...task } = workload;
  const prepared = await ours.ask({ op: "prepare", ...task, threads });
  await theirs?.greeting();
  await theirs?.ask({ op: "prepare", ...task });
  const times = { ours: [], theirs: [] };
  let [oursLast, theirsLast] = [null, null];
  // The first round warms both up: the engine replaces code by optimised code, PyTorch fills its caches.
  for (let round = 0; round <= Number(options.rounds); round++) {
    oursLast = await ours.ask({ op: "step", n: steps });
    theirsLast = (await theirs?.ask({ op: "step", n: steps })) ?? null;
    if (round === 0) continue;
    times.ours.push(...oursLast.ms);
    if (theirsLast) times.theirs.push(...theirsLast.ms);
  }
  ours.close();
  theirs?.close();
  const result = {
    name,
    batch: workload.batch,
    oursMs: median(times.ours),
    pytorchMs: torch ? median(times.theirs) : null,
    ratio: torch ? median(times.theirs) / median(times.ours) : null,
    compileMs: prepared.compileMs,
    oursPeakRssMb: oursLast.peakRss / 2 ** 20,
    oursDeviceMb: oursLast.deviceBytes / 2 ** 20,
    pytorchPeakRssMb: theirsLast ? theirsLast.peakRss / 2 ** 20 : null,
  };
  results.push(result);
  const versus = torch
    ? `  PyTorch ${result.pytorchMs.toFixed(1)} ms  ratio ${result.ratio.toFixed(2)}  RSS ${result.oursPeakRssMb.toFixed(0)} / ${result.pytorchPeakRssMb.toFixed(0)} MB`
    : "";
  console.log(`${name.padEnd(32)} batch ${workload.batch}  ours ${result.oursMs.toFixed(2)} ms  compile ${result.compileMs.toFixed(0)} ms${versus}`);
}

if (options.json) {
  const machine = {
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    memoryGb: totalmem() / 2 ** 30,
    node: process.version,
    pytorch: torch?.version ?? null,
    threads,
    flags: process.execArgv,
  };
  writeFileSync(options.json, `${JSON.stringify({ date: new Date().toISOString(), machine, results }, null, 2)}\n`);
}
