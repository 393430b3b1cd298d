/** @file Pooling against PyTorch: values, gradients (of several maxima the first has it), and gradients of gradients. */
import { avgPool2d, grad, maxPool2d, mul, sum, tanh, type Value } from "@gradalign/tensor";
import { describe, test } from "vitest";
import { describeOracle, Fixture } from "./support/fixtures.ts";

const fixture = await Fixture.read(new URL("./fixtures/pooling.safetensors", import.meta.url));
const inner = (a: Value, b: Value): Value => sum(mul(a, b));
const POOLS = { max: maxPool2d, avg: avgPool2d } as const;

describeOracle("pooling", (oracle) => {
  describe.each(fixture.cases())("%s", (name) => {
    test.each(Object.entries(POOLS))("%s", async (kind, pool) => {
      const [x, dy, u] = fixture.inputs(`${name}/`, "x", "dy", "u");
      const pair = (option: string): [number, number] => fixture.numbers(`${name}/${option}`) as [number, number];
      const options = { kernel: pair("kernel"), stride: pair("stride"), padding: pair("padding") };
      const values = (x: Value, dy: Value, u: Value): Record<string, Value> => {
        const along = (x: Value, dy: Value): Value => inner(dy, pool(x, options));
        const smooth = (x: Value): Value => inner(dy, tanh(pool(x, options)));
        return {
          y: pool(x, options),
          dx: grad(along)(x, dy),
          d_dy: grad((dy: Value) => inner(u, grad(along)(x, dy)))(dy),
          tanh: grad(smooth)(x),
          d_x: grad((x: Value) => inner(u, grad(smooth)(x)))(x),
        };
      };
      await oracle.check(values, [x, dy, u], fixture.group(`${name}/${kind}/`));
    });
  });
});
