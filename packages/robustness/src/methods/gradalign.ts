/** @file GradAlign (Eq. 7): gradients at an image and at a random neighbour should point the same way. */

import { mul, type Operand, sub, type Value } from "@gradalign/tensor";
import { meanCosine } from "../nn/cosine-similarity.ts";
import type { Circumstances } from "../options/option.ts";
import { logLinear } from "./common-options.ts";

const CIFAR10 = logLinear(0.02, 0.2);
/** This project's choice: the paper has no such experiments, and a multiple of a cosine is kept moderate. */
const digits = () => 0.2;
const WEIGHTS: Readonly<Record<string, (epsilon: number) => number>> = { svhn: logLinear(2.5 ** 2 / 4, 2.5), mnist: digits, "fashion-mnist": digits };

/**
 * The weight lambda for a radius in pixel units. In the paper's scripts it is log-linear in epsilon; above 16/255 the formula grows on, and
 * the paper does not say what it used there. Other data sets have CIFAR-10's.
 */
export function gradAlignWeight({ dataset, epsilon }: Pick<Circumstances, "dataset" | "epsilon">): number {
  return (WEIGHTS[dataset] ?? CIFAR10)(epsilon);
}

/**
 * lambda (1 - mean cos(g1, g2)), a scalar; examples with a zero gradient do not count, and without any other the penalty is 0.
 * Gradients are [N, C, H, W].
 */
export function gradAlignPenalty(g1: Value, g2: Value, lambda: Operand): Value {
  return mul(lambda, sub(1, meanCosine(g1, g2, 1)));
}
