/**
 * @file How early the guard alarms, how often it is wrong, and what going back saves, on the paper's single-layer network (ε = 16/255, 8 epochs, the
 * recipe otherwise): `npm run campaign:guard -- [--count SEEDS] [--seed FIRST]`. Each run is one line of experiments/results/guard.json, written as
 * soon as it is there; runs that are there are not done again.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { createDevice } from "@gradalign/tensor";
import { evaluateRobustness, resolveTrainConfig, train } from "gradalign";
import { loadDataset } from "gradalign/node";
import { campaignArguments } from "./campaign-arguments.mjs";

const { count, seed: first } = campaignArguments({ count: 10, seed: 0 });
const FILE = fileURLToPath(new URL("../../experiments/results/guard.json", import.meta.url));
const SETTING = { dataset: "cifar10", model: "cnn", epsilon: 16 / 255, epochs: 8, evalEvery: 39, evalExamples: 128 };
const ATTACK = { attack: "pgd-50", n: 512 };
const KINDS = /** @type {const} */ ([
  { name: "FGSM, warn", method: "fgsm", guard: "warn" },
  { name: "FGSM + GradAlign, warn", method: "fgsm-gradalign", guard: "warn" },
  { name: "FGSM, rollback, gradalign", method: "fgsm", guard: "rollback", guardChange: "gradalign" },
  { name: "FGSM, rollback, smaller-step", method: "fgsm", guard: "rollback", guardChange: "smaller-step" },
]);

/** @type {{ provenance: object, setting: object, runs: Record<string, unknown>[] }} */
const results = existsSync(FILE) ? JSON.parse(readFileSync(FILE, "utf8")) : { provenance: {}, setting: { ...SETTING, ...ATTACK }, runs: [] };
const data = await loadDataset("cifar10");
const device = await createDevice({ backend: "wasm", threads: 1 });
for (let seed = first; seed < first + count; seed++) {
  for (const { name, ...settings } of KINDS) {
    if (results.runs.some((run) => run.kind === name && run.seed === seed)) continue;
    /** @type {{ iteration: number, epoch: number, restored: number | null, evidence: string }[]} */
    const alarms = [];
    const config = resolveTrainConfig({ ...SETTING, ...settings, seed });
    const { model, params, state, evaluations, overfitting } = await train(config, data, {
      device,
      onEvent(event) {
        if (event.type === "alarm") alarms.push({ iteration: event.iteration, epoch: event.epoch, restored: event.restored, evidence: event.evidence });
      },
    });
    const { cleanAccuracy, robustAccuracy } = await evaluateRobustness(model, params, state, data.test, { device, ...ATTACK, epsilon: SETTING.epsilon });
    const best = Math.max(...evaluations.map(({ test_pgd_acc }) => test_pgd_acc));
    const collapse = overfitting && { iteration: overfitting.iteration, epoch: overfitting.epoch };
    results.runs.push({ kind: name, seed, alarms, collapse, best, clean: cleanAccuracy, robust: robustAccuracy });
    results.provenance = {
      commit: commitOf(),
      date: new Date().toISOString(),
      node: process.versions.node,
      processor: cpus()[0]?.model.trim(),
      backend: "wasm",
    };
    writeFileSync(FILE, `${JSON.stringify(results, undefined, 2)}\n`);
    process.stdout.write(
      `seed ${seed}, ${name}: alarms at epochs ${alarms.map(({ epoch }) => epoch.toFixed(2)).join(", ") || "–"}, collapse ${collapse?.epoch.toFixed(2) ?? "–"}, ` +
        `clean ${(100 * cleanAccuracy).toFixed(1)} %, PGD-50 ${(100 * robustAccuracy).toFixed(1)} %\n`,
    );
  }
}
device.close();
process.exit(0);

function commitOf() {
  try {
    return execFileSync("git", ["rev-parse", "HEAD"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).slice(0, 12);
  } catch {
    return null;
  }
}
