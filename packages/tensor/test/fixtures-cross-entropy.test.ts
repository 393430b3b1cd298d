/** @file Softmax cross-entropy composed of operations against PyTorch's: value, gradient, Hessian-vector product. */
import { add, exp, gather, grad, iota, log, max, mean, mul, stopGradient, sub, sum, type Value } from "@gradalign/tensor";
import { expect, test } from "vitest";
import { describeOracle, Fixture } from "./support/fixtures.ts";

const fixture = await Fixture.read(new URL("./fixtures/cross-entropy.safetensors", import.meta.url));

/** mean(log Σ exp(z − max z) + max z − z[label]); the shift cancels, so no derivative passes through it. */
function crossEntropy(logits: Value, labels: Value): Value {
  const shift = stopGradient(max(logits, [1], { keepDims: true }));
  const logSum = add(log(sum(exp(sub(logits, shift)), [1])), max(shift, [1]));
  return mean(sub(logSum, gather(logits, [iota(labels.shape), labels])));
}

describeOracle("cross-entropy", (oracle) => {
  test.each(fixture.cases())("%s", async (name) => {
    const [logits, labels, v] = fixture.inputs(`${name}/`, "logits", "labels", "v");
    const gradient = (z: Value, labels: Value): Value => grad(crossEntropy)(z, labels);
    const all = (z: Value, labels: Value, v: Value): Record<string, Value> => ({
      loss: crossEntropy(z, labels),
      gradient: gradient(z, labels),
      hvp: grad((z: Value) => sum(mul(v, gradient(z, labels))))(z),
    });
    await oracle.check(all, [logits, labels, v], {
      loss: fixture.get(`${name}/loss`),
      gradient: fixture.get(`${name}/gradient`),
      hvp: fixture.get(`${name}/hvp`),
    });
  });
});

test("the oracle holds logits whose exponentials overflow float32", async () => {
  expect(Math.max(...fixture.numbers("huge/logits"))).toBeGreaterThan(90);
});
