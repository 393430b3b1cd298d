/** @file The Square attack's patterns in l2 and l1, against sums over the nested rectangles that hold a pixel. */
import { expect, test } from "vitest";
import { pattern, patternTable } from "../../src/attacks/square-patches.ts";

/** Numbers divided by their norm: Euclidean where the power is 2, the sum of sizes where it is 4. */
function scaled(values: readonly number[], power: 2 | 4): number[] {
  const norm = power === 2 ? Math.hypot(...values) : values.reduce((sum, value) => sum + Math.abs(value), 0);
  return values.map((value) => value / norm);
}

/** One half: the rectangle of number k, counted from 1, holds what is nearer than k to the middle, and adds 1 / k^power there. */
function half(rows: number, columns: number, power: 2 | 4): number[] {
  const [middle, centre] = [Math.floor(rows / 2), Math.floor(columns / 2)];
  const values = Array.from({ length: rows * columns }, (_, at) => {
    const nearest = Math.max(Math.abs(Math.floor(at / columns) - middle), Math.abs((at % columns) - centre)) + 1;
    let sum = 0;
    for (let k = nearest; k <= Math.max(middle, centre) + 1; k++) sum += 1 / k ** power;
    return sum;
  });
  return scaled(values, power);
}

test.each([3, 5, 6, 7, 11, 29].flatMap((side) => [2, 4].map((power) => [side, power] as const)))("of side %i, fading with power %i", (side, power) => {
  const upper = Math.floor(side / 2);
  const expected = scaled([...half(upper, side, power as 2 | 4), ...half(side - upper, side, power as 2 | 4).map((value) => -value)], power as 2 | 4);
  [...pattern(side, power as 2 | 4)].forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i] as number, 12);
  });
});

test("a table holds the pattern in its corner", () => {
  const table = patternTable(3, 5, 4, 4);
  const own = pattern(3, 4);
  expect([...table]).toEqual(
    Array.from({ length: 20 }, (_, at) => (at % 4 < 3 && at < 12 ? Math.fround(own[Math.floor(at / 4) * 3 + (at % 4)] as number) : 0)),
  );
});
