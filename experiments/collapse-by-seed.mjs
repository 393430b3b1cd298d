/** @file How often the 4-filter network collapses (paper, section 4 and figure 11): FGSM and FGSM + GradAlign at epsilon 10/255 over
 * several seeds, each a full run of the paper's recipe on CIFAR-10.
 *
 * node experiments/collapse-by-seed.mjs [--seeds 0,1,2] [--methods fgsm,fgsm-gradalign] [--epochs 30] [--threads 1] [--out FILE]
 *
 * Finished runs are kept in FILE and not repeated, so the command can be stopped and started again, or be run once per core with
 * different seeds and files. */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { createModel, evaluateRobustness, resolveTrainConfig, train } from "@gradalign/robustness";
import { loadDataset } from "@gradalign/robustness/node";
import { createDevice } from "@gradalign/tensor";

const { values: options } = parseArgs({
  options: {
    seeds: { type: "string", default: "0,1,2,3,4,5,6,7,8,9" },
    methods: { type: "string", default: "fgsm,fgsm-gradalign" },
    epochs: { type: "string", default: "30" },
    threads: { type: "string", default: "1" },
    out: { type: "string", default: "collapse-by-seed.json" },
  },
});
const results = existsSync(options.out) ? JSON.parse(readFileSync(options.out, "utf8")) : [];
const dataset = await loadDataset("cifar10");
const device = await createDevice({ backend: "wasm", threads: Number(options.threads) });

for (const seed of options.seeds.split(",").map(Number)) {
  for (const method of options.methods.split(",")) {
    if (results.some((result) => result.seed === seed && result.method === method)) continue;
    const started = performance.now();
    const config = resolveTrainConfig({
      dataset: "cifar10",
      model: { name: "cnn", filters: 4 },
      method: { name: method },
      epsilon: 10 / 255,
      epochs: Number(options.epochs),
      seed,
      evalEvery: 200,
    });
    const { params, state, evaluations, overfitting } = await train(config, dataset, { device });
    const final = await evaluateRobustness(createModel(config.model), params, state, dataset.test, {
      device,
      attack: "pgd-50-10",
      epsilon: 10 / 255,
      n: 1000,
      seed: 0,
    });
    const last = evaluations.at(-1);
    const result = {
      seed,
      method,
      overfitting: overfitting && { iteration: overfitting.iteration, epoch: overfitting.epoch },
      clean: final.cleanAccuracy,
      pgd_50_10: final.robustAccuracy,
      fgsm: last.test_fgsm_acc,
      pgd_10: last.test_pgd_acc,
      gradient_alignment: last.gradient_alignment,
      lowest_alignment: Math.min(...evaluations.map((evaluation) => evaluation.gradient_alignment)),
      outgoing_norms: last.outgoing_norms,
      seconds: (performance.now() - started) / 1000,
    };
    results.push(result);
    writeFileSync(`${options.out}.tmp`, `${JSON.stringify(results, null, 2)}\n`);
    renameSync(`${options.out}.tmp`, options.out);
    console.log(JSON.stringify(result));
  }
}
device.close();
