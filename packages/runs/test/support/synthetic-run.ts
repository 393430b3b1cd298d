/** @file A made-up run that looks like the paper's: alignment and PGD accuracy collapse at a given epoch, or do not. */
import type { Evaluation, TrainConfig } from "@gradalign/robustness";
import type { FilterSnapshot, ReportRun } from "../../src/run/run-data.ts";

/** A resolved config as the library would give it. */
export function syntheticConfig(method = "fgsm"): TrainConfig {
  return {
    dataset: "cifar10",
    model: { name: "cnn", filters: 4 },
    method: method === "fgsm-gradalign" ? { name: method, stepSize: 1, lambda: 0.3556558820077846, branches: "one" } : { name: method, stepSize: 1 },
    epsilon: 10 / 255,
    epochs: 30,
    batchSize: 128,
    trainSize: null,
    seed: 3,
    optimizer: { name: "adam", beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 5e-4 },
    schedule: { name: "cyclic", peak: 0.003 },
    augment: { crop: 4, flip: true },
    evalEvery: 200,
    evalExamples: 256,
  } as unknown as TrainConfig;
}

/** A run of 30 epochs; `collapse` is the epoch of catastrophic overfitting, or null. */
export function syntheticRun(label: string, collapse: number | null): ReportRun {
  const perEpoch = 390;
  const evaluations: Evaluation[] = [];
  for (let iteration = 0; iteration <= 30 * perEpoch; iteration += 200) {
    const epoch = iteration / perEpoch;
    const wobble = Math.sin(iteration * 12.9898) * 0.012;
    const fallen = collapse === null ? 0 : 1 / (1 + Math.exp(-(epoch - collapse) * 4));
    const learned = 1 - Math.exp(-epoch / 3);
    const grown = collapse === null ? 0 : Math.max(0, 1 - Math.exp(-(epoch - collapse) / 3));
    evaluations.push({
      iteration,
      epoch,
      lr: 0.003 * Math.min(epoch / 12, (30 - epoch) / 18),
      train_loss: 2.3 - 0.3 * learned - 0.5 * fallen,
      train_reg: label.includes("gradalign") ? 0.02 * learned : 0,
      train_acc: 0.1 + 0.25 * learned,
      train_pgd_acc: (0.1 + 0.11 * learned) * (1 - fallen) + wobble * (1 - fallen),
      test_clean_acc: 0.1 + 0.33 * learned + 0.05 * fallen + wobble,
      test_fgsm_acc: 0.08 + 0.12 * learned + 0.3 * fallen + wobble,
      test_pgd_acc: Math.max(0, (0.08 + 0.11 * learned + wobble) * (1 - fallen)),
      test_fgsm_loss: 2.3 - 0.1 * learned - 0.6 * fallen,
      test_pgd_loss: 2.3 - 0.09 * learned + 11 * fallen,
      gradient_alignment: 0.97 - 0.85 * fallen + wobble / 2,
      cos_fgsm_pgd: 0.92 - 0.86 * fallen + wobble / 2,
      delta_l2: 2.08 - 0.03 * fallen,
      undefined_alignment: 0,
      non_finite: 0,
      seconds: iteration / 150,
      filter_norms: [1.33 - 0.8 * grown, 1.31 - 0.6 * grown, 0.98 - 0.7 * grown, 1.07 + 2.2 * grown],
      outgoing_norms: [1.4 + 0.4 * learned, 1.6 + learned, 1.5, 1.8 + 17 * grown],
    } as Evaluation);
  }
  return {
    label,
    config: syntheticConfig(label),
    evaluations,
    overfitting: collapse === null ? null : { iteration: Math.round(collapse * perEpoch), epoch: collapse, evidence: "PGD accuracy fell from 18.4 % to 2.5 %" },
    outcome: { kind: collapse === null ? "healthy" : "overfitted", evidence: "PGD accuracy fell from 18.4 % to 2.5 %" },
    best: { iteration: 2200, on: "train", pgdAccuracy: 0.21 },
    robustness: ["last", "best"].map((which) => ({
      which,
      iteration: which === "last" ? 11700 : 2200,
      attack: "pgd-50-10",
      epsilon: 10 / 255,
      n: 1000,
      seed: 0,
      cleanAccuracy: 0.43,
      robustAccuracy: collapse !== null && which === "last" ? 0.001 : 0.185,
      confidence95: collapse !== null && which === "last" ? [0.0, 0.006] : [0.16, 0.21],
      meanLoss: 2.2,
      seconds: 12,
    })),
    filters: [syntheticFilters("best", 2200, 0.3), syntheticFilters("last", 11700, collapse === null ? 0.3 : 1)],
    machine: { backend: "wasm", threads: 2, version: "0.1.0", node: "20.20.2" },
  };
}

function syntheticFilters(which: string, iteration: number, growth: number): FilterSnapshot {
  const laplace = [0.1, 0.15, 0.1, 0.15, -1, 0.15, 0.1, 0.15, 0.1];
  const weights = Float32Array.from({ length: 4 * 27 }, (_, i) => {
    const filter = Math.floor(i / 27);
    const noise = Math.sin(i * 78.233) * 0.3;
    return filter === 3 ? noise * 0.3 + (laplace[i % 9] as number) * growth * 1.5 : noise * (1.2 - growth * 0.7);
  });
  return { which, iteration, shape: [4, 3, 3, 3], weights };
}
