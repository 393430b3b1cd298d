/** @file Batch normalisation composed of operations against PyTorch's, in train mode: the test of fused reductions. */
import { add, div, grad, mean, mul, reshape, sin, sqrt, square, sub, sum, type Value } from "@gradalign/tensor";
import { describe, test } from "vitest";
import { describeOracle, Fixture } from "./support/fixtures.ts";

const fixture = await Fixture.read(new URL("./fixtures/batch-norm.safetensors", import.meta.url));
const PIXELS = [0, 2, 3];
const MOMENTUM = 0.1;
const perChannel = (v: Value): Value => reshape(v, [1, -1, 1, 1]);

function statistics(x: Value): { mean: Value; variance: Value } {
  const centre = mean(x, PIXELS);
  return { mean: centre, variance: mean(square(sub(x, perChannel(centre))), PIXELS) };
}

function normalize(x: Value, gamma: Value, beta: Value): Value {
  const { mean, variance } = statistics(x);
  const scaled = div(sub(x, perChannel(mean)), perChannel(sqrt(add(variance, 1e-5))));
  return add(mul(scaled, perChannel(gamma)), perChannel(beta));
}

describeOracle("batch normalisation", (oracle) => {
  describe.each(fixture.cases())("%s", (name) => {
    const [x, gamma, beta, weights, v] = fixture.inputs(`${name}/`, "x", "gamma", "beta", "weights", "v");
    const [runningMean, runningVar] = fixture.inputs(`${name}/`, "running_mean", "running_var");
    const loss = (x: Value, gamma: Value, beta: Value): Value => sum(mul(weights, sin(normalize(x, gamma, beta))));

    test("output and running statistics", async () => {
      const count = x.shape[0]! * x.shape[2]! * x.shape[3]!;
      const forward = (x: Value, gamma: Value, beta: Value, runningMean: Value, runningVar: Value): Record<string, Value> => {
        const { mean, variance } = statistics(x);
        const unbiased = mul(variance, count / (count - 1));
        return {
          y: normalize(x, gamma, beta),
          running_mean_after: add(mul(runningMean, 1 - MOMENTUM), mul(mean, MOMENTUM)),
          running_var_after: add(mul(runningVar, 1 - MOMENTUM), mul(unbiased, MOMENTUM)),
          loss: loss(x, gamma, beta),
        };
      };
      const names = ["y", "running_mean_after", "running_var_after", "loss"];
      await oracle.check(forward, [x, gamma, beta, runningMean, runningVar], Object.fromEntries(names.map((key) => [key, fixture.get(`${name}/${key}`)])));
    });

    test("gradients", async () => {
      const gradients = (x: Value, gamma: Value, beta: Value): Record<string, Value> => ({
        x: grad(loss, 0)(x, gamma, beta),
        gamma: grad(loss, 1)(x, gamma, beta),
        beta: grad(loss, 2)(x, gamma, beta),
      });
      await oracle.check(gradients, [x, gamma, beta], fixture.group(`${name}/gradient/`));
    });

    test("gradients of the input gradient along v", async () => {
      const along = (x: Value, gamma: Value, beta: Value): Value => sum(mul(v, grad(loss)(x, gamma, beta)));
      const second = (x: Value, gamma: Value, beta: Value): Record<string, Value> => ({
        x: grad(along, 0)(x, gamma, beta),
        gamma: grad(along, 1)(x, gamma, beta),
        beta: grad(along, 2)(x, gamma, beta),
      });
      await oracle.check(second, [x, gamma, beta], fixture.group(`${name}/<v,dx>/`));
    });
  });
});
