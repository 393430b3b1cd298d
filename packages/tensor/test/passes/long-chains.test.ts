/** @file Programs of thousands of operations in a row compile, and take their place in kernels of bounded depth; a value that is used twice at every
 * step is still computed once. */
import {
  add,
  concat,
  conv2d,
  flip,
  gather,
  grad,
  gt,
  jit,
  mul,
  neg,
  pad,
  reshape,
  slice,
  sum,
  type Tensor,
  tanh,
  tensor,
  transpose,
  type Value,
  where,
} from "@gradalign/tensor";
import { describe, expect, test } from "vitest";
import { Node } from "../../src/ir/graph.ts";
import { type Expr, operandsOf } from "../../src/ir/scalar.ts";
import { assignLayout } from "../../src/passes/layout.ts";
import { lowerGraph } from "../../src/passes/lower.ts";
import { openDevices } from "../support/devices.ts";

const { reference, tested } = await openDevices();

const repeat =
  (count: number, f: (x: Value) => Value) =>
  (x: Value): Value => {
    let value = x;
    for (let i = 0; i < count; i++) value = f(value);
    return value;
  };
const shift = (x: Value): Value => slice(pad(x, [[1, 0]]), [1]);

const line = tensor([1, 2, 3, 4]);
const square = tensor([
  [1, 2],
  [3, 4],
]);
const CHAINS: [name: string, f: (x: Value) => Value, x: Tensor][] = [
  ["1,500 times pad and slice", repeat(1500, shift), line],
  ["3,000 times pad and slice off the other end", repeat(3000, (x) => slice(pad(x, [[1, 0]], 5), [0], [4])), line],
  ["10,001 flips", repeat(10_001, (x) => flip(x, [0])), line],
  ["5,001 transpositions", repeat(5001, (x) => transpose(x)), square],
  ["3,000 reshapes between transpositions", repeat(3000, (x) => reshape(transpose(reshape(x, [2, 2])), [4])), line],
  ["500 concatenations", repeat(500, (x) => slice(concat([x, flip(x, [0])]), [2], [6])), line],
  ["500 gathers", repeat(500, (x) => gather(x, [tensor([3, 2, 0, 1], [4], "int32")])), line],
  ["5,000 sums of numbers", repeat(5000, (x) => add(x, 1)), line],
  ["500 choices", repeat(500, (x) => where(gt(x, 2), neg(x), add(x, 1))), line],
  ["the gradient of 1,500 times pad and slice", grad((x: Value) => sum(mul(repeat(1500, (y) => add(shift(y), 1))(x), x))), line],
  ["the gradient of 300 tanh", grad((x: Value) => sum(repeat(300, tanh)(x))), line],
];

describe.each(tested)("%s", (_, device) => {
  test.each(CHAINS)("%s", async (__, f, x) => {
    const program = jit(f, { device });
    // The reference first: what a GPU holds cannot be handed on at once.
    const right = jit(f, { device: reference })(x).data();
    const seen = await program(x).read();
    right.forEach((value, i) => {
      expect(seen[i]).toBeCloseTo(value, 4);
    });
    program.dispose();
  });
});

describe("a value used twice at every step is computed once", () => {
  const twice = (x: Value): Value => mul(add(x, x), 0.5);

  test("inside a kernel", () => {
    expect([...jit(repeat(1000, twice), { device: tested[0]![1] })(line).data()]).toEqual([1, 2, 3, 4]);
  });

  test("inside a kernel, at many places", () => {
    // Every step reads its operand where it is and one further on: 2^60 ways to 61 places.
    const f = repeat(60, (x) => mul(add(slice(pad(x, [[0, 1]]), [1]), x), 0.5));
    const seen = jit(f, { device: tested[0]![1] })(line).data();
    jit(f, { device: reference })(line)
      .data()
      .forEach((value, i) => {
        expect(seen[i]).toBeCloseTo(value, 6);
      });
  });

  test("where a convolution's result is put back into the user's order", () => {
    const image = tensor(
      Float32Array.from({ length: 2 * 8 * 4 * 4 }, (_, i) => i % 5),
      [2, 8, 4, 4],
    );
    const filter = tensor(
      Float32Array.from({ length: 8 * 8 }, (_, i) => Number(i % 9 === 0)),
      [8, 8, 1, 1],
    );
    const f = (x: Value): Value => repeat(60, twice)(conv2d(x, filter));
    expect([...jit(f, { device: tested[0]![1] })(image).data()]).toEqual([...image.data()]);
    const long = (x: Value): Value => repeat(4000, (y) => add(y, 1))(conv2d(x, filter));
    expect([...jit(long, { device: tested[0]![1] })(image).data()]).toEqual([...image.data()].map((value) => value + 4000));
  });
});

test("no kernel nests deeper than code generators can follow", () => {
  const x = new Node("input", [], {}, [4], "float32");
  const depths = new Map<Expr, number>();
  const depth = (expr: Expr): number => {
    const known = depths.get(expr) ?? 1 + Math.max(0, ...operandsOf(expr).map(depth));
    depths.set(expr, known);
    return known;
  };
  for (const f of [shift, (y: Value) => add(shift(y), 1), (y: Value) => add(y, shift(y))]) {
    const calls = lowerGraph(assignLayout([repeat(500, f)(x)]));
    const deepest = calls.flatMap(({ kernel }) => (kernel.kind === "loop" ? kernel.outputs.map(({ value }) => depth(value)) : []));
    // WGSL allows 127 nested blocks; a move is one, and so are the loops around.
    expect(Math.max(...deepest)).toBeLessThan(127);
    expect(calls.length).toBeGreaterThan(5);
  }
});
