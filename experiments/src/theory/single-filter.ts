/** @file The gradient alignment of a network with a single filter (Eq. 6): the formula, and the same from the compiled gradient. */
import { add, type Device, div, exp, grad, jit, log, mul, neg, relu, reshape, sqrt, square, sum, tensor, type Value } from "@gradalign/tensor";

/** A single-filter network on non-overlapping patches, one image and its noise. */
export interface SingleFilter {
  /** Filter, [p]. */
  readonly w: Float32Array;
  readonly bias: number;
  /** Outgoing weight of each patch, [k]. */
  readonly u: Float32Array;
  /** Patches, row-major [k, p]. */
  readonly z: Float32Array;
  /** Their noise, likewise. */
  readonly eta: Float32Array;
}

/** What Eq. 6 gives, and how many patches are active at x, at x + eta and at both. */
export interface FormulaResult {
  readonly cosine: number;
  readonly active: number;
  readonly activeNear: number;
  readonly both: number;
}

/** Eq. 6, summed in double precision; only the patches' active masks and u enter it. */
export function singleFilterFormula({ w, bias, u, z, eta }: SingleFilter): FormulaResult {
  const p = w.length;
  const sums = { here: 0, near: 0, both: 0 };
  const counts = { active: 0, activeNear: 0, both: 0 };
  for (let j = 0; j < u.length; j++) {
    let s = bias;
    let sNear = bias;
    for (let i = 0; i < p; i++) {
      const pixel = z[j * p + i] as number;
      s += (w[i] as number) * pixel;
      sNear += (w[i] as number) * (pixel + (eta[j * p + i] as number));
    }
    const weight = (u[j] as number) ** 2;
    if (s >= 0) {
      sums.here += weight;
      counts.active++;
    }
    if (sNear >= 0) {
      sums.near += weight;
      counts.activeNear++;
    }
    if (s >= 0 && sNear >= 0) {
      sums.both += weight;
      counts.both++;
    }
  }
  return { cosine: sums.both / Math.sqrt(sums.here * sums.near), ...counts };
}

/** The cosine of the gradients of the logistic loss log(1 + exp(-f)) at x and x + eta, as compiled. */
export function compiledSingleFilter(device: Device): { cosine(network: SingleFilter): Promise<number>; dispose(): void } {
  const cosine = jit(
    (w: Value, bias: Value, u: Value, z: Value, eta: Value): Value => {
      const [k, p] = z.shape as [number, number];
      const loss = (x: Value): Value => {
        const s = add(sum(mul(x, reshape(w, [1, p])), [1]), bias);
        return log(add(1, exp(neg(sum(mul(reshape(u, [k]), relu(s)))))));
      };
      const g1 = grad(loss)(z);
      const g2 = grad(loss)(add(z, eta));
      return div(sum(mul(g1, g2)), mul(sqrt(sum(square(g1))), sqrt(sum(square(g2)))));
    },
    { device },
  );
  return {
    async cosine({ w, bias, u, z, eta }) {
      const shape = [u.length, w.length];
      const inputs = [tensor(w, [w.length]), tensor(u, [u.length]), tensor(z, shape), tensor(eta, shape)] as const;
      const result = cosine(inputs[0], bias, inputs[1], inputs[2], inputs[3]);
      const value = (await result.read())[0] as number;
      for (const used of [...inputs, result]) used.dispose();
      return value;
    },
    dispose: () => cosine.dispose(),
  };
}
