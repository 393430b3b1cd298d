/** @file What random programs are made of: values with what is known of their elements, choices, and how a rule of growth looks. */
import * as t from "@gradalign/tensor";
import { pseudoRandom } from "../pseudo-random.ts";

/** A value with what is known of its elements. */
export interface Known {
  readonly value: t.Value;
  /** No element is larger in magnitude. */
  readonly bound: number;
  /** Every element is a multiple of this (floats with error 0). */
  readonly step: number;
  /** Largest difference that rounding may cause; 0: every backend must agree exactly. */
  readonly error: number;
  /** The largest difference of each element instead, itself a value (for the reference backend to compute); no difference counts where that is not
   * finite. Such values are results only: nothing is computed of them. */
  readonly allowed?: t.Value;
}

/** Integers up to this, times a power of two, are float32 numbers. */
export const EXACT = 2 ** 24;

export class Chooser {
  readonly #random: () => number;
  constructor(seed: number) {
    this.#random = pseudoRandom(seed);
  }
  /** An integer in [0, n). */
  below(n: number): number {
    return Math.floor(this.#random() * n);
  }
  chance(probability: number): boolean {
    return this.#random() < probability;
  }
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
  shuffled<T>(items: readonly T[]): T[] {
    const left = [...items];
    return items.map(() => left.splice(this.below(left.length), 1)[0]!);
  }
}

/** What a program is about, besides everything. */
export interface Family {
  /** Mostly convolutions, and what changes the order of axes. */
  readonly images?: boolean;
  /** Extents of 0 are common. */
  readonly empty?: boolean;
  /** Zeros of both signs, the ends of the integers and floats of any size; `any`: infinities, NaN and numbers too small to be normal as well. What adds up
   * or rounds in its own way gives results only. */
  readonly extreme?: "any" | "finite";
}

/** Where a rule takes its operands from. */
export interface Context {
  readonly pool: readonly Known[];
  readonly choose: Chooser;
  readonly family: Family;
}

/** Makes a value from x, and perhaps others, if it can. */
export type Rule = (x: Known, context: Context) => Known | null;

export const isFloat = (x: Known): boolean => x.value.dtype === "float32";
export const rank = (x: Known): number => x.value.shape.length;

/** x with other elements of the same kind. */
export const moved = (x: Known, value: t.Value, extra: Partial<Known> = {}): Known => ({ ...x, ...extra, value });

/** A value that broadcasts with x: another one, a part of x, the index, or a number. */
export function partner(x: Known, { pool, choose }: Context): Known {
  const fits = pool.filter(
    ({ value }) => value.dtype === x.value.dtype && value.shape.every((n, i) => n === 1 || n === x.value.shape[i + rank(x) - value.shape.length]),
  );
  const axis = choose.below(Math.max(1, rank(x)));
  switch (choose.below(5)) {
    case 0:
      if (rank(x) > 0) return moved(x, t.flip(x.value, [axis]));
      break;
    case 1:
      if (rank(x) > 0 && x.value.shape[axis]! > 0) {
        const cut = x.value.shape.map((n, i) => (i === axis ? 1 : n));
        return moved(
          x,
          t.slice(
            x.value,
            cut.map(() => 0),
            cut,
          ),
        );
      }
      break;
    case 2:
      if (rank(x) > 0 && (isFloat(x) || x.value.dtype === "int32")) {
        const value = t.convert(t.iota(x.value.shape, axis), x.value.dtype);
        return { value, bound: x.value.shape[axis]!, step: 1, error: 0 };
      }
      break;
    case 3:
      if (isFloat(x)) {
        const number = choose.pick([0, 1, -1, 0.5, 2, -3]);
        return { value: t.full([], number), bound: Math.abs(number), step: 0.5, error: 0 };
      }
  }
  return fits.length > 0 ? choose.pick(fits) : x;
}

/** |x|, and 0 where x is not finite: an infinity or NaN among the terms decides the sum, whatever the others round to. */
export function magnitude(x: t.Value): t.Value {
  const absolute = t.abs(x);
  return t.where(t.lt(absolute, Infinity), absolute, 0);
}

/** The smallest normal float32: a backend may take what is below for 0. */
const SMALLEST = 2 ** -126;

/** A result that rounds: no more than `allowed` may be wrong with an element. */
export const rounded = (known: Known, allowed: t.Value): Known => ({ ...known, allowed: t.add(allowed, SMALLEST) });

/** What rounding to float32 may change in a number of this size. */
export const rounding = (bound: number): number => 2 ** -23 * bound;

/** A value computed element by element from two others. */
export function arithmetic(x: Known, y: Known, value: t.Value, bound: number, step: number, error: number): Known {
  const exact = x.error === 0 && y.error === 0;
  return { value, bound, step, error: exact ? 0 : error + rounding(bound) };
}
