/** @file The moving average of weights: what is evaluated in place of what is trained (Izmailov et al. 2018). */
import { add, div, minimum, mul, sub, type Value, zeros } from "@gradalign/tensor";
import type { ModelTensors } from "../models/model.ts";
import { mapParams } from "../optim/optimizer.ts";

/** What is trained while its average is what is evaluated. */
export interface Trained extends ModelTensors {
  /** Averages made so far, a float32 scalar. */
  readonly averages: Value;
}

/** An average of nothing yet: the first step replaces it. */
export function noAverage({ params, state }: ModelTensors): ModelTensors {
  const none = (tensors: ModelTensors["params"]) => mapParams(({ shape }) => zeros(shape), tensors);
  return { params: none(params), state: none(state) };
}

/**
 * Weights and batch-norm statistics, each averaged: `decay` of the average and the rest of what is new, less of it at first, t / (t + 9) at
 * the t-th average after the one that replaces nothing, so that the beginning is soon forgotten.
 */
export function nextAverage(average: ModelTensors, next: ModelTensors, averages: Value, decay: number): ModelTensors {
  const share = minimum(div(averages, add(averages, 9)), decay);
  const mixed = (before: Value, after: Value): Value => add(mul(before, share), mul(after, sub(1, share)));
  return { params: mapParams(mixed, average.params, next.params), state: mapParams(mixed, average.state, next.state) };
}
