/** @file Shapes: sizes, strides, broadcasting, axis checks. */
import { ShapeError } from "./errors.ts";

/** Extent of each axis, outermost first. */
export type Shape = readonly number[];

/** `[2, 3]` */
export function formatShape(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

/** Number of elements of a shape. */
export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const extent of shape) size *= extent;
  return size;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((extent, axis) => extent === b[axis]);
}

/** Row-major strides in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1]! * shape[axis + 1]!;
  return strides;
}

/** Checks that every extent is a non-negative integer. */
export function checkShape(op: string, shape: Shape): void {
  for (const extent of shape) {
    if (!Number.isInteger(extent) || extent < 0) {
      throw new ShapeError(`${op}: every extent must be a non-negative integer, got ${formatShape(shape)}`);
    }
  }
}

/** Turns possibly negative axes into sorted unique axes of a tensor of the given rank. */
export function normalizeAxes(op: string, axes: readonly number[], rank: number): number[] {
  const normalized = axes.map((axis) => normalizeAxis(op, axis, rank));
  if (new Set(normalized).size !== normalized.length) throw new ShapeError(`${op}: axes must be distinct, got [${axes.join(", ")}]`);
  return normalized.sort((a, b) => a - b);
}

export function normalizeAxis(op: string, axis: number, rank: number): number {
  if (rank === 0) throw new ShapeError(`${op}: a scalar has no axes, got axis ${axis}`);
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank) {
    throw new ShapeError(`${op}: axis must be an integer in [${-rank}, ${rank - 1}] for rank ${rank}, got ${axis}`);
  }
  return axis < 0 ? axis + rank : axis;
}

/** The common shape of two operands under NumPy's rules. */
export function broadcastShapes(op: string, a: Shape, b: Shape): number[] {
  const rank = Math.max(a.length, b.length);
  const out = new Array<number>(rank);
  for (let i = 0; i < rank; i++) {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    if (x !== y && x !== 1 && y !== 1) {
      throw new ShapeError(`${op}: shapes cannot be broadcast together, got ${formatShape(a)} and ${formatShape(b)}`);
    }
    out[i] = x === 1 ? y : x;
  }
  return out;
}
