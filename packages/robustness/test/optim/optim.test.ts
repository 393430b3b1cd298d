/** @file Optimisers over two steps, written out by hand, and the schedules' corners. */

import { adam, cyclicSchedule, type Optimizer, type Params, piecewiseSchedule, sgd } from "@gradalign/robustness";
import { evaluate, tensor } from "@gradalign/tensor";
import { describe, expect, it } from "vitest";

const gradients = [0.5, -2];
const item = (params: Params): number => evaluate(params["p"] ?? tensor(NaN)).item();

function run(optimizer: Optimizer<never>, lr: number): number[] {
  let params: Params = { p: tensor(1) };
  let state = optimizer.init(params);
  return gradients.map((g) => {
    [params, state] = optimizer.update(params, { p: tensor(g) }, state, lr);
    return item(params);
  });
}

describe("optimisers", () => {
  it("sgd: decay joins the gradient, momentum joins the velocity", () => {
    const v1 = 0.5 + 0.1 * 1;
    const p1 = 1 - 0.2 * v1;
    const v2 = 0.9 * v1 + (-2 + 0.1 * p1);
    const steps = run(sgd({ momentum: 0.9, weightDecay: 0.1 }) as never, 0.2);
    expect(steps[0]).toBeCloseTo(p1, 6);
    expect(steps[1]).toBeCloseTo(p1 - 0.2 * v2, 6);
  });

  it("adam: bias-corrected moments of the regularised gradient", () => {
    let [p, m, s] = [1, 0, 0];
    const expected = gradients.map((gradient, i) => {
      const g = gradient + 0.1 * p;
      m = 0.9 * m + 0.1 * g;
      s = 0.999 * s + 0.001 * g * g;
      p -= (0.01 * (m / (1 - 0.9 ** (i + 1)))) / (Math.sqrt(s) / Math.sqrt(1 - 0.999 ** (i + 1)) + 1e-8);
      return p;
    });
    const steps = run(adam({ weightDecay: 0.1 }) as never, 0.01);
    expect(steps[0]).toBeCloseTo(expected[0] as number, 7);
    expect(steps[1]).toBeCloseTo(expected[1] as number, 7);
  });
});

describe("schedules", () => {
  it("cyclic peaks at two fifths, in whole epochs", () => {
    const lr = cyclicSchedule({ epochs: 30, peak: 0.3 });
    expect([0, 6, 12, 21, 30].map((t) => Number(lr(t).toFixed(12)))).toEqual([0, 0.15, 0.3, 0.15, 0]);
    // 45 * 2 // 5 = 18, 96 * 2 // 5 = 38.
    expect(cyclicSchedule({ epochs: 96, peak: 1 })(38)).toBe(1);
    expect(cyclicSchedule({ epochs: 1, peak: 1 })(0.25)).toBe(0.75);
  });

  it("piecewise falls tenfold at a half and at three quarters", () => {
    const lr = piecewiseSchedule({ epochs: 8, peak: 1 });
    expect([1, 3.9, 4, 5.9, 6, 8].map(lr)).toEqual([1, 1, 0.1, 0.1, 0.01, 0.01]);
  });
});
