/** @file The uncertainty of an accuracy measured on a sample. */

/** Quantile of the normal distribution for 95 % coverage. */
const Z = 1.959963984540054;

/** Wilson's 95 % interval for a proportion of `successes` out of `n`: never outside [0, 1], and sensible near 0 and 1. */
export function wilsonInterval(successes: number, n: number): [low: number, high: number] {
  const p = successes / n;
  const spread = Z * Math.sqrt((p * (1 - p)) / n + (Z * Z) / (4 * n * n));
  const scale = 1 + (Z * Z) / n;
  const center = p + (Z * Z) / (2 * n);
  return [successes === 0 ? 0 : (center - spread) / scale, successes === n ? 1 : (center + spread) / scale];
}
