/** @file How the cost of a training step grows with batch, width, attack steps and threads, and whether a long run keeps its speed.
 *
 * node bench/scaling.mjs [--only REGEXP] [--seconds S] [--json FILE]      every series; each step size is timed for S seconds
 * node bench/scaling.mjs --steady MINUTES [--width W] [--json FILE]       one long run (the single-layer network, or a ResNet of that width): images/s
 *                                                                         and memory, minute by minute, and how far speed drifts */
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { median, Partner } from "./partner.mjs";

const { values: options } = parseArgs({
  options: {
    only: { type: "string", default: "." },
    seconds: { type: "string", default: "4" },
    steady: { type: "string" },
    width: { type: "string" },
    json: { type: "string" },
  },
});

const CNN = { model: "cnn", filters: 4, epsilon: 10 / 255, method: "gradalign", batch: 128, threads: 2 };
const RESNET = { model: "preact-resnet18", width: 16, epsilon: 8 / 255, method: "gradalign", batch: 32, threads: 2 };

/** Each series changes one thing. */
const SERIES = [
  { name: "cnn, GradAlign: batch", base: CNN, changes: [32, 64, 128, 256, 512].map((batch) => ({ batch })) },
  { name: "preact-resnet18 w16, GradAlign: batch", base: RESNET, changes: [32, 64, 128, 256, 512].map((batch) => ({ batch })) },
  { name: "preact-resnet18, batch 32, GradAlign: width", base: RESNET, changes: [8, 16, 32, 64].map((width) => ({ width })) },
  { name: "cnn, batch 128, PGD: steps", base: CNN, changes: [1, 2, 5, 10, 20].map((steps) => ({ method: `pgd${steps}` })) },
  { name: "cnn, batch 128, FGSM: threads", base: { ...CNN, method: "fgsm" }, changes: [1, 2].map((threads) => ({ threads })) },
  { name: "preact-resnet18 w16, GradAlign: threads", base: RESNET, changes: [1, 2].map((threads) => ({ threads })) },
  { name: "preact-resnet18 w64, FGSM: threads", base: { ...RESNET, width: 64, method: "fgsm" }, changes: [1, 2].map((threads) => ({ threads })) },
];

const start = () => new Partner(process.execPath, [fileURLToPath(new URL("ours-steps.mjs", import.meta.url))]);

/** Median milliseconds of a step once the engine has compiled its better code, and the memory it took. */
async function timed(task) {
  const side = start();
  try {
    await side.ask({ op: "prepare", ...task });
    const budget = 1000 * Number(options.seconds);
    let answer = await side.ask({ op: "step", n: 3 });
    const n = Math.max(3, Math.min(1000, Math.round(budget / 2 / Math.min(...answer.ms))));
    await side.ask({ op: "step", n });
    answer = await side.ask({ op: "step", n });
    return { ms: median(answer.ms), deviceMb: answer.deviceBytes / 2 ** 20, rssMb: answer.peakRss / 2 ** 20 };
  } finally {
    side.close();
  }
}

async function scaling() {
  const rows = [];
  for (const { name, base, changes } of SERIES.filter((series) => new RegExp(options.only).test(series.name))) {
    console.log(`\n| ${name} | step, ms | images/s | memory, MB |\n| --- | --- | --- | --- |`);
    for (const change of changes) {
      const task = { ...base, ...change };
      const { ms, deviceMb, rssMb } = await timed(task);
      const [value] = Object.values(change);
      console.log(`| ${value} | ${ms.toFixed(ms < 10 ? 2 : 0)} | ${Math.round((1000 * task.batch) / ms)} | ${deviceMb.toFixed(0)} |`);
      rows.push({ series: name, ...task, ms, deviceMb, rssMb });
    }
  }
  return rows;
}

async function steady(minutes) {
  const task = options.width === undefined ? CNN : { ...RESNET, width: Number(options.width) };
  const side = start();
  await side.ask({ op: "prepare", ...task });
  const steps = options.width === undefined ? 200 : 4;
  await side.ask({ op: "step", n: steps });
  const rows = [];
  console.log("| minute | images/s | memory, MB | peak RSS, MB |\n| --- | --- | --- | --- |");
  for (let minute = 1; minute <= minutes; minute++) {
    const until = performance.now() + 60_000;
    const ms = [];
    let answer;
    do {
      answer = await side.ask({ op: "step", n: steps });
      ms.push(...answer.ms);
    } while (performance.now() < until);
    const row = { minute, imagesPerSecond: (1000 * task.batch) / median(ms), deviceMb: answer.deviceBytes / 2 ** 20, peakRssMb: answer.peakRss / 2 ** 20 };
    rows.push(row);
    console.log(`| ${minute} | ${Math.round(row.imagesPerSecond)} | ${row.deviceMb.toFixed(1)} | ${row.peakRssMb.toFixed(0)} |`);
  }
  side.close();
  // The first minute warms up.
  const [early, late] = [rows.slice(1, 1 + Math.ceil(minutes / 4)), rows.slice(-Math.ceil(minutes / 4))].map((part) =>
    median(part.map((row) => row.imagesPerSecond)),
  );
  if (minutes >= 4) console.log(`the last quarter's speed over the first's: ${(late / early).toFixed(3)}`);
  return rows;
}

const rows = options.steady === undefined ? await scaling() : await steady(Number(options.steady));
if (options.json) {
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version };
  writeFileSync(options.json, `${JSON.stringify({ date: new Date().toISOString(), machine, rows }, null, 2)}\n`);
}
