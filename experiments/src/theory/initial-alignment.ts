/**
 * @file Gradient alignment of a single-layer network at initialisation (lemma 2): the paper's bound, the limit it bounds, and
 * finite networks whose gradients are computed.
 *
 * Patches z are uniform in [0, 1]^p, noise eta uniform in the ball, filters w normal, outgoing weights u normal, biases zero.
 */

import { keyFor, linf } from "@gradalign/robustness";
import {
  add,
  type Device,
  div,
  exp,
  foldIn,
  ge,
  grad,
  jit,
  matmul,
  mean,
  mul,
  normal,
  relu,
  sqrt,
  square,
  sum,
  uniform,
  type Value,
  where,
} from "@gradalign/tensor";

/** Draws at a time. */
const CHUNK = 4096;

/** What the draws of w, z and eta say about networks of unbounded width on images of unbounded size. */
export interface LimitEstimate {
  /** Lemma 2's lower bound. */
  readonly bound: number;
  /** The limit of the alignment itself. */
  readonly limit: number;
  readonly samples: number;
}

/**
 * Estimates bound and limit by Monte Carlo.
 *
 * With s = <w, z> and s' = <w, z + eta>, terms of different filters and patches cancel in the limit, and the cosine is
 * E[|w|^2 1(s >= 0) 1(s' >= 0)] / sqrt(E[|w|^2 1(s >= 0)] E[|w|^2 1(s' >= 0)]).
 */
export async function estimateLimit(device: Device, patch: number, epsilon: number, samples: number, seed: number): Promise<LimitEstimate> {
  const shape = [CHUNK, patch];
  const draw = jit(
    (key: Value) => {
      const w = normal(foldIn(key, 0), shape);
      const z = uniform(foldIn(key, 1), shape);
      const eta = linf.randomStart(foldIn(key, 2), shape, epsilon);
      const norm = sum(square(w), [1]);
      const s = sum(mul(w, z), [1]);
      const active = where(ge(s, 0), norm, 0);
      const activeNear = where(ge(add(s, sum(mul(w, eta), [1])), 0), norm, 0);
      return {
        tail: mean(exp(mul(div(square(s), norm), -1 / epsilon ** 2))),
        both: mean(where(ge(s, 0), activeNear, 0)),
        here: mean(active),
        near: mean(activeNear),
      };
    },
    { device },
  );
  const totals = { tail: 0, both: 0, here: 0, near: 0 };
  const chunks = Math.ceil(samples / CHUNK);
  for (let i = 0; i < chunks; i++) {
    const drawn = draw(Int32Array.from(keyFor(seed, "alignment", i, patch)));
    for (const name of Object.keys(totals) as (keyof typeof totals)[]) {
      const value = drawn[name];
      totals[name] += ((await value.read())[0] as number) / chunks;
      value.dispose();
    }
  }
  draw.dispose();
  return { bound: alignmentBound(totals.tail), limit: totals.both / Math.sqrt(totals.here * totals.near), samples: chunks * CHUNK };
}

/** max(1 - sqrt(2 E exp(-<w/|w|, z>^2 / eps^2)), 1/2), given that expectation. */
export function alignmentBound(expectation: number): number {
  return Math.max(1 - Math.SQRT2 * Math.sqrt(expectation), 0.5);
}

/** A finite network's size. */
export interface NetworkSize {
  /** Values in a patch (p). */
  readonly patch: number;
  /** Patches (k); they do not overlap. */
  readonly patches: number;
  /** Filters (m). */
  readonly filters: number;
}

/** Cosines of the compiled input gradients at x and x + eta, for random networks drawn one after the other. */
export async function sampleAlignment(device: Device, size: NetworkSize, epsilon: number, networks: number, seed: number): Promise<number[]> {
  const { patch, patches, filters } = size;
  const cosine = jit(
    (key: Value): Value => {
      const w = normal(foldIn(key, 0), [patch, filters]);
      const u = normal(foldIn(key, 1), [patches, filters]);
      const z = uniform(foldIn(key, 2), [patches, patch]);
      const gradient = grad((x: Value) => sum(mul(u, relu(matmul(x, w)))));
      const g1 = gradient(z);
      const g2 = gradient(add(z, linf.randomStart(foldIn(key, 3), z.shape, epsilon)));
      return div(sum(mul(g1, g2)), sqrt(mul(sum(square(g1)), sum(square(g2)))));
    },
    { device },
  );
  const cosines: number[] = [];
  for (let i = 0; i < networks; i++) {
    const drawn = cosine(Int32Array.from(keyFor(seed, "alignment", i, patch + 1000 * filters)));
    cosines.push((await drawn.read())[0] as number);
    drawn.dispose();
  }
  cosine.dispose();
  return cosines;
}
