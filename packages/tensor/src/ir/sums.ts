/** @file How far one float32 accumulator goes. A running sum of n terms may be off by n·2⁻²⁴ of the sum of their magnitudes, so longer ones are
 * cut into blocks whose sums are added up apart. Short sums keep the plain order: what training does is below these limits. */

/** Terms that an accumulator of a reduction takes in a row, at most. */
export const LONGEST_REDUCTION = 2048;

/** The same of a contraction: a product of matrices, a convolution, a filter gradient. */
export const LONGEST_CONTRACTION = 8192;

/** Terms of a block of a longer sum, at least: so many that ending one costs nothing. */
const LEAST_BLOCK = 512;

/** Terms of a block where the blocks' sums are float32 too: with the square root of all there are, no accumulator takes more than twice that. */
export function sumBlock(terms: number): number {
  return Math.max(LEAST_BLOCK, Math.ceil(Math.sqrt(terms)));
}
