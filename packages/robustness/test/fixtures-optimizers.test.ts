/** @file SGD, Adam and the learning-rate schedule against PyTorch: whole trajectories, the rate changing at each step. */
import { add, grad, matmul, mean, square, sub, tanh, type Value } from "@gradalign/tensor";
import { expect, test } from "vitest";
import { adam } from "../src/optim/adam.ts";
import type { Optimizer, OptimizerState } from "../src/optim/optimizer.ts";
import { cyclicSchedule } from "../src/optim/schedule.ts";
import { sgd } from "../src/optim/sgd.ts";
import { describeOracle, Fixture, flatten, stored, type Values } from "./support/fixtures.ts";

const fixture = await Fixture.read(new URL("./fixtures/optimizers.safetensors", import.meta.url));
const [x, target] = fixture.inputs("", "x", "target");
const start: Values = fixture.tensors("start/");
const rates = fixture.numbers("rates");

function loss({ w, b }: Values): Value {
  return mean(square(sub(tanh(add(matmul(x, w as Value), b as Value)), target)));
}

/** Parameters and losses of a whole run. */
function trajectory<State extends OptimizerState>(optimizer: Optimizer<State>, start: Values): Values {
  const results: Record<string, Value | Values> = {};
  let params = start;
  let state = optimizer.init(params);
  rates.forEach((rate, step) => {
    const value = loss(params);
    [params, state] = optimizer.update(params, grad(loss)(params), state, rate);
    results[step] = { loss: value, ...params };
  });
  return flatten(results);
}

const RUNS: Record<string, (start: Values) => Values> = {
  sgd: (start) => trajectory(sgd({ momentum: 0.9, weightDecay: 5e-4 }), start),
  adam: (start) => trajectory(adam({ weightDecay: 5e-4 }), start),
  "sgd-strong-decay": (start) => trajectory(sgd({ momentum: 0.9, weightDecay: 0.1 }), start),
  "adam-strong-decay": (start) => trajectory(adam({ weightDecay: 0.1 }), start),
};

describeOracle("optimisers", (oracle) => {
  test.each(Object.entries(RUNS))("%s", async (name, run) => {
    await oracle.check(run, [start], stored(fixture, `${name}/`, ...rates.map((_, step) => `${step}/`)));
  });
});

test("the cyclic learning rate", async () => {
  const rows = fixture.numbers("schedule");
  for (let i = 0; i < rows.length; i += 4) {
    const [epochs, peak, epoch, rate] = rows.slice(i, i + 4) as [number, number, number, number];
    expect(cyclicSchedule({ epochs, peak })(epoch), `epoch ${epoch} of ${epochs}`).toBeCloseTo(rate, 12);
  }
});
