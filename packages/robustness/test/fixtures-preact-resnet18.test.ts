/** @file PreAct ResNet-18 against PyTorch: logits, gradients, GradAlign's gradient, batch-norm statistics, a training step. */
import { add, grad, randomKey, stopGradient, sub, type Value } from "@gradalign/tensor";
import { describe, expect, test } from "vitest";
import { fgsmGradAlign } from "../src/methods/fgsm-gradalign.ts";
import { gradAlignPenalty } from "../src/methods/gradalign.ts";
import { trainingNetwork } from "../src/methods/network.ts";
import { preactResnet18 } from "../src/models/preact-resnet18.ts";
import { cosineSimilarity } from "../src/nn/cosine-similarity.ts";
import { crossEntropy } from "../src/nn/cross-entropy.ts";
import { countParameters } from "../src/nn/params.ts";
import { mapParams } from "../src/optim/optimizer.ts";
import { sgd } from "../src/optim/sgd.ts";
import { describeOracle, Fixture, flatten, methodContext, shapes, stored, type Values, withRandomPoint } from "./support/fixtures.ts";

const fixture = await Fixture.read(new URL("./fixtures/preact-resnet18.safetensors", import.meta.url));
const model = preactResnet18({ width: 4 });
const params: Values = fixture.tensors("params/");
const state: Values = fixture.tensors("state/");
const [x, eta, labels] = fixture.inputs("", "x", "eta", "labels");
const epsilon = fixture.number("epsilon");
const lambda = fixture.number("lambda");

/** In train mode, from the stored statistics. */
function networkOf(params: Values) {
  return trainingNetwork(model, params, state, labels);
}

function inputGradient(params: Values, x: Value): Value {
  return networkOf(params).inputGradient(x);
}

describe("PreAct ResNet-18", () => {
  test("has PyTorch's parameters and statistics", async () => {
    const initial = model.init(randomKey(0));
    expect(shapes(initial.params)).toEqual(shapes(params));
    expect(shapes(initial.state)).toEqual(shapes(state));
  });

  test("has the paper's number of parameters at width 64", async () => {
    expect(countParameters(preactResnet18({ width: 64 }).init(randomKey(0)).params)).toBe(11_171_146);
  });
});

describeOracle("PreAct ResNet-18", (oracle) => {
  test("forward pass at batch statistics, which moves the running ones", async () => {
    const forward = (params: Values, state: Values, x: Value): Values => {
      const { logits, state: moved } = model.apply(params, state, x, { train: true });
      return flatten({ logits, loss: crossEntropy(logits, labels), state: moved });
    };
    await oracle.check(forward, [params, state, x], stored(fixture, "train/", "logits", "loss", "state/"));
  });

  test("gradients of the loss", async () => {
    const gradients = (params: Values, x: Value): Values => {
      const loss = (params: Values): Value => networkOf(params).forward(x).loss;
      return flatten({ gradient: grad(loss)(params), input_gradient: inputGradient(params, x) });
    };
    await oracle.check(gradients, [params, x], stored(fixture, "train/", "gradient/", "input_gradient"));
  });

  test("logits and input gradient at running statistics", async () => {
    const evaluate = (params: Values, x: Value): Values => {
      const logits = (x: Value): Value => model.apply(params, state, x, { train: false }).logits;
      return { logits: logits(x), input_gradient: grad((x: Value) => crossEntropy(logits(x), labels))(x) };
    };
    await oracle.check(evaluate, [params, x], stored(fixture, "eval/", "logits", "input_gradient"));
  });

  test.each([
    { variant: "gradalign", clean: stopGradient },
    { variant: "gradalign-both", clean: (g: Value) => g },
  ])("$variant: the gradient of the regulariser", async ({ variant, clean }) => {
    const gradients = (params: Values, x: Value, eta: Value): Values => {
      const pair = (params: Values): [Value, Value] => [clean(inputGradient(params, x)), inputGradient(params, add(x, eta))];
      const penalty = (params: Values): Value => gradAlignPenalty(...pair(params), lambda);
      return flatten({ penalty: penalty(params), cosines: cosineSimilarity(...pair(params)).cosine, gradient: grad(penalty)(params) });
    };
    await oracle.check(gradients, [params, x, eta], stored(fixture, `${variant}/`, "penalty", "cosines", "gradient/"));
  });

  test("a whole FGSM + GradAlign step under SGD", async () => {
    const optimizer = sgd({ momentum: 0.9, weightDecay: fixture.number("weight_decay") });
    const step = (params: Values, state: Values, x: Value, eta: Value): Values => {
      const run = (params: Values): [Value, Values] => {
        const network = trainingNetwork(model, params, state, labels);
        const context = methodContext(fgsmGradAlign, network, x, epsilon, { lambda });
        const { adversarial, regularizer } = withRandomPoint(eta, () => fgsmGradAlign.loss(context));
        return [add(adversarial.loss, regularizer as Value), network.state];
      };
      const [loss, moved] = run(params);
      const gradients = grad((params: Values) => run(params)[0])(params);
      const [updated] = optimizer.update(params, gradients, optimizer.init(params), fixture.number("learning_rate"));
      return flatten({ loss, update: mapParams(sub, updated, params), state: moved });
    };
    await oracle.check(step, [params, state, x, eta], stored(fixture, "step/", "loss", "update/", "state/"));
  });
});
