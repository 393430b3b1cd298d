/** @file Times AutoAttack, ours and interleaved with it the original in PyTorch, on the same images, network and machine.
 *
 * node bench/attacks.mjs --weights FILE [--autoattack CLONE --python PYTHON] [options]; --help lists them.
 *
 * The images are cut into blocks of the original's batch size; the two sides take turns, a block each, so that a noisy machine disturbs
 * both alike. Compiling counts as part of our time. */
import { existsSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Partner } from "./partner.mjs";

const { values: options } = parseArgs({
  options: {
    weights: { type: "string" },
    autoattack: { type: "string" },
    python: { type: "string", default: "python3" },
    images: { type: "string", default: join(homedir(), ".cache/gradalign/cifar-10-batches-bin/test_batch.bin") },
    n: { type: "string", default: "1000" },
    block: { type: "string", default: "250" },
    norm: { type: "string", default: "linf" },
    epsilon: { type: "string" },
    attacks: { type: "string" },
    threads: { type: "string", default: "2" },
    json: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
const HELP = `node bench/attacks.mjs --weights FILE [--autoattack CLONE] [--python PYTHON] [--n 1000] [--block 250]
    [--norm linf|l2] [--epsilon E] [--attacks apgd-ce,square] [--threads N] [--images FILE] [--json FILE]

--weights     a cnn or preact-resnet18 that gradalign export wrote
--autoattack  a clone of github.com/fra31/auto-attack (commit a392200); without it ours is timed alone
--python      a Python with torch, numpy and safetensors
--epsilon     in pixel units, 8/255 in linf and 0.5 in l2 unless set
--images      CIFAR-10's test_batch.bin, which gradalign train downloads`;
if (options.help || !options.weights || !existsSync(options.images)) {
  console.log(options.help || options.weights ? (options.help ? HELP : `no ${options.images}: run gradalign train once, or name it with --images`) : HELP);
  process.exit(options.help ? 0 : 2);
}

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const [n, block, threads] = [options.n, options.block, options.threads].map(Number);
const epsilon = Number(options.epsilon ?? (options.norm === "linf" ? 8 / 255 : 0.5));
const attacks = options.attacks?.split(",");
const sides = { ours: new Partner(process.execPath, [here("ours-attacks.mjs")]) };
if (options.autoattack) {
  const script = here("baselines/original_autoattack.py");
  sides.original = new Partner(options.python, [script, "--autoattack", options.autoattack, "--threads", options.threads]);
}

const shared = { op: "prepare", weights: options.weights, images: options.images, norm: options.norm, epsilon, ...(attacks && { attacks }) };
const totals = {};
for (const [name, side] of Object.entries(sides)) {
  const { ok: _, ...prepared } = await side.ask(name === "ours" ? { ...shared, threads } : shared);
  totals[name] = { seconds: 0, clean: 0, robust: 0, ...prepared };
}
for (let first = 0; first < n; first += block) {
  const count = Math.min(block, n - first);
  for (const [name, side] of Object.entries(sides)) {
    const { seconds, clean, robust, passes } = await side.ask({ op: "attack", first, count });
    const total = totals[name];
    for (const [key, value] of Object.entries({ seconds, clean, robust })) total[key] += value;
    if (passes) total.passes = { forward: (total.passes?.forward ?? 0) + passes.forward, backward: (total.passes?.backward ?? 0) + passes.backward };
    console.log(`images ${first} to ${first + count}, ${name}: ${seconds.toFixed(1)} s, ${clean} correct, ${robust} after the attacks`);
  }
}
for (const side of Object.values(sides)) side.close();

const ratio = totals.original ? totals.original.seconds / totals.ours.seconds : null;
for (const [name, { seconds, clean, robust }] of Object.entries(totals)) {
  console.log(`${name}: ${seconds.toFixed(1)} s for ${n} images, clean ${clean}, robust ${robust}`);
}
if (ratio) console.log(`ours is ${ratio.toFixed(2)} times as fast`);
if (options.json) writeFileSync(options.json, `${JSON.stringify({ n, block, threads, norm: options.norm, epsilon, attacks, ...totals, ratio }, null, 2)}\n`);
