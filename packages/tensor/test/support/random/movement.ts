/** @file Random programs: rules that move elements. */
import * as t from "@gradalign/tensor";
import * as build from "../../../src/ops/build.ts";
import { type Context, moved, type Rule, rank } from "./known.ts";

export const reshaping: Rule = (x, { choose }) => {
  const { shape } = x.value;
  if (choose.chance(0.3)) return moved(x, t.expandDims(x.value, choose.below(rank(x) + 1)));
  if (choose.chance(0.3) && rank(x) > 1) {
    const axis = choose.below(rank(x) - 1);
    return moved(x, t.reshape(x.value, [...shape.slice(0, axis), shape[axis]! * shape[axis + 1]!, ...shape.slice(axis + 2)]));
  }
  let left = t.sizeOf(shape);
  if (left === 0) return moved(x, t.reshape(x.value, choose.shuffled([0, choose.below(4), choose.below(4)])));
  const factors: number[] = [];
  for (const factor of [2, 3, 5, 7]) for (; left % factor === 0 && factors.length < 3 && choose.chance(0.8); left /= factor) factors.push(factor);
  return moved(x, t.reshape(x.value, choose.shuffled([...factors, left])));
};

/** How often a value is repeated. */
const times = (most: number, { choose, family }: Pick<Context, "choose" | "family">): number =>
  family.empty && choose.chance(0.1) ? 0 : 1 + choose.below(most);

export const moving: Rule = (x, context) => {
  const { choose } = context;
  const { shape } = x.value;
  const axes = shape.map((__, axis) => axis);
  switch (choose.below(6)) {
    case 0:
      return moved(x, t.transpose(x.value, choose.shuffled(axes)));
    case 1:
      return moved(
        x,
        t.flip(
          x.value,
          axes.filter(() => choose.chance(0.5)),
        ),
      );
    case 2: {
      const starts = shape.map((n) => choose.below(Math.ceil(n / 2) + 1));
      const ends = shape.map((n, axis) => starts[axis]! + choose.below(n - starts[axis]! + 1) || n);
      const steps = shape.map(() => 1 + choose.below(3));
      return moved(x, t.slice(x.value, starts, ends, steps));
    }
    case 3: {
      const value = x.value.dtype === "bool" || x.value.dtype === "uint8" ? 1 : choose.pick([0, 0, 2, -1]);
      const widths = (largest: number): number[] => shape.map(() => (choose.chance(0.4) ? choose.below(largest + 1) : 0));
      return moved(x, build.pad(x.value, widths(3), widths(2), choose.chance(0.3) ? widths(2) : shape.map(() => 0), value), {
        bound: Math.max(x.bound, Math.abs(value)),
        step: Math.min(x.step, 1),
      });
    }
    case 4:
      return rank(x) > 3 ? null : moved(x, t.broadcastTo(x.value, [times(4, context), ...shape]));
    default: {
      if (rank(x) > 3) return null;
      const at = choose.below(rank(x) + 1);
      const wide = [...shape.slice(0, at), times(5, context), ...shape.slice(at)];
      const places = wide.map((__, axis) => axis).filter((axis) => axis !== at);
      return moved(x, t.broadcastAlong(x.value, wide, places));
    }
  }
};

export const joining: Rule = (x, { pool, choose }) => {
  if (rank(x) === 0) return null;
  const axis = choose.below(rank(x));
  const others = pool.filter(
    ({ value }) => value.dtype === x.value.dtype && value.shape.length === rank(x) && value.shape.every((n, i) => i === axis || n === x.value.shape[i]),
  );
  const parts = [x, choose.pick(others), ...(choose.chance(0.3) ? [x] : [])];
  const widest = {
    bound: Math.max(...parts.map((part) => part.bound)),
    step: Math.min(...parts.map((part) => part.step)),
    error: Math.max(...parts.map((part) => part.error)),
  };
  return moved(
    x,
    t.concat(
      parts.map(({ value }) => value),
      axis,
    ),
    widest,
  );
};

/** Index tensors, some of them out of range on purpose. */
function randomIndices({ pool, choose, family }: Context, count: number): t.Value[] {
  const available = pool.filter(({ value }) => value.dtype === "int32" && value.shape.length < 3 && t.sizeOf(value.shape) < 200);
  if (available.length > 0 && choose.chance(0.5)) {
    const { value } = choose.pick(available);
    return Array.from({ length: count }, (_, i) => t.add(value, i));
  }
  const shape = choose.chance(0.2) ? [] : [choose.chance(family.empty ? 0.3 : 0.02) ? 0 : 1 + choose.below(9)];
  const numbers = (): t.Value =>
    t.tensor(
      Array.from({ length: t.sizeOf(shape) }, () => choose.below(12) - 2),
      shape,
      "int32",
    );
  const index = t.add(t.and(t.randomBits(t.tensor([3, 4], [2], "int32"), shape), 7), numbers());
  return Array.from({ length: count }, () => (choose.chance(0.5) ? numbers() : index));
}

export const gathering: Rule = (x, context) => {
  if (rank(x) === 0) return null;
  const depth = 1 + context.choose.below(rank(x));
  const indices = randomIndices(context, depth);
  // A table without rows has none to pick.
  if (x.value.shape.slice(0, depth).includes(0) && t.sizeOf(indices[0]!.shape) > 0) return null;
  if (indices[0]!.shape.length + rank(x) - depth > 5) return null;
  return moved(x, t.gather(x.value, indices));
};
