/** @file The four-filter network against PyTorch: gradients, attacks, the loss of every method, alignment, training steps. */
import { add, grad, mean, randomKey, sizeOf, slice, stopGradient, sub, type Tensor, tensor, type Value, where } from "@gradalign/tensor";
import { describe, expect, test } from "vitest";
import { fgsm } from "../src/attacks/fgsm.ts";
import { fgsmRs } from "../src/attacks/fgsm-rs.ts";
import { attackOptions } from "../src/attacks/options.ts";
import { pgd } from "../src/attacks/pgd.ts";
import { type AscentAttack, type AscentOptions, unrollAttack } from "../src/attacks/projected-gradient.ts";
import { alignment, gradientAlignment } from "../src/diagnostics/gradient-alignment.ts";
import { gradAlignPenalty } from "../src/methods/gradalign.ts";
import { methods } from "../src/methods/index.ts";
import type { Method } from "../src/methods/method.ts";
import { type TrainingNetwork, trainingNetwork } from "../src/methods/network.ts";
import { cnn } from "../src/models/cnn.ts";
import { cosineSimilarity } from "../src/nn/cosine-similarity.ts";
import { countParameters } from "../src/nn/params.ts";
import { adam } from "../src/optim/adam.ts";
import { mapParams } from "../src/optim/optimizer.ts";
import type { Given } from "../src/options/option.ts";
import { linf } from "../src/threat/linf.ts";
import { describeOracle, Fixture, flatten, methodContext, shapes, stored, type Values, withRandomPoint } from "./support/fixtures.ts";

const fixture = await Fixture.read(new URL("./fixtures/cnn.safetensors", import.meta.url));
const model = cnn({ filters: 4 });
const params: Values = fixture.tensors("params/");
const [x, eta, noise, labels] = fixture.inputs("", "x", "eta", "noise", "labels");
const epsilon = fixture.number("epsilon");
const lambda = fixture.number("lambda");
const STORED_ROWS = 2;

const TRAINING_PGD = { stepSize: 0.5, start: "zero" } as const;

/** Names are those in the fixture: attack, then the index of the last step taken. */
const ATTACKS: readonly { name: string; attack: AscentAttack; clamped: boolean; options: Partial<AscentOptions> }[] = [
  { name: "fgsm/0", attack: fgsm, clamped: true, options: { stepSize: 1.25 } },
  { name: "fgsm-7/0", attack: fgsm, clamped: true, options: { stepSize: 0.875 } },
  { name: "fgsm-rs/0", attack: fgsmRs, clamped: true, options: {} },
  ...[0, 1, 2].map((last) => ({ name: `pgd-3-evaluation/${last}`, attack: pgd, clamped: false, options: { steps: last + 1 } })),
  ...[0, 1].map((last) => ({ name: `pgd-2-training/${last}`, attack: pgd, clamped: true, options: { ...TRAINING_PGD, steps: last + 1 } })),
];

/** Each method with the random point its fixture was made with, and its options where they differ from the defaults. */
const METHODS: readonly { name: string; method: Method; random: Tensor; options: Given }[] = [
  { name: "standard", method: methods.standard, random: noise, options: {} },
  { name: "fgsm", method: methods.fgsm, random: noise, options: {} },
  { name: "fgsm-rs", method: methods["fgsm-rs"], random: noise, options: {} },
  { name: "fgsm-gradalign", method: methods["fgsm-gradalign"], random: eta, options: {} },
  { name: "pgd-2", method: methods.pgd, random: noise, options: { steps: 2, stepSize: 0.5 } },
  { name: "pgd-2-gradalign", method: methods["pgd-gradalign"], random: eta, options: {} },
  { name: "pgd-3-corner", method: methods["pgd-corner"], random: noise, options: { steps: 3, stepSize: 0.25 } },
  { name: "random-corner", method: methods["random-corner"], random: noise, options: {} },
];

function networkOf(params: Values): TrainingNetwork {
  return trainingNetwork(model, params, {}, labels);
}

function lossAt(params: Values, x: Value): Value {
  return networkOf(params).forward(x).loss;
}

function inputGradient(params: Values, x: Value): Value {
  return networkOf(params).inputGradient(x);
}

/** Of the linear layer's gradient only some rows are stored. */
function firstRows(values: Values): Values {
  const linear = values["_model.3.weight"] as Value;
  return { ...values, "_model.3.weight": slice(linear, [0, 0], [STORED_ROWS, linear.shape[1] as number]) };
}

describe("CNN", () => {
  test("has PyTorch's parameters, 41,082 with four filters", async () => {
    const initial = model.init(randomKey(0)).params;
    expect(shapes(initial)).toEqual(shapes(params));
    expect(countParameters(initial)).toBe(41_082);
  });
});

describeOracle("CNN", (oracle) => {
  test("logits and gradients", async () => {
    const gradients = (params: Values, x: Value): Values => {
      const { loss, logits } = networkOf(params).forward(x);
      return flatten({ loss, logits, gradient: firstRows(grad(lossAt)(params, x)), input_gradient: inputGradient(params, x) });
    };
    await oracle.check(gradients, [params, x], stored(fixture, "", "logits", "loss", "gradient/", "input_gradient"));
  });

  test.each([
    { variant: "gradalign", clean: stopGradient },
    { variant: "gradalign-both", clean: (g: Value) => g },
  ])("$variant: the gradient of the regulariser", async ({ variant, clean }) => {
    const gradients = (params: Values, x: Value, eta: Value): Values => {
      const pair = (params: Values): [Value, Value] => [clean(inputGradient(params, x)), inputGradient(params, add(x, eta))];
      const penalty = (params: Values): Value => gradAlignPenalty(...pair(params), lambda);
      return flatten({ penalty: penalty(params), cosines: cosineSimilarity(...pair(params)).cosine, gradient: firstRows(grad(penalty)(params)) });
    };
    await oracle.check(gradients, [params, x, eta], stored(fixture, `${variant}/`, "penalty", "cosines", "gradient/"));
  });

  test("an example whose gradient is zero is left out of the regulariser, and counts as aligned in the paper's mean", async () => {
    // A black first image, and biases no filter overcomes there.
    const pixels = Float32Array.from(fixture.get("x").data);
    const images = tensor(pixels.fill(0, 0, pixels.length / sizeOf(labels.shape)), x.shape);
    const dark = { ...params, "_model.0.bias": fixture.tensor("dead/bias") };
    const gradients = (params: Values, images: Value, eta: Value): Values => {
      const g1 = stopGradient(inputGradient(params, images));
      const g2 = (params: Values): Value => inputGradient(params, add(images, eta));
      const penalty = (params: Values): Value => gradAlignPenalty(g1, g2(params), lambda);
      return flatten({ penalty: penalty(params), alignment: papersMean(g1, g2(params)), gradient: firstRows(grad(penalty)(params)) });
    };
    await oracle.check(gradients, [dark, images, eta], stored(fixture, "dead/", "penalty", "alignment", "gradient/"));
  });

  test("gradient alignment: gradients pass through the clamp to the box", async () => {
    const measure = (params: Values, x: Value, eta: Value): Values => {
      const { boxedInputGradient } = networkOf(params);
      const [g1, g2] = [boxedInputGradient(x), boxedInputGradient(add(x, eta))];
      return { cosines: alignment(g1, g2).cosine, mean: gradientAlignment(g1, g2) };
    };
    await oracle.check(measure, [params, x, eta], stored(fixture, "alignment/", "cosines", "mean"));
  });

  test.each(ATTACKS)("attack $name", async ({ name, attack, clamped, options }) => {
    const run = (params: Values, x: Value, noise: Value): Values => {
      const network = networkOf(params);
      // Training attacks follow the gradient through the clamp to the box, evaluation attacks at x + delta as it is.
      const gradient = clamped ? network.boxedInputGradient : network.inputGradient;
      const settings = { ...attackOptions(attack), ...options };
      const unrolled = { site: { x, threat: linf, epsilon }, gradient, key: randomKey(0), options: settings };
      return { delta: withRandomPoint(noise, () => unrollAttack(attack, unrolled)) };
    };
    await oracle.check(run, [params, x, noise], { delta: fixture.get(`attack/${name}`) });
  });

  test.each(METHODS)("method $name: loss and gradient", async ({ name, method, random, options }) => {
    const gradients = (params: Values, x: Value, point: Value): Values => {
      const loss = (params: Values): Value => methodLoss(method, params, x, point, options);
      return flatten({ loss: loss(params), gradient: firstRows(grad(loss)(params)) });
    };
    await oracle.check(gradients, [params, x, random], stored(fixture, `method/${name}/`, "loss", "gradient/"));
  });

  test("two FGSM steps under Adam", async () => {
    const optimizer = adam({ weightDecay: fixture.number("weight_decay") });
    const train = (params: Values, x: Value): Values => {
      const results: Record<string, Value | Values> = {};
      let current = params;
      let moments = optimizer.init(params);
      fixture.numbers("learning_rates").forEach((rate, index) => {
        const loss = (params: Values): Value => methodLoss(methods.fgsm, params, x, x, {});
        results[`${index}/loss`] = loss(current);
        [current, moments] = optimizer.update(current, grad(loss)(current), moments, rate);
        results[`${index}/update`] = firstRows(mapParams(sub, current, params));
      });
      return flatten(results);
    };
    await oracle.check(train, [params, x], stored(fixture, "step/", "0/loss", "0/update/", "1/loss", "1/update/"));
  });
});

/** The paper's code counts an undefined cosine as 1; here it is left out of the mean. */
function papersMean(a: Value, b: Value): Value {
  const { cosine, defined } = alignment(a, b);
  return mean(where(defined, cosine, 1));
}

/** The training loss of a method whose random point is given. */
function methodLoss(method: Method, params: Values, x: Value, point: Value, options: Given): Value {
  const context = methodContext(method, networkOf(params), x, epsilon, { lambda, ...options });
  const { adversarial, regularizer } = withRandomPoint(point, () => method.loss(context));
  return regularizer ? add(adversarial.loss, regularizer) : adversarial.loss;
}
