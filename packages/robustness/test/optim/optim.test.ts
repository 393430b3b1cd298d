/** @file Optimisers over two steps, written out by hand, and the schedules' corners. */

import {
  adam,
  createModel,
  createOptimizer,
  cyclicSchedule,
  linearSchedule,
  type Optimizer,
  type Params,
  piecewiseSchedule,
  schedules,
  sgd,
} from "@gradalign/robustness";
import { evaluate, randomKey, type Tensor, tensor } from "@gradalign/tensor";
import { describe, expect, it } from "vitest";
import { normNames } from "../../src/optim/optimizer.ts";

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

describe("decay without batch norms", () => {
  const model = createModel({ name: "resnet18", width: 1, stem: "imagenet" });
  const tensors = model.init(randomKey(0));
  const norms = normNames(tensors);

  it("knows batch norms' parameters by the statistics beside them", () => {
    expect([...norms].filter((name) => /conv|fc|downsample\.0/.test(name))).toEqual([]);
    expect(Object.keys(tensors.params).filter((name) => /bn|downsample\.1/.test(name))).toEqual([...norms]);
    expect(norms.size).toBe(2 * 20);
  });

  it.each(["sgd", "adam"] as const)("%s: they stay where they are when the gradient is 0, all others shrink", (name) => {
    const params: Params = { "bn1.weight": tensor([2]), "conv1.weight": tensor([2]), "fc.bias": tensor([2]) };
    const zero: Params = { "bn1.weight": tensor([0]), "conv1.weight": tensor([0]), "fc.bias": tensor([0]) };
    const moved = (options: object): number[] => {
      const optimizer = createOptimizer({ name, momentum: 0.9, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.1, ...options }, norms);
      const [updated] = optimizer.update(params, zero, optimizer.init(params), 0.1);
      return Object.keys(params).map((key) => evaluate(updated[key] as Tensor).item());
    };
    const [norm, ...others] = moved({ excludeNorms: true });
    expect(norm).toBe(2);
    expect(others.every((value) => value < 2)).toBe(true);
    expect(moved({})).toEqual([others[0], ...others]);
  });
});

describe("schedules", () => {
  it("linear goes through its points, ImageNet's here, and steps where two have one epoch", () => {
    const points = [
      [0, 0],
      [1, 0.4],
      [6, 0.04],
      [12, 0.004],
      [15, 0.0004],
    ] as const;
    const lr = linearSchedule({ peak: 1, points });
    expect([0, 0.5, 1, 3.5, 6, 9, 12, 15, 20].map((t) => Number(lr(t).toFixed(9)))).toEqual([0, 0.2, 0.4, 0.22, 0.04, 0.022, 0.004, 0.0004, 0.0004]);
    const written = schedules.linear.create({ peak: 0.4, points: "0:0,1:1,6:0.1,12:1e-2,15:.001" }, 15);
    for (const t of [0.3, 1, 2.7, 8, 14, 15]) expect(written(t)).toBeCloseTo(lr(t), 12);
    const stepping = linearSchedule({
      peak: 2,
      points: [
        [1, 1],
        [2, 1],
        [2, 0.5],
        [4, 0],
      ],
    });
    expect([0, 1.9, 2, 3, 5].map(stepping)).toEqual([2, 2, 1, 0.5, 0]);
  });

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
