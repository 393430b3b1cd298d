/** @file Times the layers of ResNet-50 at 224 pixels, forward and backward, on one thread: processor time, ours, PyTorch's and another build's interleaved.
 *
 * node bench/layers.mjs [--python PYTHON] [--base FOLDER] [--only REGEXP] [--batch N] [--rounds N] [--json FILE]
 *
 * `--python` names an interpreter that has PyTorch; `--base` the folder packages/tensor of another build. */
import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { median, Partner } from "./partner.mjs";

const { values: options } = parseArgs({
  options: {
    python: { type: "string" },
    base: { type: "string" },
    only: { type: "string", default: "." },
    batch: { type: "string", default: "4" },
    rounds: { type: "string", default: "5" },
    json: { type: "string" },
  },
});
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const layers = JSON.parse(readFileSync(here("resnet50-layers.json"), "utf8"));
const ours = (...more) => new Partner(process.execPath, [here("ours-layers.mjs"), ...more]);
// Beside another build both are WebAssembly: machine code is called by one build's program.
const sides = options.base ? { ours: ours(here("../packages/tensor")), base: ours(options.base) } : { ours: ours() };
let torch = null;
if (options.python) {
  sides.pytorch = new Partner(options.python, [here("baselines/pytorch_layers.py")]);
  torch = (await sides.pytorch.greeting()).torch;
}

/** Milliseconds of processor time that a side's turn takes at least. */
const TURN = 60;
const rows = [];
for (const { name, count, ...layer } of layers) {
  for (const pass of ["forward", "input", "filter"]) {
    if (!new RegExp(options.only).test(`${name} ${pass}`) || (layer.pool && pass === "filter")) continue;
    const times = {};
    const turns = {};
    for (const [side, partner] of Object.entries(sides)) {
      await partner.ask({ op: "prepare", pass, batch: Number(options.batch), ...layer });
      // The engine replaces code by optimised code, PyTorch chooses its kernels.
      const { ms } = await partner.ask({ op: "step", n: 8 });
      turns[side] = Math.max(2, Math.ceil(TURN / Math.max(0.1, Math.min(...ms))));
      times[side] = [];
    }
    for (let round = 0; round < Number(options.rounds); round++) {
      for (const [side, partner] of Object.entries(sides)) {
        const { ms } = await partner.ask({ op: "step", n: turns[side] });
        times[side].push(ms.reduce((a, b) => a + b, 0) / ms.length);
      }
    }
    const row = { name, pass, count, ...Object.fromEntries(Object.entries(times).map(([side, list]) => [side, median(list)])) };
    rows.push(row);
    const others = Object.keys(sides).slice(1);
    const versus = others.map((side) => `${side} ${row[side].toFixed(2)} ms  ratio ${(row[side] / row.ours).toFixed(2)}`).join("   ");
    console.log(`${name.padEnd(24)} ${pass.padEnd(8)} ours ${row.ours.toFixed(2).padStart(8)} ms   ${versus}`);
  }
}
for (const pass of ["forward", "input", "filter"]) {
  const own = rows.filter((row) => row.pass === pass);
  const total = (side) => own.reduce((sum, row) => sum + row.count * row[side], 0);
  const each = Object.keys(sides).map((side) => `${side} ${total(side).toFixed(0)} ms`);
  console.log(`all layers, ${pass}: ${each.join(", ")}`);
}
for (const partner of Object.values(sides)) partner.close();
if (options.json) {
  const machine = { cpu: cpus()[0]?.model.trim(), node: process.version, pytorch: torch, threads: 1 };
  writeFileSync(options.json, `${JSON.stringify({ date: new Date().toISOString(), machine, batch: Number(options.batch), rows }, null, 2)}\n`);
}
