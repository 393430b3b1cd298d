/** @file Stochastic gradient descent with momentum and L2 regularisation, as PyTorch computes it. */
import { add, mul, sub, zeros } from "@gradalign/tensor";
import type { Params } from "../nn/params.ts";
import { mapParams, type Optimizer } from "./optimizer.ts";

/** Options of {@link sgd}. */
export interface SgdOptions {
  /** Share of the previous velocity that is kept; 0 unless set. */
  readonly momentum?: number;
  /** L2 regularisation, added to the gradient of every parameter; 0 unless set. */
  readonly weightDecay?: number;
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
