/** @file A classifier, compiled: its input gradients and its scores. */
import { type Compiled, convert, type Device, jit, type Tensor, type Value, zeros } from "@gradalign/tensor";
import { type Classifier, modelClassifier, type VictimTensors } from "../attacks/victim.ts";
import type { Model } from "../models/model.ts";
import { crossEntropyPerExample, isCorrect } from "../nn/cross-entropy.ts";
import { finiteExamples } from "../nn/finite.ts";
import { ascentGradient } from "./oracle.ts";

/** How a batch fares: float32 [N] each. */
export interface Scores {
  /** Cross-entropy. */
  readonly losses: Value;
  /** 1 where classified correctly, else 0. */
  readonly correct: Value;
  /** 1 where all logits are finite, else 0; other answers are wrong. */
  readonly finite: Value;
}

/** {@link Scores} on the device. */
export type Scored = Readonly<Record<keyof Scores, Tensor>>;

/** Compiled functions of tensors, images and labels; each is compiled when it is first called. */
export interface ClassifierPrograms {
  readonly classifier: Classifier;
  readonly device: Device;
  /** Each example's gradient with respect to its image: of its cross-entropy, or, where that vanishes, of a loss that rises in the same direction. */
  readonly gradient: Compiled<[VictimTensors, Value, Value], Value>;
  /** The last argument are keys, int32 [N, 2], for a classifier that answers at random. */
  readonly score: Compiled<[VictimTensors, Value, Value, Value?], Scores>;
  /** What was made for an owner and a purpose before, or else makes it; freed with the programs. */
  once<Made extends { dispose(): void }>(owner: object, purpose: string, make: () => Made): Made;
  dispose(): void;
}

/** Compiles a classifier for evaluation. */
export function classifierPrograms(classifier: Classifier, device: Device): ClassifierPrograms {
  const noKeys = (x: Value): Value => zeros([x.shape[0] as number, 2], "int32");
  const gradient = jit(
    (tensors: VictimTensors, x: Value, labels: Value): Value => ascentGradient((at) => classifier.logits(tensors, at, noKeys(x)), x, labels, device),
    { device, batchInvariant: true },
  );
  const score = jit(
    (tensors: VictimTensors, x: Value, labels: Value, keys?: Value): Scores => {
      const logits = classifier.logits(tensors, x, keys ?? noKeys(x));
      return {
        losses: crossEntropyPerExample(logits, labels),
        correct: convert(isCorrect(logits, labels), "float32"),
        finite: convert(finiteExamples(logits), "float32"),
      };
    },
    { device, batchInvariant: true },
  );
  const made = new Map<object, Map<string, { dispose(): void }>>();
  return {
    classifier,
    device,
    gradient,
    score,
    once<Made extends { dispose(): void }>(owner: object, purpose: string, make: () => Made): Made {
      const owned = (made.get(owner) ?? made.set(owner, new Map()).get(owner)) as Map<string, Made>;
      const known = owned.get(purpose) ?? make();
      owned.set(purpose, known);
      return known;
    },
    dispose() {
      for (const program of [gradient, score, ...[...made.values()].flatMap((owned) => [...owned.values()])]) program.dispose();
      made.clear();
    },
  };
}

/** Compiles a model in eval mode. */
export function modelPrograms(model: Model, device: Device): ClassifierPrograms {
  return classifierPrograms(modelClassifier(model), device);
}
