/** @file The methods with a regulariser other than GradAlign against PyTorch: losses, and gradients through input gradients. */
import { add, grad, type Value } from "@gradalign/tensor";
import { expect, test } from "vitest";
import { methods } from "../src/methods/index.ts";
import type { Method } from "../src/methods/method.ts";
import { trainingNetwork } from "../src/methods/network.ts";
import { cnn } from "../src/models/cnn.ts";
import type { Given } from "../src/options/option.ts";
import { describeOracle, Fixture, flatten, methodContext, stored, type Values, withRandomPoint } from "./support/fixtures.ts";

const fixture = await Fixture.read(new URL("./fixtures/regularizers.safetensors", import.meta.url));
const params: Values = fixture.tensors("params/");
const [x, noise, labels] = fixture.inputs("", "x", "noise", "labels");
const [epsilon, lambda, mu] = [fixture.number("epsilon"), fixture.number("lambda"), fixture.number("mu")];
const model = cnn({ filters: 4, classes: 5, shape: [3, 8, 8] });

const CASES: readonly { name: string; method: Method; options: Given }[] = [
  { name: "grad-norm", method: methods["grad-norm"], options: {} },
  { name: "grad-norm-clean", method: methods["grad-norm"], options: { adversary: "none" } },
  { name: "cure", method: methods.cure, options: {} },
  { name: "cure-one-branch", method: methods.cure, options: { branches: "one" } },
  { name: "cure-clean", method: methods.cure, options: { adversary: "none" } },
  { name: "llr-1", method: methods.llr, options: { steps: 1, stepSize: 1 } },
  { name: "llr-2", method: methods.llr, options: {} },
];

describeOracle("regularised losses", (oracle) => {
  test.each(CASES)("$name: loss and gradient", async ({ name, method, options }) => {
    const gradients = (params: Values, x: Value, point: Value): Values => {
      const loss = (params: Values): Value => {
        const context = methodContext(method, trainingNetwork(model, params, {}, labels), x, epsilon, { lambda, mu, ...options });
        const { adversarial, regularizer } = withRandomPoint(point, () => method.loss(context));
        return add(adversarial.loss, regularizer as Value);
      };
      return flatten({ loss: loss(params), gradient: grad(loss)(params) });
    };
    await oracle.check(gradients, [params, x, noise], stored(fixture, `${name}/`, "loss", "gradient/"));
  });
});

test("the cases differ, so that none stands in for another", () => {
  const slopes = CASES.map(({ name }) => fixture.get(`${name}/gradient/_model.0.weight`).data.join());
  expect(new Set(slopes).size).toBe(CASES.length);
});
