/** @file A choice between what was compared is one instruction of WebAssembly, pmin or pmax, and means what it meant: NaN, zeros of both signs and infinities on both sides. */
import { createDevice, type Device, gt, jit, lt, type Tensor, tensor, type Value, where } from "@gradalign/tensor";
import { afterAll, expect, test } from "vitest";

const reference = await createDevice({ backend: "reference" });
const wasm = await createDevice({ backend: "wasm", threads: 1 });
afterAll(() => wasm.close());

const SPECIALS = [Number.NaN, -0, 0, Infinity, -Infinity, 1, -1, 1.5, 1e-45, -1e-45];
const pairs = SPECIALS.flatMap((a) => SPECIALS.map((b) => [a, b] as const));
const side = (which: 0 | 1): Tensor => tensor(Float32Array.from(pairs, (pair) => pair[which]));

/** Every result with its sign; NaN's bits are nobody's promise. */
async function run(f: (a: Value, b: Value) => Value, device: Device): Promise<readonly number[]> {
  return [...((await jit(f, { device })(side(0), side(1)).read()) as Float32Array)];
}

const choose = (condition: boolean, then: number, otherwise: number): number => (condition ? then : otherwise);

test.each([
  ["a < b ? a : b", (a: Value, b: Value) => where(lt(a, b), a, b), (a: number, b: number) => choose(a < b, a, b)],
  ["a < b ? b : a", (a: Value, b: Value) => where(lt(a, b), b, a), (a: number, b: number) => choose(a < b, b, a)],
  ["b < a ? a : b", (a: Value, b: Value) => where(lt(b, a), a, b), (a: number, b: number) => choose(b < a, a, b)],
  ["b < a ? b : a", (a: Value, b: Value) => where(lt(b, a), b, a), (a: number, b: number) => choose(b < a, b, a)],
  ["a > b ? a : b", (a: Value, b: Value) => where(gt(a, b), a, b), (a: number, b: number) => choose(a > b, a, b)],
  ["a > b ? b : a", (a: Value, b: Value) => where(gt(a, b), b, a), (a: number, b: number) => choose(a > b, b, a)],
] as const)("%s", async (_, f, meaning) => {
  const expected = pairs.map(([a, b]) => Math.fround(meaning(a, b)));
  // `toEqual` tells zeros apart by their sign.
  expect(await run(f, reference)).toEqual(expected);
  expect(await run(f, wasm)).toEqual(expected);
});
