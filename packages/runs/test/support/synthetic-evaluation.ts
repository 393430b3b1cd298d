/** @file Records of evaluations as the library's attacks make them, and made-up ones. */
import { type AttackReport, type AttackStage, attackPlan, type ImageOutcome, wilsonInterval } from "@gradalign/robustness";
import type { EvaluationRecord, Fraction } from "../../src/evaluation/record.ts";

const WORDS = {
  format: 1,
  id: "5e".repeat(32),
  written: "2026-11-29T13:00:00.000Z",
  code: { version: "0.1.0", commit: "0123456789abcdef0123456789abcdef01234567" },
  machine: { node: "20.20.2", backend: "wasm", threads: 2, processor: "AMD EPYC" },
  arithmetic: { backend: "wasm", contraction: "fused" },
  model: {
    file: "network.safetensors",
    format: "safetensors",
    sha256: "cd".repeat(32),
    architecture: { name: "cnn", filters: 4 },
    parameters: 10_000,
    normalization: { mean: [0.5], std: [0.25] },
    batchNorm: "none",
  },
  seed: 3,
  selection: "success",
  warnings: [],
  checkPasses: { forward: 0, backward: 0 },
  curve: [],
  adversarials: "ad".repeat(32),
  digest: "d1".repeat(32),
} as const;

/** A record of so many images, whose figures follow from their outcomes. */
export function recordOf(
  outcomes: readonly ImageOutcome[],
  stages: readonly AttackStage[],
  {
    attack = stages.map((stage) => stage.attack).join("+"),
    norm = "linf",
    epsilon = { numerator: 8, denominator: 255 } as Fraction,
    classNames = [] as string[],
  },
): EvaluationRecord {
  const n = outcomes.length;
  const clean = outcomes.filter((outcome) => outcome.clean).length;
  const robust = outcomes.filter((outcome) => outcome.robust).length;
  return {
    ...WORDS,
    data: { name: "cifar10", split: "test", fingerprint: "ef".repeat(32), classNames, first: 0, count: n },
    threat: { norm, epsilon },
    attack,
    cleanAccuracy: clean / n,
    robustAccuracy: robust / n,
    cleanConfidence95: wilsonInterval(clean, n),
    confidence95: wilsonInterval(robust, n),
    stages,
    passes: { forward: 1234, backward: 567 },
    seconds: 83,
    outcomes,
  };
}

/** The record of what the library's `attack` found. */
export function recordOfReport({ outcomes, stages, attack, threat }: AttackReport, epsilon: Fraction, classNames: string[]): EvaluationRecord {
  return recordOf(outcomes, stages as readonly AttackStage[], { attack, norm: threat, epsilon, classNames });
}

/** What becomes of an image: a letter each, `x` wrong already, `s` stands, a digit the attack of the list that broke it, halfway to ε and on. */
export function madeUp(fates: string, attacks: readonly string[], { classes = 3, epsilon = 8 / 255 } = {}): [ImageOutcome[], AttackStage[]] {
  const outcomes = [...fates].map((fate, index): ImageOutcome => {
    const brokenBy = attacks[Number(fate)] ?? null;
    const label = index % classes;
    const norm = brokenBy === null ? 0 : epsilon * (0.5 + index / (2 * fates.length));
    return {
      index,
      label,
      clean: fate !== "x",
      robust: fate === "s",
      brokenBy,
      run: brokenBy === null ? null : 0,
      norm,
      loss: 1,
      predicted: fate === "s" ? label : (label + 1) % Math.max(2, classes),
      finite: true,
    };
  });
  let left = [...fates].filter((fate) => fate !== "x").length;
  const stages = attacks.map((attack, i): AttackStage => {
    const broken = [...fates].filter((fate) => fate === String(i)).length;
    const { paper, options } = described(attack);
    const stage = { attack, paper, options, attacked: left, broken, passes: { forward: 10 * left, backward: 9 * left }, seconds: 2 };
    left -= broken;
    return stage;
  });
  return [outcomes, stages];
}

function described(attack: string): Pick<AttackStage, "paper" | "options"> {
  const [first] = attackPlan(attack)?.attacks ?? [];
  return { paper: first?.attack.paper ?? "", options: (first?.options ?? {}) as AttackStage["options"] };
}
