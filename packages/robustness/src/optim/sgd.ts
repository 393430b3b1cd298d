/** @file Stochastic gradient descent with momentum and L2 regularisation, as PyTorch computes it. */
import { add, mul, type Operand, sub, zeros } from "@gradalign/tensor";
import type { Params } from "../nn/params.ts";
import { number } from "../options/option.ts";
import { chosenDecay, type Decay, decayOptions, defineOptimizer, mapNamed, mapParams, type Optimizer, regularizing } from "./optimizer.ts";

/** SGD, as runs name it. */
export const sgdDefinition = defineOptimizer({
  id: "sgd",
  paper: "Polyak 1964, as in PyTorch",
  options: {
    momentum: number({ least: 0, below: 1, default: 0.9, help: "share of the previous velocity that is kept", remedy: "write e.g. 0.9" }),
    ...decayOptions,
  },
  create: ({ momentum, ...decay }, norms) => sgd({ momentum, ...chosenDecay(decay, norms) }),
});

/** Options of {@link sgd}. */
export interface SgdOptions extends Decay {
  /** Share of the previous velocity that is kept; 0 unless set. */
  readonly momentum?: Operand;
}

/** g = grad + weightDecay p; v = momentum v + g; p = p - lr v. No dampening, no Nesterov. */
export function sgd({ momentum = 0, ...decay }: SgdOptions = {}): Optimizer<{ readonly velocity: Params }> {
  const regularized = regularizing(decay);
  return {
    name: "sgd",
    init: (params) => ({ velocity: mapParams((p) => zeros(p.shape), params) }),
    update(params, grads, state, lr) {
      const velocity = mapNamed((name, p, g, v) => add(mul(v, momentum), regularized(g, p, name)), params, grads, state.velocity);
      return [mapParams((p, v) => sub(p, mul(v, lr)), params, velocity), { velocity }];
    },
  };
}
