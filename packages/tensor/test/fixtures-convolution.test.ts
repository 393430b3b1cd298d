/** @file The convolution family against PyTorch: values, gradients, and gradients of gradients. */
import { conv2d, conv2dFilterGrad, conv2dInputGrad, grad, mul, sum, tanh, type Value, vjp } from "@gradalign/tensor";
import { describe, test } from "vitest";
import { describeOracle, Fixture, type Oracle, type Stored } from "./support/fixtures.ts";

const fixture = await Fixture.read(new URL("./fixtures/convolution.safetensors", import.meta.url));
const inner = (a: Value, b: Value): Value => sum(mul(a, b));

describeOracle("convolution", (oracle) => {
  describe.each(fixture.cases())("%s", (name) => {
    describeCase(oracle, `${name}/`);
  });
});

function describeCase(oracle: Oracle, prefix: string): void {
  const [x, w, dy, u, v] = fixture.inputs(prefix, "x", "w", "dy", "u", "v");
  const [top, bottom, left, right] = fixture.numbers(`${prefix}padding`) as [number, number, number, number];
  const padding = [
    [top, bottom],
    [left, right],
  ] as const;
  const options = { stride: pair(prefix, "stride"), padding, dilation: pair(prefix, "dilation"), groups: fixture.number(`${prefix}groups`) };
  const convolve = (x: Value, w: Value): Value => conv2d(x, w, options);
  const inputGrad = (dy: Value, w: Value): Value => conv2dInputGrad(dy, w, { ...options, inputShape: x.shape });
  const filterGrad = (x: Value, dy: Value): Value => conv2dFilterGrad(x, dy, { ...options, filterShape: w.shape });
  const stored = (folder: string, names: Record<string, string>): Record<string, Stored> =>
    Object.fromEntries(Object.entries(names).map(([ours, theirs]) => [ours, fixture.get(prefix + folder + theirs)]));

  test("values", async () => {
    const values = (x: Value, w: Value, dy: Value): Record<string, Value> => ({ y: convolve(x, w), dx: inputGrad(dy, w), dw: filterGrad(x, dy) });
    await oracle.check(values, [x, w, dy], stored("", { y: "y", dx: "dx", dw: "dw" }));
  });

  test("gradients of conv2d", async () => {
    const gradients = (x: Value, w: Value, dy: Value): Record<string, Value> => {
      const [dx, dw] = vjp(convolve, x, w)[1](dy);
      return { dx: dx!, dw: dw! };
    };
    await oracle.check(gradients, [x, w, dy], stored("", { dx: "dx", dw: "dw" }));
  });

  test("gradients of the gradients", async () => {
    const second = (x: Value, w: Value, dy: Value, u: Value, v: Value): Record<string, Value> => {
      const ofDx = (dy: Value, w: Value): Value => inner(u, inputGrad(dy, w));
      const ofDw = (x: Value, dy: Value): Value => inner(v, filterGrad(x, dy));
      return { dxByDy: grad(ofDx, 0)(dy, w), dxByW: grad(ofDx, 1)(dy, w), dwByX: grad(ofDw, 0)(x, dy), dwByDy: grad(ofDw, 1)(x, dy) };
    };
    await oracle.check(second, [x, w, dy, u, v], {
      ...stored("<u,dx>/", { dxByDy: "d_dy", dxByW: "d_w" }),
      ...stored("<v,dw>/", { dwByX: "d_x", dwByDy: "d_dy" }),
    });
  });

  test("the same by nesting grad", async () => {
    const nested = (x: Value, w: Value, dy: Value, u: Value, v: Value): Record<string, Value> => {
      const value = (x: Value, w: Value, dy: Value): Value => inner(dy, convolve(x, w));
      const alongU = (x: Value, w: Value, dy: Value): Value => inner(u, grad(value, 0)(x, w, dy));
      const alongV = (x: Value, w: Value, dy: Value): Value => inner(v, grad(value, 1)(x, w, dy));
      return { dxByDy: grad(alongU, 2)(x, w, dy), dxByW: grad(alongU, 1)(x, w, dy), dwByX: grad(alongV, 0)(x, w, dy), dwByDy: grad(alongV, 2)(x, w, dy) };
    };
    await oracle.check(nested, [x, w, dy, u, v], {
      ...stored("<u,dx>/", { dxByDy: "d_dy", dxByW: "d_w" }),
      ...stored("<v,dw>/", { dwByX: "d_x", dwByDy: "d_dy" }),
    });
  });

  test("second derivatives of a loss that is not linear", async () => {
    const loss = (x: Value, w: Value): Value => inner(dy, tanh(convolve(x, w)));
    const alongU = (x: Value, w: Value): Value => inner(u, grad(loss)(x, w));
    const smooth = (x: Value, w: Value): Record<string, Value> => ({ dx: grad(loss)(x, w), byX: grad(alongU, 0)(x, w), byW: grad(alongU, 1)(x, w) });
    await oracle.check(smooth, [x, w], stored("tanh/", { dx: "dx", byX: "d_x", byW: "d_w" }));
  });
}

function pair(prefix: string, name: string): [number, number] {
  return fixture.numbers(prefix + name) as [number, number];
}
