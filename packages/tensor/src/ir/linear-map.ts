/** @file Linear maps of short vectors, written as the sums that compute them. */

/** Each sum is a list of [operand, weight]. Operands are the map's inputs, numbered from 0, and after them the sums that stand before; the
 * last `outputs` sums are the results and are operands of none. */
export interface LinearMap {
  readonly inputs: number;
  readonly sums: readonly LinearSum[];
  readonly outputs: number;
}

export type LinearSum = readonly (readonly [operand: number, weight: number])[];

/** The map with the transposed matrix, of as many operations but for the difference of inputs and outputs: each operand becomes the sum of
 * what it was added to (Tellegen's theorem; the same as differentiating backwards). */
export function transposed({ inputs, sums, outputs }: LinearMap): LinearMap {
  const inner = sums.length - outputs;
  // The old results are the new inputs; then come the inner sums, last first, then the old inputs.
  const place = (operand: number): number => (operand >= inputs + inner ? operand - inputs - inner : outputs + inputs + inner - 1 - operand);
  const adjoint = (operand: number): LinearSum =>
    sums.flatMap((sum, i) => sum.flatMap(([term, weight]) => (term === operand ? [[place(inputs + i), weight] as const] : [])));
  const innerSums = Array.from({ length: inner }, (_, i) => adjoint(inputs + inner - 1 - i));
  return { inputs: outputs, sums: [...innerSums, ...Array.from({ length: inputs }, (_, i) => adjoint(i))], outputs: inputs };
}
