/**
 * @file How much a 3 x 3 kernel is like a Laplace filter.
 *
 * The measure is the cosine between the kernel and its nearest multiple of a discrete Laplacian: a mixture of the one of the four
 * nearest neighbours and the one of all eight, of either sign. It is 1 for a Laplace filter and 0 for a blur-free edge detector
 * such as Sobel's; a kernel of random direction has 0.43 on average.
 */

const CROSS = [0, -1, 0, -1, 4, -1, 0, -1, 0];
const FULL = [-1, -1, -1, -1, 8, -1, -1, -1, -1];

/** Mean of {@link laplaceLikeness} over kernels of random direction: E sqrt(Beta(1, 7/2)). */
export const RANDOM_LIKENESS = 0.4295;

/** The cosine between a kernel (nine weights) and its projection on the plane of Laplacians; 0 for a zero kernel. */
export function laplaceLikeness(kernel: readonly number[]): number {
  const [first, second] = orthonormal();
  const length = Math.hypot(...kernel);
  return length === 0 ? 0 : Math.hypot(dot(kernel, first), dot(kernel, second)) / length;
}

/** Sum of the weights over the sum of their absolute values: 0 for a Laplace filter, 1 for a blur. */
export function meanResponse(kernel: readonly number[]): number {
  const size = kernel.reduce((sum, weight) => sum + Math.abs(weight), 0);
  return size === 0 ? 0 : Math.abs(kernel.reduce((sum, weight) => sum + weight, 0)) / size;
}

function orthonormal(): [number[], number[]] {
  const unit = (v: readonly number[]): number[] => v.map((x) => x / Math.hypot(...v));
  const first = unit(CROSS);
  const overlap = dot(FULL, first);
  return [first, unit(FULL.map((x, i) => x - overlap * (first[i] as number)))];
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, x, i) => sum + x * (b[i] as number), 0);
}
