/** @file JavaScript's operators on tensors: refused where they would compute with NaN, and texts of tensors stay readable. */
import { inspect } from "node:util";
import { add, GradalignError, grad, jit, mul, sum, TraceError, tensor, type Value, vjp, zeros } from "@gradalign/tensor";
import { describe, expect, test } from "vitest";

/** What TypeScript would refuse, as a user of JavaScript writes it. */
const js = (x: Value): number => x as unknown as number;

const OPERATORS: Record<string, (x: Value) => unknown> = {
  "x * 2": (x) => js(x) * 2,
  "2 / x": (x) => 2 / js(x),
  "x + 1": (x) => js(x) + 1,
  "x ** 2": (x) => js(x) ** 2,
  "-x": (x) => -js(x),
  "+x": (x) => +js(x),
  "x | 0": (x) => js(x) | 0,
  "x++": (x) => {
    let y = js(x);
    return y++;
  },
  "x > 0": (x) => js(x) > 0,
  "x <= 0": (x) => js(x) <= 0,
  // biome-ignore lint/suspicious/noDoubleEquals: as a user may write it
  "x == 1": (x) => js(x) == 1,
  "Math.max(x, 0)": (x) => Math.max(js(x), 0),
  "Math.exp(x)": (x) => Math.exp(js(x)),
  "Number(x)": (x) => Number(x),
};

describe.each(Object.entries(OPERATORS))("%s", (_, operate) => {
  test("is a TraceError while tracing, in a gradient, and on a tensor in memory", () => {
    const x = tensor([1, 2, 3]);
    const traced =
      (f: (v: Value) => Value): (() => unknown) =>
      () =>
        jit(f)(x);
    const use = (v: Value): Value => mul(v, operate(v) as number);
    for (const run of [traced(use), traced((v) => use(sum(v))), traced(grad((v: Value) => sum(use(v)))), () => operate(x), () => vjp(use, x)]) {
      expect(run).toThrow(TraceError);
      expect(run).toThrow(/was used as a number; write add\(x, 1\) for x \+ 1, mul\(x, 2\) for x \* 2/);
    }
  });
});

test("the message says which value it is", () => {
  expect(() => js(mul(zeros([2, 3]), 2)) * 2).toThrow(/^tensor: float32\[2, 3\] \(mul\) was used as a number/);
  expect(new TraceError("")).toBeInstanceOf(GradalignError);
});

test("texts stay readable: templates, JSON, joined lists, the console", () => {
  let deep: Value = tensor([1, 2]);
  for (let i = 0; i < 2000; i++) deep = add(deep, deep);
  expect(`${deep}`).toBe("float32[2] (add)");
  expect(String(deep)).toBe("float32[2] (add)");
  expect([deep, tensor(3, [], "int32")].join()).toBe("float32[2] (add),int32[] (constant)");
  expect(JSON.stringify({ deep })).toBe('{"deep":"float32[2] (add)"}');
  expect(inspect(deep).length).toBeLessThan(2000);
});
