/**
 * @file How early the guard alarms, how often it is wrong, and what going back saves, on the paper's single-layer network (5 epochs of CIFAR-10, the
 * recipe otherwise): `npm run campaign:guard -- [--count SEEDS] [--seed FIRST]`, ten minutes for ten seeds on an idle core. Each run is one entry of
 * experiments/results/guard.json, written as soon as it is there; runs that are there are not done again. docs/guard.md shows them (`npm run tables`).
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { createDevice } from "@gradalign/tensor";
import { evaluateRobustness, resolveTrainConfig, stepPrograms, train } from "gradalign";
import { loadDataset, nodeNative } from "gradalign/node";
import { campaignArguments } from "./campaign-arguments.mjs";

const { count, seed: first } = campaignArguments({ count: 10, seed: 0 });
const FILE = fileURLToPath(new URL("../../experiments/results/guard.json", import.meta.url));
// An evaluation at every tenth of an epoch: when a run collapsed is known that well.
const SETTING = { dataset: "cifar10", model: "cnn", epochs: 5, evalEvery: 39, evalExamples: 128 };
const ATTACK = { attack: "pgd-50", n: 512 };
const [SMALL, LARGE] = [8 / 255, 16 / 255];
const KINDS = /** @type {const} */ ([
  { name: "FGSM, 16/255, warn", method: "fgsm", epsilon: LARGE, guard: "warn" },
  { name: "FGSM, 16/255, rollback to gradalign", method: "fgsm", epsilon: LARGE, guard: "rollback", guardChange: "gradalign" },
  { name: "FGSM, 16/255, rollback to smaller-step", method: "fgsm", epsilon: LARGE, guard: "rollback", guardChange: "smaller-step" },
  { name: "FGSM, 8/255, warn", method: "fgsm", epsilon: SMALL, guard: "warn" },
  { name: "FGSM + GradAlign, 16/255, warn", method: "fgsm-gradalign", epsilon: LARGE, guard: "warn" },
]);

/** @type {{ provenance: object, setting: object, runs: Record<string, unknown>[] }} */
const results = existsSync(FILE) ? JSON.parse(readFileSync(FILE, "utf8")) : { provenance: {}, setting: { ...SETTING, ...ATTACK }, runs: [] };
const data = await loadDataset("cifar10");
const { host } = nodeNative(false);
const device = await createDevice({ backend: "wasm", threads: 1, ...(host ? { native: host } : {}) });
const programs = stepPrograms(device);
for (let seed = first; seed < first + count; seed++) {
  for (const { name, ...settings } of KINDS) {
    if (results.runs.some((run) => run.kind === name && run.seed === seed)) continue;
    const before = process.cpuUsage();
    /** @type {{ iteration: number, epoch: number, restored: number | null, evidence: string }[]} */
    const alarms = [];
    const config = resolveTrainConfig({ ...SETTING, ...settings, seed });
    const { model, params, state, evaluations, overfitting } = await train(config, data, {
      device,
      programs,
      onEvent(event) {
        if (event.type === "alarm") alarms.push({ iteration: event.iteration, epoch: event.epoch, restored: event.restored, evidence: event.evidence });
      },
    });
    const { cleanAccuracy, robustAccuracy } = await evaluateRobustness(model, params, state, data.test, { device, ...ATTACK, epsilon: config.epsilon });
    const best = Math.max(...evaluations.map(({ test_pgd_acc }) => test_pgd_acc));
    const collapse = overfitting && { iteration: overfitting.iteration, epoch: overfitting.epoch };
    const course = evaluations.map((each) => [each.iteration, each.test_pgd_acc, round(each.attack_alignment), round(each.fallen_losses)]);
    results.runs.push({ kind: name, seed, alarms, collapse, best, clean: cleanAccuracy, robust: robustAccuracy, course });
    results.provenance = {
      commit: commitOf(),
      date: new Date().toISOString(),
      node: process.versions.node,
      processor: cpus()[0]?.model.trim(),
      backend: host ? "wasm with machine code" : "wasm",
    };
    writeFileSync(FILE, formatted());
    const { user, system } = process.cpuUsage(before);
    process.stdout.write(
      `seed ${seed}, ${name}: alarms at epochs ${alarms.map(({ epoch }) => epoch.toFixed(2)).join(", ") || "–"}, collapse ${collapse?.epoch.toFixed(2) ?? "–"}, ` +
        `clean ${(100 * cleanAccuracy).toFixed(1)} %, PGD-50 ${(100 * robustAccuracy).toFixed(1)} %, ${((user + system) / 1e6).toFixed(1)} s of processor time\n`,
    );
  }
}
device.close();
process.exit(0);

/** A run per line. */
function formatted() {
  const { runs, ...rest } = results;
  const head = Object.entries(rest).map(([name, value]) => `"${name}": ${JSON.stringify(value)}`);
  return `{\n${head.join(",\n")},\n"runs": [\n${runs.map((run) => JSON.stringify(run)).join(",\n")}\n]\n}\n`;
}

/** @param {number | null | undefined} value */
function round(value) {
  return typeof value === "number" ? Number(value.toFixed(4)) : null;
}

function commitOf() {
  try {
    return execFileSync("git", ["rev-parse", "HEAD"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).slice(0, 12);
  } catch {
    return null;
  }
}
