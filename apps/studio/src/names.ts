/** @file What a training is called where it becomes a folder. */
import type { TrainConfig } from "@gradalign/robustness";

/** As the command names its folders, without the date: `cnn-fgsm-eps10-seed2`. */
export function runName({ model, method, epsilon, seed }: Pick<TrainConfig, "model" | "method" | "epsilon" | "seed">): string {
  return `${model.name}-${method.name}-eps${Number((255 * epsilon).toFixed(4))}-seed${seed}`;
}

/** A training in words, as the page has it. */
export function methodLabel(id: string): string {
  return id
    .split("-")
    .map((part) => (part === "gradalign" ? "+ GradAlign" : part.length <= 4 ? part.toUpperCase() : part))
    .join("-")
    .replace("-+", " +");
}

/** Names a training for people. */
export function labelOf({ method, epsilon, seed }: Pick<TrainConfig, "method" | "epsilon" | "seed">): string {
  return `${methodLabel(method.name)}, ε ${Number((255 * epsilon).toFixed(4))}/255, seed ${seed}`;
}
