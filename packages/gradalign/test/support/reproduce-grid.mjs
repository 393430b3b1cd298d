/**
 * @file A grid of two small trainings, run side by side by the built program: what the interruption test kills and starts again.
 *
 * node reproduce-grid.mjs IMAGES OUT
 */
import { resolveTrainConfig } from "@gradalign/robustness";
import { reproduce } from "../../dist/reproduce/reproduce.js";

const [, , images, out] = process.argv;
const trainings = [0, 1].map((seed) => ({
  label: `seed ${seed}`,
  config: resolveTrainConfig({
    dataset: { name: images, crop: 0, flip: false },
    model: { name: "cnn", filters: 4 },
    method: "fgsm",
    epsilon: 10 / 255,
    seed,
    epochs: 12,
    batchSize: 32,
    evalEvery: 4,
    evalExamples: 16,
  }),
  attacks: [{ attack: "pgd-3", epsilon: 10 / 255, examples: 64, which: "last" }],
}));
const experiment = {
  id: "two-seeds",
  title: "Two seeds",
  paper: "nowhere",
  summary: "A grid for a test.",
  defaultScale: "smoke",
  changes: { paper: [], laptop: [], smoke: [] },
  trainings: () => trainings,
  measure: async (lab) => ({ measurements: trainings.map((training) => ({ robust: lab.finished(training).attacked(training.attacks[0]).robustAccuracy })) }),
  page: () => ({ claims: [], comparisons: [], sections: [] }),
};
const context = { streams: { stdout: process.stdout, stderr: process.stderr }, argv: [], exitCode: 0 };
await reproduce([{ experiment, scale: "smoke" }], { out, json: true, jobs: 2 }, context);
process.exitCode = context.exitCode;
