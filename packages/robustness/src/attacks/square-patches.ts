/** @file The patches of the Square attack: how large they are when, where they lie, and the pattern that they have in l2. */
import { add, and, broadcastAlong, convert, gather, ge, iota, lt, mul, reshape, slice, sub, tensor, type Value, where } from "@gradalign/tensor";

/** Part of the pixels that a patch covers at an iteration, beginning with `p`. */
export function patchShare(p: number, iteration: number): number {
  const halvings = [10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000].filter((last) => iteration > last).length;
  return p / 2 ** halvings;
}

/** Side of a patch that covers a share of an image; halves are rounded to even. Patterns need an odd one of at least 3. */
export function patchSide(share: number, height: number, width: number, patterned: boolean): number {
  const exact = Math.sqrt(share * height * width);
  const rounded = exact % 1 === 0.5 ? 2 * Math.round(exact / 2) : Math.round(exact);
  const side = Math.max(rounded, patterned ? 3 : 1);
  return Math.min(patterned ? side | 1 : side, height, width);
}

/** Numbers of a draw [N, ...] by column: [N]. */
export function column(drawn: Value, index: number): Value {
  const rows = drawn.shape[0] as number;
  return reshape(slice(drawn, [0, index], [rows, index + 1]), [rows]);
}

/** Where a window of `side` lies whose first row and column are whole numbers [N] in float32: bool [N, C, H, W]. */
export function windowAt(row: Value, left: Value, side: Value, shape: readonly number[]): Value {
  const inside = (axis: 2 | 3, first: Value): Value => {
    const position = convert(iota(shape, axis), "float32");
    const low = broadcastAlong(first, shape, [0]);
    return and(ge(position, low), lt(position, add(low, side)));
  };
  return and(inside(2, row), inside(3, left));
}

/** The pattern in a table's corner, [H, W], moved to a window's, transposed where `turned`: [N, C, H, W]; anything outside of the window. */
export function patternAt(table: Value, row: Value, left: Value, turned: Value, shape: readonly number[]): Value {
  const [n, , height, width] = shape as [number, number, number, number];
  const plane = [n, height, width];
  const from = (axis: 1 | 2, first: Value): Value => sub(iota(plane, axis), broadcastAlong(convert(first, "int32"), plane, [0]));
  const [down, across] = [from(1, row), from(2, left)];
  const swap = broadcastAlong(turned, plane, [0]);
  return broadcastAlong(gather(table, [where(swap, across, down), where(swap, down, across)]), shape, [0, 2, 3]);
}

/** A pattern of `side` in the corner of a table [height, width] of zeros, row by row. */
export function patternTable(side: number, height: number, width: number, power: 2 | 4): Float32Array {
  const square = pattern(side, power);
  const table = new Float32Array(height * width);
  for (let i = 0; i < side; i++) for (let j = 0; j < side; j++) table[i * width + j] = square[i * side + j] as number;
  return table;
}

/** Two halves of opposite sign, each of nested rectangles of heights 1 / k^power; of norm 1 in l2 where the power is 2, in l1 where it is 4. */
export function pattern(side: number, power: 2 | 4): Float64Array {
  const upper = side >> 1;
  const values = new Float64Array(side * side);
  for (const [first, rows, sign] of [
    [0, upper, 1],
    [upper, side - upper, -1],
  ] as const) {
    const half = nested(rows, side, power);
    for (let i = 0; i < half.length; i++) values[first * side + i] = sign * (half[i] as number);
  }
  return unit(values, power);
}

/** Rectangles about the middle, one inside the other, of `rows` x `columns`. */
function nested(rows: number, columns: number, power: 2 | 4): Float64Array {
  const values = new Float64Array(rows * columns);
  const [down, across] = [rows >> 1, columns >> 1];
  for (let k = 0; k <= Math.max(down, across); k++) {
    const [top, left] = [Math.max(down - k, 0), Math.max(across - k, 0)];
    const [bottom, right] = [Math.min(down + k + 1, rows), Math.min(across + k + 1, columns)];
    for (let i = top; i < bottom; i++) for (let j = left; j < right; j++) values[i * columns + j] = (values[i * columns + j] as number) + 1 / (k + 1) ** power;
  }
  return unit(values, power);
}

function unit(values: Float64Array, power: 2 | 4): Float64Array {
  const norm = power === 2 ? Math.hypot(...values) : values.reduce((total, v) => total + Math.abs(v), 0);
  return norm > 0 ? values.map((v) => v / norm) : values;
}

/** Patterns side by side, five of them along a side of the image; each tile's draws, [N, tiles] and [N, C * tiles], turn it and give its signs. */
export interface Tiling {
  readonly tiles: number;
  /** The tile of each position, [H, W]; 0 outside of all. */
  readonly tile: Int32Array;
  /** The pattern at each position, [H, W], as it is and turned; 0 outside of all tiles. */
  readonly straight: Float32Array;
  readonly turned: Float32Array;
}

/** The tiling an image of that size begins with. */
export function tiling(height: number, width: number, power: 2 | 4): Tiling {
  const side = Math.max(Math.floor(height / 5), 1);
  const first = Math.max((height - 5 * side) >> 1, 0);
  const [down, across] = [Math.floor(height / side), Math.floor(width / side)];
  const square = pattern(side, power);
  const [tile, straight, turned] = [new Int32Array(height * width), new Float32Array(height * width), new Float32Array(height * width)];
  for (let i = first; i < Math.min(height, first + down * side); i++) {
    for (let j = first; j < Math.min(width, first + across * side); j++) {
      const [row, column] = [(i - first) % side, (j - first) % side];
      tile[i * width + j] = Math.floor((i - first) / side) * across + Math.floor((j - first) / side);
      straight[i * width + j] = square[row * side + column] as number;
      turned[i * width + j] = square[column * side + row] as number;
    }
  }
  return { tiles: down * across, tile, straight, turned };
}

/** A tiling with each tile turned and signed as drawn: `turns` [N, tiles] and `signs` [N, C * tiles], uniform in [0, 1). */
export function drawnTiling({ tiles, tile, straight, turned }: Tiling, turns: Value, signs: Value, shape: readonly number[]): Value {
  const [n, , height, width] = shape as [number, number, number, number];
  const plane = [n, height, width];
  const of = (table: Float32Array | Int32Array): Value => broadcastAlong(tensor(table, [height, width]), plane, [1, 2]);
  const spread = (v: Value): Value => broadcastAlong(v, shape, [0, 2, 3]);
  const swapped = lt(gather(turns, [iota(plane, 0), of(tile)]), 0.5);
  const sign = where(lt(gather(signs, [iota(shape, 0), add(spread(of(tile)), mul(iota(shape, 1), tiles))]), 0.5), -1, 1);
  return mul(sign, spread(where(swapped, of(turned), of(straight))));
}
