/** @file Times AutoAttack, ours and interleaved with it the original in PyTorch, on the same images, network and machine.
 *
 * node bench/attacks.mjs --weights FILE [--autoattack CLONE --python PYTHON] [options]; --help lists them.
 *
 * The images are cut into blocks of the original's batch size; the two sides take turns, a block each, so that a noisy machine disturbs
 * both alike. Compiling counts as part of our time. With --json every block is kept: a benchmark that was stopped goes on where it was. */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { cpus, homedir, loadavg } from "node:os";
import { basename, join } from "node:path";
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
--json        where the figures go, block by block; what is there already is not measured again
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

const settings = { weights: basename(options.weights), block, threads, norm: options.norm, epsilon, attacks: attacks ?? "autoattack" };
const before = options.json && existsSync(options.json) ? JSON.parse(readFileSync(options.json, "utf8")) : { ...settings, blocks: [] };
const differing = Object.keys(settings).filter((key) => JSON.stringify(before[key]) !== JSON.stringify(settings[key]));
if (differing.length > 0) {
  console.error(`${options.json} is of another ${differing.join(", ")}: name another file, or remove it`);
  process.exit(2);
}
const { blocks } = before;
const sums = () => {
  const total = {};
  for (const side of Object.keys(sides)) {
    total[side] = { seconds: 0, clean: 0, robust: 0, forward: 0, backward: 0 };
    for (const measured of blocks) for (const key of Object.keys(total[side])) total[side][key] += measured[side]?.[key] ?? 0;
  }
  return { totals: total, ratio: total.original ? total.original.seconds / total.ours.seconds : null };
};
const save = (about) => {
  if (!options.json) return;
  writeFileSync(`${options.json}.part`, `${JSON.stringify({ n: blocks.length * block, ...settings, ...about, ...sums(), blocks }, null, 2)}\n`);
  renameSync(`${options.json}.part`, options.json);
};

const about = { processor: cpus()[0]?.model ?? "unknown" };
for (const [name, side] of Object.entries(sides)) {
  const asked = { op: "prepare", weights: options.weights, images: options.images, norm: options.norm, epsilon, ...(attacks && { attacks }) };
  const { ok: _, ...prepared } = await side.ask(name === "ours" ? { ...asked, threads } : asked);
  about[name] = prepared;
}
for (let first = blocks.length * block; first < n; first += block) {
  const count = Math.min(block, n - first);
  const measured = { first, load: loadavg()[0] };
  for (const [name, side] of Object.entries(sides)) {
    const { seconds, clean, robust, passes } = await side.ask({ op: "attack", first, count });
    measured[name] = { seconds, clean, robust, ...passes };
    console.log(`images ${first} to ${first + count}, ${name}: ${seconds.toFixed(1)} s, ${clean} correct, ${robust} after the attacks`);
  }
  blocks.push(measured);
  save(about);
}
for (const side of Object.values(sides)) side.close();

const { totals, ratio } = sums();
for (const [name, { seconds, clean, robust }] of Object.entries(totals)) {
  console.log(`${name}: ${seconds.toFixed(1)} s for ${blocks.length * block} images, clean ${clean}, robust ${robust}`);
}
if (ratio) console.log(`ours is ${ratio.toFixed(2)} times as fast`);
