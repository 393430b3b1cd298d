/**
 * @file The size of FGSM-RS's perturbation (lemma 1): the paper's bound, the exact expectation, and samples of it.
 *
 * With eta uniform in [-eps, eps] and a step of alpha along the gradient's sign, each coordinate of the perturbation is, up to
 * that sign, min(eta + alpha, eps). All lengths here are in units of the caller's choice; alpha lies in [0, 2 eps].
 */

import { ascend, keyFor, l2, linf } from "@gradalign/robustness";
import { type Device, full, jit, tensor, type Value } from "@gradalign/tensor";

/** Mean of a coordinate's square: -alpha^3 / (6 eps) + alpha^2 / 2 + eps^2 / 3. */
export function meanSquare(epsilon: number, alpha: number): number {
  return -(alpha ** 3) / (6 * epsilon) + alpha ** 2 / 2 + epsilon ** 2 / 3;
}

/** Lemma 1's bound on E||delta||_2 in d dimensions: the root of the expected square. */
export function normBound(dimensions: number, epsilon: number, alpha: number): number {
  return Math.sqrt(dimensions * meanSquare(epsilon, alpha));
}

/** Panels of Simpson's rule for the exact expectation; more change nothing above 1e-9. */
const PANELS = 4000;

/**
 * E||delta||_2 itself, for any dimension.
 *
 * For S >= 0, E sqrt(S) = (1 / sqrt(pi)) * integral over s > 0 of (1 - E exp(-s^2 S)) / s^2, and with independent coordinates
 * E exp(-s^2 S) is the d-th power of one coordinate's. Substituting s = c tan(theta) makes the domain finite.
 */
export function expectedNorm(dimensions: number, epsilon: number, alpha: number): number {
  const a = alpha / epsilon;
  const c = 1 / Math.sqrt(dimensions * meanSquare(1, a));
  const integrand = (theta: number): number => {
    if (theta === 0) return c * dimensions * meanSquare(1, a);
    const s = c * Math.tan(theta);
    const missing = theta >= Math.PI / 2 ? 1 : -Math.expm1(dimensions * Math.log1p(-laplaceGap(s * s, a)));
    return missing / (c * Math.sin(theta) ** 2);
  };
  const h = Math.PI / 2 / PANELS;
  let sum = integrand(0) + integrand(Math.PI / 2);
  for (let i = 1; i < PANELS; i++) sum += (i % 2 === 1 ? 4 : 2) * integrand(i * h);
  return (epsilon * sum * h) / 3 / Math.sqrt(Math.PI);
}

/** 1 - E exp(-t delta_i^2) for eps = 1: an atom of alpha / 2 at 1, the rest uniform on [alpha - 1, 1] with density 1 / 2. */
function laplaceGap(t: number, alpha: number): number {
  return -(alpha / 2) * Math.expm1(-t) + (gapIntegral(t, 1) + gapIntegral(t, 1 - alpha)) / 2;
}

/** Integral of 1 - exp(-t u^2) over u from 0 to b; odd in b. */
function gapIntegral(t: number, b: number): number {
  const x = t * b * b;
  if (x > 9) return Math.sign(b) * (Math.abs(b) - Math.sqrt(Math.PI / (4 * t)) * (1 - erfcLarge(Math.sqrt(x))));
  let sum = 0;
  let power = b;
  for (let n = 1; n < 80; n++) {
    power *= -x / n;
    sum -= power / (2 * n + 1);
    if (Math.abs(power) < 1e-18) break;
  }
  return sum;
}

/** erfc(x) for x >= 3 by its continued fraction. */
function erfcLarge(x: number): number {
  let fraction = 0;
  for (let k = 60; k >= 1; k--) fraction = k / 2 / (x + fraction);
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / (x + fraction);
}

/** Samples of ||delta_FGSM-RS||_2 (ball of radius 1, step `alpha`), each coordinate's gradient having a sign of its own. */
export async function sampleNorms(device: Device, dimensions: number, alpha: number, samples: number, seed: number): Promise<Float64Array> {
  const chunk = Math.max(1, Math.min(samples, Math.floor(2 ** 21 / dimensions)));
  const shape = [chunk, 1, 1, dimensions];
  // x = 1/2 in a box of its own: Eq. 3 has no projection onto valid images, and a radius of 1/4 stays away from them.
  const radius = 0.25;
  const sample = jit(
    (key: Value, gradient: Value): Value => {
      const site = { x: full(shape, 0.5), threat: linf, epsilon: radius };
      const start = linf.randomStart(key, shape, radius);
      return l2.distance(ascend(site, start, gradient, alpha * radius));
    },
    { device },
  );
  const gradient = tensor(
    Float32Array.from({ length: chunk * dimensions }, (_, i) => (Math.imul(i + 1, 0x9e3779b1) < 0 ? -1 : 1)),
    shape,
  );
  const norms = new Float64Array(samples);
  for (let first = 0; first < samples; first += chunk) {
    const drawn = sample(Int32Array.from(keyFor(seed, "attack", first, dimensions)), gradient);
    const data = await drawn.read();
    for (let i = 0; i < chunk && first + i < samples; i++) norms[first + i] = (data[i] as number) / radius;
    drawn.dispose();
  }
  gradient.dispose();
  sample.dispose();
  return norms;
}
