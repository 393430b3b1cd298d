/** @file What attacks are made of, against PyTorch: losses with their gradients, projections onto balls and hyperplanes in the box. */
import { sizeOf, slice, sum, type Value, valueAndGrad } from "@gradalign/tensor";
import { test } from "vitest";
import { crossEntropyPerExample } from "../src/nn/cross-entropy.ts";
import { dlrPerExample, marginPerExample, targetedDlrPerExample, targetMarginPerExample } from "../src/nn/margins.ts";
import { MARGIN } from "../src/threat/examples.ts";
import { threats } from "../src/threat/index.ts";
import { describeOracle, Fixture, flatten, stored } from "./support/fixtures.ts";

const fixture = await Fixture.read(new URL("./fixtures/attacks.safetensors", import.meta.url));
/** l1 and l2 stay a little inside the ball, so that rounding does not lead out of it. */
const STRETCH: Readonly<Record<string, number>> = { linf: 1, l2: 1 / (1 - MARGIN), l1: 1 / (1 - MARGIN) };

type Loss = (logits: Value, labels: Value, targets: Value) => Value;
const LOSSES: Readonly<Record<string, Loss>> = {
  "cross-entropy": crossEntropyPerExample,
  margin: marginPerExample,
  "target-margin": targetMarginPerExample,
  dlr: dlrPerExample,
  "targeted-dlr": targetedDlrPerExample,
};
const defined = (classes: number): [string, Loss][] =>
  Object.entries(LOSSES).filter(([name]) => classes >= 4 || !name.endsWith("dlr") || (classes === 3 && name === "dlr"));

describeOracle("attacks", (oracle) => {
  test.each([2, 3, 4, 10])("losses of %s classes", async (classes) => {
    const [logits, labels, targets] = fixture.inputs(`losses/${classes}/`, "logits", "labels", "targets");
    const all = (logits: Value, labels: Value, targets: Value) => {
      const results = defined(classes).map(([name, loss]) => {
        const [, gradient] = valueAndGrad((z: Value) => sum(loss(z, labels, targets)))(logits);
        return [name, { value: loss(logits, labels, targets), gradient }] as const;
      });
      return flatten(Object.fromEntries(results));
    };
    const names = defined(classes).flatMap(([name]) => [`${name}/value`, `${name}/gradient`]);
    await oracle.check(all, [logits, labels, targets], stored(fixture, `losses/${classes}/`, ...names));
  });

  test("losses of equal logits", async () => {
    const [logits, labels, targets] = fixture.inputs("ties/", "logits", "labels", "targets");
    const all = (logits: Value, labels: Value, targets: Value) =>
      flatten(Object.fromEntries(defined(5).map(([name, loss]) => [`${name}/value`, loss(logits, labels, targets)])));
    await oracle.check(all, [logits, labels, targets], stored(fixture, "ties/", ...Object.keys(LOSSES).map((name) => `${name}/value`)));
  });

  test.each(Object.values(threats))("the ball of $name in the box", async ({ name, within }) => {
    const [x, delta] = fixture.inputs("ball/", "x", "delta");
    const radii = fixture.numbers(`ball/${name}/radii`);
    const { data } = fixture.get(`ball/${name}/delta`);
    const size = sizeOf(x.shape);
    const all = (x: Value, delta: Value) => Object.fromEntries(radii.map((radius) => [`${radius}`, within(x, delta, radius * (STRETCH[name] as number))]));
    const expected = radii.map((radius, i) => [`${radius}`, { shape: x.shape, data: data.slice(i * size, (i + 1) * size) }]);
    await oracle.check(all, [x, delta], Object.fromEntries(expected));
  });

  test.each(Object.values(threats))("the way to a hyperplane in $name", async ({ name, toHyperplane, distance }) => {
    const [x, w, residual] = fixture.inputs("hyperplane/", "x", "w", "residual");
    const first = name === "l1" ? 2 : 0;
    const ways = (x: Value, w: Value, residual: Value) => {
      const way = toHyperplane(x, w, residual);
      return { way: slice(way, [first]), size: distance(way) };
    };
    await oracle.check(ways, [x, w, residual], { way: fixture.get(`hyperplane/${name}`), size: fixture.get(`hyperplane/${name}/size`) });
  });
});
