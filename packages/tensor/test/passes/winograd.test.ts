/** @file Winograd's linear maps: the identity they rest on, and the transposition of a map. */
import { describe, expect, test } from "vitest";
import { type LinearMap, transposed } from "../../src/ir/linear-map.ts";
import { AT, BT, G } from "../../src/ir/winograd.ts";

function apply({ inputs, sums, outputs }: LinearMap, x: readonly number[]): number[] {
  expect(x).toHaveLength(inputs);
  const values = [...x];
  for (const sum of sums) values.push(sum.reduce((total, [operand, weight]) => total + weight * values[operand]!, 0));
  return values.slice(values.length - outputs);
}

const unit = (size: number, place: number): number[] => Array.from({ length: size }, (_, i) => (i === place ? 1 : 0));
/** The matrix of a map, by columns. */
const columns = (map: LinearMap): number[][] => Array.from({ length: map.inputs }, (_, place) => apply(map, unit(map.inputs, place)));

describe("winograd", () => {
  test("Aᵀ[(G g) ⊙ (Bᵀ d)] is the correlation of d with g", () => {
    for (let tap = 0; tap < 3; tap++) {
      for (let place = 0; place < 6; place++) {
        const u = apply(G, unit(3, tap));
        const products = apply(BT, unit(6, place)).map((v, i) => v * u[i]!);
        apply(AT, products).forEach((y, i) => {
          expect(y, `tap ${tap}, place ${place}, output ${i}`).toBeCloseTo(i + tap === place ? 1 : 0, 14);
        });
      }
    }
  });

  test.each(Object.entries({ AT, BT, G }))("transposed(%s) has the transposed matrix", (_, map) => {
    const [matrix, other] = [columns(map), columns(transposed(map))];
    expect(other).toHaveLength(map.outputs);
    for (let i = 0; i < map.inputs; i++) for (let j = 0; j < map.outputs; j++) expect(other[j]![i]).toBeCloseTo(matrix[i]![j]!, 14);
  });
});
