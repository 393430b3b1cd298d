/** @file Random kernels of every kind that there is native code for: awkward extents, windows, strides, groups, blocks and chunks; loops. */
import type { LoopKernel } from "../../src/ir/kernel.ts";
import { constant, type Expr, type Guard, type ScalarOp, scalar } from "../../src/ir/scalar.ts";
import { convKernel, filterGradKernel, type ProvenKernel, winogradKernels } from "../../src/runtime/wasm/native-proof.ts";
import { loadOf, loopOf } from "../../src/runtime/wasm/proof-loops.ts";
import { pseudoRandom } from "./pseudo-random.ts";

/** The loop kernel of a number: maps, some with guards, and sums along rows or columns, of random expressions. */
export function randomLoop(seed: number): LoopKernel {
  const next = pseudoRandom(seed + 1);
  const integer = (least: number, most: number): number => least + Math.floor(next() * (most - least + 1));
  const pick = <T>(...choices: readonly T[]): T => choices[integer(0, choices.length - 1)] as T;
  const size = (most: number): number => integer(1, integer(1, most));
  const reduced = pick(0, 0, 0, 1, 1, 2);
  const kept = integer(reduced > 0 ? 0 : 1, 3);
  const extents = Array.from({ length: kept + reduced }, () => size(18));
  // The loop along which elements lie next to each other.
  const inner = reduced > 0 && kept > 0 && next() < 0.6 ? kept - 1 : extents.length - 1;
  extents[inner] = pick(size(40), size(40), 8 * size(20), extents.length < 3 ? size(40_000) : size(70));
  /** Strides of a buffer that lies densely in the order of the loops, but for the inner one, whose elements are neighbours. */
  const dense = (): number[] => {
    const strides = extents.map(() => 0);
    let step = 1;
    for (const loop of [inner, ...extents.map((_, i) => i).toReversed()]) {
      if (loop === inner && step > 1) continue;
      strides[loop] = step;
      step *= extents[loop]!;
    }
    return strides;
  };
  const loads = Array.from({ length: integer(1, 6) }, (_, buffer): Expr => {
    const strides =
      buffer === 0
        ? dense()
        : pick(
            dense(),
            dense().map((stride, i) => (i === inner || next() < 0.5 ? stride : 0)),
            dense().map(() => 0),
          );
    if (buffer > 0 && next() < 0.2) strides[inner] = 0;
    return loadOf(buffer, strides, pick(0, 0, integer(0, 9)));
  });
  const values: Expr[] = [...loads];
  const number = (): Expr => constant("float32", pick(0, 0, -0, 1, 0.5, -3, 1e30, Infinity));
  const any = (): Expr => (next() < 0.15 ? number() : pick(...values));
  const chosen = (comparison: "lt" | "le" | "eq", left: Expr, right: Expr, then: Expr, otherwise: Expr): Expr =>
    scalar("select", "float32", scalar(comparison, "bool", left, right), then, otherwise);
  const steps = pick(0, size(6), size(40));
  for (let i = 0; i < steps; i++) {
    const op = pick("add", "sub", "mul", "div", "neg", "abs", "sqrt", "floor", "select", "select", "clip", "max", "min") as ScalarOp | "clip";
    if (op === "clip") {
      const [x, low, high] = [any(), number(), number()];
      values.push(chosen("lt", x, low, low, chosen("lt", high, x, high, x)));
    } else if (op === "select") {
      const [left, right] = [any(), any()];
      // Often one of those that were compared.
      const [then, otherwise] = pick([any(), any()], [number(), any()], [any(), number()], [left, right], [right, left]) as [Expr, Expr];
      values.push(chosen(pick("lt", "le", "eq"), left, right, then, otherwise));
    } else if (op === "max" || op === "min") values.push(scalar(op, "float32", any(), constant("float32", pick(0.25, -2, Infinity))));
    else if (op === "add" || op === "sub" || op === "mul" || op === "div") values.push(scalar(op, "float32", any(), any()));
    else values.push(scalar(op, "float32", any()));
  }
  const magnitude = reduced > 0 && next() < 0.2;
  const results = Array.from({ length: integer(1, 3) }, (_, i): Expr => {
    const value = values[Math.max(0, values.length - 1 - i * integer(1, 4))]!;
    if (magnitude) return scalar("abs", "float32", value);
    if (reduced > 0 || next() < 0.5) return value;
    const guards = [inner, integer(0, extents.length - 1)].map((loop): Guard => {
      return { offset: -integer(0, 2), strides: extents.map((_, j) => (j === loop ? 1 : 0)), extent: Math.max(1, extents[loop]! - integer(0, 3)) };
    });
    return { kind: "guard", dtype: "float32", guards, inside: value, fill: pick(0, 7) };
  });
  return loopOf(extents, reduced, loads.length, results, magnitude ? "max" : "sum");
}

/** The kernel of a number. */
export function randomKernel(seed: number): ProvenKernel {
  if (seed % 2 === 1) return randomLoop(seed);
  const next = pseudoRandom(seed + 1);
  const integer = (least: number, most: number): number => least + Math.floor(next() * (most - least + 1));
  const pick = <T>(...choices: readonly T[]): T => choices[integer(0, choices.length - 1)] as T;
  /** Small numbers more often than large ones. */
  const size = (most: number): number => integer(1, integer(1, most));
  const kind = pick("conv", "conv", "filter-grad", "filter-grad", "winograd", "planar") as "conv" | "filter-grad" | "winograd" | "planar";
  if (kind === "planar") {
    const [channels, inputs, rows, columns] = [integer(1, 4), integer(1, 4), integer(1, 5), integer(1, 5)];
    const shape = { channels, inputs, height: size(20), width: 4 * size(18), rows, columns };
    if (next() < 0.5) return { kind: "planar-conv", batch: size(4), ...shape };
    const chunks = size(3);
    return { kind: "planar-filter-grad", batch: chunks * size(2), ...shape, chunks };
  }
  if (kind === "winograd") {
    const block = pick(4, 8, 16) as 4 | 8 | 16;
    const [images, tileRows, tileColumns] = [size(5), size(5), size(9)];
    let chunks = size(images * tileRows);
    while ((images * tileRows) % chunks !== 0) chunks--;
    return pick(...winogradKernels(images, tileRows, tileColumns, 4 * size(24), block * size(6), block, chunks));
  }
  const isProduct = next() < 0.3;
  const batch = isProduct ? 1 : size(5);
  const divisors = Array.from({ length: batch }, (_, i) => i + 1).filter((n) => batch % n === 0);
  const shape = {
    batch,
    height: isProduct ? 1 : size(20),
    width: size(isProduct ? 300 : 40),
    inputs: size(isProduct ? 600 : 40),
    channels: size(72),
    window: isProduct ? 1 : pick(1, 2, 3, 3, 5),
    stride: isProduct ? 1 : pick(1, 1, 2, 3),
    block: pick(4, 8, 12, 16) as 4 | 8 | 12 | 16,
    chunks: pick(...divisors),
    groups: isProduct ? 1 : pick(1, 1, 1, 2, 3),
    apart: isProduct ? 0 : pick(0, 0, 0, 1, 5),
  };
  return kind === "conv" ? convKernel(shape) : filterGradKernel(shape);
}
