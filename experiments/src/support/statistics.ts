/** @file Means, deviations, and how numbers are written on pages. */

/** Arithmetic mean; NaN of nothing. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Standard deviation with n in the denominator, as numpy's `std` that the paper's tables come from; 0 of a single value. */
export function deviation(values: readonly number[]): number {
  const center = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - center) ** 2)));
}

/** A number that was perhaps not measured, for comparisons: NaN then, which nothing is above or below of. */
export function known(value: number | null | undefined): number {
  return value ?? Number.NaN;
}

/** A fraction as `18.4 %`, with its deviation over seeds if there are several. */
export function percent(values: number | readonly number[]): string {
  const list = typeof values === "number" ? [values] : values;
  if (list.length === 0 || !list.every(Number.isFinite)) return "–";
  return list.length === 1 ? `${(100 * (list[0] as number)).toFixed(1)} %` : `${(100 * mean(list)).toFixed(1)} ± ${(100 * deviation(list)).toFixed(1)} %`;
}

/** A radius in pixel units as the literature writes it: `8/255`. */
export function radius(epsilon: number): string {
  return `${levels(epsilon)}/255`;
}

/** A radius in steps of 1/255, free of rounding errors. */
export function levels(epsilon: number): number {
  return Number((epsilon * 255).toFixed(4));
}

/** A number with so many decimals; a dash for what was not measured. */
export function decimals(value: number | null | undefined, digits: number): string {
  return value === null || value === undefined || !Number.isFinite(value) ? "–" : value.toFixed(digits);
}
