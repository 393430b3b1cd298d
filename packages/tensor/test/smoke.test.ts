import { expect, test } from "vitest";
import { grad, jit, mul, randomKey, sum, tensor, uniform, exp, add, conv2d, square, type Value } from "@gradalign/tensor";

test("gradient of gradient", () => {
  const f = (x: Value) => sum(mul(mul(x, x), x));
  const g = jit((x: Value) => grad((x: Value) => sum(square(grad(f)(x))))(x));
  expect([...g(tensor([1, 2])).data()]).toEqual([36, 288]);
  const u = jit((k: Value) => uniform(k, [5], -1, 1))(randomKey(3));
  console.log(u.data());
  const h = jit((w: Value, x: Value) => grad((w: Value) => sum(square(grad((x: Value) => sum(exp(conv2d(x, w, { padding: 1 }))))(x))))(w));
  console.log(h(uniform(randomKey(1), [2, 3, 3, 3]), uniform(randomKey(2), [1, 3, 4, 4])).data().slice(0, 4));
});
