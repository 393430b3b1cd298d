/** @file Differentiation as a transformation: nesting, closures, trees, auxiliary results, and its errors. */
import {
  add,
  cos,
  type Device,
  div,
  evaluate,
  exp,
  full,
  grad,
  jit,
  le,
  mul,
  sin,
  sqrt,
  square,
  stopGradient,
  sub,
  sum,
  tensor,
  type Value,
  valueAndGrad,
  vjp,
  where,
} from "@gradalign/tensor";
import { describe, expect, test } from "vitest";
import { openDevices } from "../support/devices.ts";

const { reference, tested } = await openDevices();
const devices: [string, Device][] = [["reference", reference], ...tested];

describe.each(devices)("%s", (_, device) => {
  const numbers = async (value: Value): Promise<number[]> => [...(await evaluate(value, device).read())];
  const number = async (value: Value): Promise<number> => (await numbers(value))[0]!;

  test("third order", async () => {
    const cube = (x: Value): Value => mul(mul(x, x), x);
    const x = tensor(2);
    expect(await number(grad(cube)(x))).toBe(12);
    expect(await number(grad(grad(cube))(x))).toBe(12);
    expect(await number(grad(grad(grad(cube)))(x))).toBe(6);
    expect(await number(grad(grad(grad(grad(cube))))(x))).toBe(0);
    // d³/dx³ of sin(x)·e^x = 2 e^x (cos x − sin x)
    const third = grad(grad(grad((y: Value) => mul(sin(y), exp(y)))));
    expect(await number(third(tensor(0.5)))).toBeCloseTo(2 * Math.exp(0.5) * (Math.cos(0.5) - Math.sin(0.5)), 4);
  });

  test("a value closed over is constant inside, but an outer gradient sees through", async () => {
    const mixed = (w: Value, x: Value): Value => grad((y: Value) => mul(w, square(y)))(x);
    // ∂/∂w ∂/∂x (w·x²) = 2x
    expect(await number(grad(mixed, 0)(tensor(3), tensor(5)))).toBe(10);
    expect(await number(grad(mixed, 1)(tensor(3), tensor(5)))).toBe(6);
  });

  test("the same variable inside and outside of a gradient", async () => {
    // f(x) = d/dy (x·y²) at y = x is 2x²; its derivative is 4x. Perturbation confusion would give another number.
    const f = (x: Value): Value => grad((y: Value) => mul(x, square(y)))(x);
    expect(await number(f(tensor(3)))).toBe(18);
    expect(await number(grad(f)(tensor(3)))).toBe(12);
  });

  test("gradients with respect to trees have the argument's structure", async () => {
    const f = (p: { w: Value; layers: Value[] }): Value => sum(mul(p.w, add(p.layers[0]!, square(p.layers[1]!))));
    const g = grad(f)({ w: tensor([1, 2]), layers: [tensor([3, 4]), tensor(5)] }) as { w: Value; layers: Value[] };
    expect(await numbers(g.w)).toEqual([28, 29]);
    expect(await numbers(g.layers[0]!)).toEqual([1, 2]);
    expect(await numbers(g.layers[1]!)).toEqual([30]);
  });

  test("what the result does not depend on has gradient zero", async () => {
    expect(await numbers(grad((x: Value) => mul(sum(x), 0))(tensor([1, 2])))).toEqual([0, 0]);
    expect(await numbers(grad((_x: Value) => full([], 7))(tensor([1, 2])))).toEqual([0, 0]);
    expect(await numbers(grad((x: Value) => x)(tensor(4)))).toEqual([1]);
  });

  test("vjp takes and returns trees", async () => {
    const f = (a: Value, b: { c: Value }): Value[] => [mul(a, b.c), sin(a)];
    const [result, pullback] = vjp(f, tensor([1, 2]), { c: tensor([3, 4]) });
    expect(await numbers(result[0]!)).toEqual([3, 8]);
    const [da, db] = pullback([tensor([1, 10]), tensor([0, 100])]);
    expect((await numbers(da))[0]).toBe(3);
    expect((await numbers(da))[1]).toBeCloseTo(40 + 100 * Math.cos(2), 4);
    expect(await numbers(db.c)).toEqual([1, 20]);
    // A pullback may be used again.
    expect(await numbers(pullback([tensor([1, 1]), tensor([0, 0])])[0])).toEqual([3, 4]);
  });

  test("valueAndGrad passes auxiliary results through", async () => {
    const f = (x: Value, scale: Value): [Value, { twice: Value; name: string }] => [sum(mul(scale, square(x))), { twice: mul(x, 2), name: "aux" }];
    const [[value, aux], gradient] = valueAndGrad(f)(tensor([1, 2]), tensor(3)) as [ReturnType<typeof f>, Value];
    expect([await number(value), await numbers(aux.twice), aux.name, await numbers(gradient)]).toEqual([15, [2, 4], "aux", [6, 12]]);
    expect(await numbers(valueAndGrad(f, { argnum: 1 })(tensor([1, 2]), tensor(3))[1] as Value)).toEqual([5]);
  });

  test("stopGradient is the identity with derivative zero", async () => {
    const f = (x: Value): Value => mul(x, stopGradient(square(x)));
    expect(await number(f(tensor(3)))).toBe(27);
    expect(await number(grad(f)(tensor(3)))).toBe(9);
    // The derivative is stopGradient(x²), which is constant to any further one.
    expect(await number(grad(grad(f))(tensor(3)))).toBe(0);
  });

  test("a guarded square root has no NaN in its derivatives", async () => {
    const safe = (x: Value): Value => {
      const zero = le(x, 0);
      return sum(where(zero, 0, sqrt(where(zero, 1, x))));
    };
    const g = (x: Value): Value => sum(grad(safe)(x));
    expect(await numbers(grad(safe)(tensor([0, 4, -1])))).toEqual([0, 0.25, 0]);
    expect(await numbers(grad(g)(tensor([0, 4, -1])))).toEqual([0, -0.03125, 0]);
  });

  test("the Hessian of a quadratic form is its matrix", async () => {
    const a = tensor([
      [2, 1],
      [1, 5],
    ]);
    const form = (x: Value): Value => mul(0.5, sum(mul(sum(mul(a, x), [1]), x)));
    const row = async (i: number): Promise<number[]> =>
      await numbers(grad((x: Value) => sum(mul(grad(form)(x), tensor(i === 0 ? [1, 0] : [0, 1]))))(tensor([0.3, -0.7])));
    expect([await row(0), await row(1)]).toEqual([
      [2, 1],
      [1, 5],
    ]);
  });
});

test("the difference quotient of a composed function", async () => {
  const f = (x: Value): Value => sum(div(sin(square(x)), add(2, cos(x))));
  const at = (x: number): number => evaluate(f(tensor(Float64Array.of(x))), reference).item();
  const exact = evaluate(grad(f)(tensor([0.75])), reference).data()[0]!;
  expect(exact).toBeCloseTo((at(0.75 + 2 ** -10) - at(0.75 - 2 ** -10)) * 2 ** 9, 4);
});

test("gradients inside a compiled function", async () => {
  const step = jit((x: Value) => sub(x, mul(0.1, grad((y: Value) => sum(square(y)))(x))), { device: tested[0]![1] });
  expect([...step(Float32Array.of(1, -2)).data()].map((n) => Math.round(n * 1e6) / 1e6)).toEqual([0.8, -1.6]);
});

describe("errors", () => {
  const message = (f: () => unknown): string => {
    try {
      f();
    } catch (error) {
      return String(error);
    }
    return "no error";
  };

  test("name what was wrong", async () => {
    expect(message(() => grad((x: Value) => x)(tensor([1, 2])))).toMatchInlineSnapshot(
      `"TraceError: grad: the function must return a float32 scalar, got float32[2]; reduce it with sum(…) or mean(…)"`,
    );
    expect(message(() => grad((x: Value) => le(sum(x), 1))(tensor([1, 2])))).toMatchInlineSnapshot(
      `"TraceError: grad: the function must return a float32 scalar, got bool[]; reduce it with sum(…) or mean(…)"`,
    );
    expect(message(() => grad((_x: Value) => 3 as never)(tensor([1, 2])))).toMatchInlineSnapshot(
      `"TraceError: grad: the function must return a float32 scalar, got number; reduce it with sum(…) or mean(…)"`,
    );
    expect(message(() => grad((x: Value) => sum(x))(tensor([1, 2], [2], "int32")))).toMatchInlineSnapshot(
      `"TraceError: grad: only float32 can be differentiated, got int32[2]"`,
    );
    expect(message(() => grad((x: { a: Value }) => sum(x.a))({ a: 3 as never }))).toMatchInlineSnapshot(
      `"TraceError: grad: expected tensors as leaves of the differentiated argument, got number; wrap numbers with tensor(…)"`,
    );
    expect(message(() => vjp((x: Value) => x, tensor([true])))).toMatchInlineSnapshot(`"TraceError: vjp: only float32 can be differentiated, got bool[1]"`);
  });
});
