/** @file The methods that came after GradAlign against PyTorch: losses, gradients of the parameters, and what is carried on. */
import { add, grad, type Value } from "@gradalign/tensor";
import { expect, test } from "vitest";
import { methods } from "../src/methods/index.ts";
import type { Carried, Displacement, Method } from "../src/methods/method.ts";
import { trainingNetwork } from "../src/methods/network.ts";
import { cnn } from "../src/models/cnn.ts";
import { smoothedCrossEntropyPerExample } from "../src/nn/cross-entropy.ts";
import { sgd } from "../src/optim/sgd.ts";
import type { Given } from "../src/options/option.ts";
import { describeOracle, Fixture, flatten, methodContext, stored, type Values, withDraws } from "./support/fixtures.ts";

const fixture = await Fixture.read(new URL("./fixtures/methods.safetensors", import.meta.url));
const params: Values = fixture.tensors("params/");
const draws: Values = fixture.tensors("draws/");
const [x, labels] = fixture.inputs("", "x", "labels");
const epsilon = fixture.number("epsilon");
const model = cnn({ filters: 4, classes: 5, shape: [3, 8, 8] });

interface Case {
  readonly name: string;
  readonly method: Method;
  readonly options: Given;
  /** Draws in the order in which the method makes them; the first unless set. */
  readonly draws?: readonly string[];
  readonly epoch?: number;
}

/** A step for each example in place of one for all: some go down, so that their loss falls. */
const aaerByExample: Method<typeof methods.aaer.options> = {
  ...methods.aaer,
  loss: (context) => methods.aaer.loss({ ...context, options: { ...context.options, stepSize: fixture.tensor("draws/steps") } }),
};

const CASES: readonly Case[] = [
  { name: "fgsm-rs-unprojected", method: methods["fgsm-rs"], options: { projection: false } },
  { name: "n-fgsm", method: methods["n-fgsm"], options: {} },
  { name: "zerograd", method: methods.zerograd, options: {} },
  { name: "zerograd-svhn", method: methods.zerograd, options: { quantile: 0.7 } },
  { name: "multigrad", method: methods.multigrad, options: {}, draws: ["0", "1", "2"] },
  { name: "multigrad-2", method: methods.multigrad, options: { agreement: 2 }, draws: ["0", "1", "2"] },
  { name: "stable-fgsm", method: methods["stable-fgsm"], options: {} },
  { name: "gradalign-trained", method: methods["fgsm-gradalign"], options: { lambda: 0.5, neighbour: "trained" } },
  { name: "gradalign-quarter", method: methods["fgsm-gradalign"], options: { lambda: 0.5, aligned: "quarter" } },
  { name: "gradalign-first-layer", method: methods["fgsm-gradalign"], options: { lambda: 0.5, through: "first-layer" } },
  { name: "elle", method: methods.elle, options: { lambda: 100 }, draws: ["0", "1", "share"] },
  { name: "elle-a", method: methods["elle-a"], options: {}, draws: ["0", "1", "share"] },
  { name: "elle-a-calm", method: methods["elle-a"], options: {}, draws: ["0", "1", "share"] },
  { name: "gat", method: methods.gat, options: {} },
  { name: "gat-adversarial", method: methods.gat, options: { classified: "adversarial" } },
  { name: "nuat", method: methods.nuat, options: {}, epoch: 9 },
  { name: "aaer", method: aaerByExample, options: {} },
  { name: "lp-fgsm", method: methods["lp-fgsm"], options: {} },
  { name: "lp-fgsm-noise", method: methods["lp-fgsm"], options: { noisy: true } },
  { name: "sora", method: methods.sora, options: {}, draws: ["0", "1"] },
  { name: "fgsm-mep", method: methods["fgsm-mep"], options: {}, epoch: 39 },
  { name: "fgsm-mep-reset", method: methods["fgsm-mep"], options: {}, epoch: 80 },
  { name: "atas", method: methods.atas, options: { hardness: 0.3 }, epoch: 7 },
  { name: "atas-plain", method: methods.atas, options: {}, epoch: 0 },
  { name: "trades", method: methods.trades, options: { start: "random", steps: 2 } },
  { name: "mart", method: methods.mart, options: { start: "random", steps: 2 } },
];

describeOracle("methods", (oracle) => {
  test.each(CASES)("$name: loss and gradient", async ({ name, method, options, draws: drawn = ["0"], epoch = 0 }) => {
    const gradients = (params: Values, x: Value, draws: Values, carry: Carried): Values => {
      const result = (params: Values) => {
        const context = methodContext(method, trainingNetwork(model, params, {}, labels), x, epsilon, options);
        return withDraws(
          drawn.map((name) => draws[name] as Value),
          () => method.loss({ ...context, carry, epoch }),
        );
      };
      const loss = (params: Values): Value => {
        const { adversarial, regularizer } = result(params);
        return regularizer ? add(adversarial.loss, regularizer) : adversarial.loss;
      };
      return flatten({ loss: loss(params), gradient: grad(loss)(params), carry: result(params).carry ?? {} });
    };
    const carry: Carried = fixture.tensors(`${name}/before/`);
    await oracle.check(gradients, [params, x, draws, carry], stored(fixture, `${name}/`, "loss", "gradient/", "carry/"));
  });

  test.each(["descent", "ascent"] as const)("LAP, %s: where the weights go, and the loss there", async (direction) => {
    const method: Method = methods.lap;
    const run = (params: Values, x: Value, draws: Values, velocity: Values): Values => {
      const contextAt = (params: Values) => methodContext(method, trainingNetwork(model, params, {}, labels), x, epsilon, { direction, strength: 0.5 });
      const displacement = method.displacement as Displacement;
      const first = (params: Values) => withDraws([draws["0"] as Value], () => displacement.first(contextAt(params)));
      const optimizer = sgd({ momentum: 0.9, weightDecay: 5e-4 });
      const [after] = optimizer.update(params, grad((params: Values) => first(params).loss)(params), { velocity }, 0.1);
      const moved = displacement.moved(params, after, contextAt(params).options);
      const { found } = first(params);
      const loss = (params: Values): Value => method.loss({ ...contextAt(params), found }).adversarial.loss;
      return flatten({ moved, loss: loss(moved), gradient: grad(loss)(moved) });
    };
    const velocity: Values = fixture.tensors("lap/velocity/");
    await oracle.check(run, [params, x, draws, velocity], stored(fixture, `lap-${direction}/`, "moved/", "loss", "gradient/"));
  });

  test("cross-entropy with smoothed labels", async () => {
    const losses = (params: Values, x: Value) => {
      const { logits } = trainingNetwork(model, params, {}, labels).forward(x);
      return { losses: smoothedCrossEntropyPerExample(logits, labels, 0.2) };
    };
    await oracle.check(losses, [params, x], stored(fixture, "smoothing/", "losses"));
  });
});

test("the cases differ, so that none stands in for another", () => {
  const slopes = CASES.map(({ name }) => fixture.get(`${name}/gradient/_model.0.weight`).data.join());
  expect(new Set(slopes).size).toBe(CASES.length);
});
