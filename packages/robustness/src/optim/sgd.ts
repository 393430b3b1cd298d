/** @file Stochastic gradient descent with momentum and L2 regularisation, as PyTorch computes it. */
import { add, mul, type Operand, sub, zeros } from "@gradalign/tensor";
import type { Params } from "../nn/params.ts";
import { number } from "../options/option.ts";
import { defineOptimizer, mapParams, type Optimizer, weightDecay } from "./optimizer.ts";

/** SGD, as runs name it. */
export const sgdDefinition = defineOptimizer({
  id: "sgd",
  paper: "Polyak 1964, as in PyTorch",
  options: {
    momentum: number({ least: 0, below: 1, default: 0.9, help: "share of the previous velocity that is kept", remedy: "write e.g. 0.9" }),
    weightDecay,
  },
  create: sgd,
});

/** Options of {@link sgd}. */
export interface SgdOptions {
  /** Share of the previous velocity that is kept; 0 unless set. */
  readonly momentum?: Operand;
  /** L2 regularisation, added to the gradient of every parameter; 0 unless set. */
  readonly weightDecay?: Operand;
}

/** g = grad + weightDecay p; v = momentum v + g; p = p - lr v. No dampening, no Nesterov. */
export function sgd({ momentum = 0, weightDecay = 0 }: SgdOptions = {}): Optimizer<{ readonly velocity: Params }> {
  return {
    name: "sgd",
    init: (params) => ({ velocity: mapParams((p) => zeros(p.shape), params) }),
    update(params, grads, state, lr) {
      const velocity = mapParams((p, g, v) => add(mul(v, momentum), add(g, mul(p, weightDecay))), params, grads, state.velocity);
      return [mapParams((p, v) => sub(p, mul(v, lr)), params, velocity), { velocity }];
    },
  };
}
