/** @file Tiles of a contraction out[m, n] = Σ a[m, k]·b[k, n]: a workgroup keeps a tile of each operand in shared memory, an invocation
 * a tile of results in registers. WGSL compilers do not unroll, so the inner products are written out. */

import type { MatrixTile } from "./matrix-tile.ts";

/** Sizes of a workgroup's tile and of an invocation's share of it. */
export interface Tile {
  /** Rows and columns of a workgroup's tile of results. */
  readonly m: number;
  readonly n: number;
  /** Depth of the operands' tiles. */
  readonly k: number;
  /** Rows and columns of an invocation's results; columns are a multiple of four. */
  readonly rows: number;
  readonly columns: number;
}

/** In what the operands are multiplied; sums are float32. */
export type Factor = "f32" | "f16";

export const threadsOf = ({ m, n, rows, columns }: Tile): number => (m / rows) * (n / columns);

/** From the most reuse of operands to the least. All use at most 256 invocations and 16 KiB of shared memory. */
export const TILES: readonly Tile[] = [
  { m: 128, n: 128, k: 8, rows: 8, columns: 8 },
  { m: 128, n: 64, k: 16, rows: 8, columns: 4 },
  { m: 64, n: 64, k: 16, rows: 4, columns: 4 },
  { m: 32, n: 64, k: 16, rows: 4, columns: 4 },
  { m: 32, n: 32, k: 16, rows: 2, columns: 4 },
  { m: 128, n: 32, k: 8, rows: 4, columns: 4 },
  { m: 128, n: 16, k: 8, rows: 4, columns: 4 },
  { m: 32, n: 16, k: 16, rows: 4, columns: 4 },
  { m: 32, n: 16, k: 16, rows: 2, columns: 4 },
  { m: 128, n: 8, k: 8, rows: 4, columns: 4 },
  { m: 128, n: 8, k: 8, rows: 2, columns: 4 },
  { m: 128, n: 4, k: 8, rows: 1, columns: 4 },
];

/** Workgroups that fill a large GPU twice. */
const FULL = 256;

/** Tiles, the most promising first: the least work, padding included, with a grid that can fill a GPU; where none does, the smallest
 * tiles fill most of it. */
export function rankTiles<T extends Tile | MatrixTile>(m: number, n: number, batches: number, tiles: readonly T[]): T[] {
  const cost = (tile: T): number => {
    const [rows, columns] = [Math.ceil(m / tile.m), Math.ceil(n / tile.n)];
    const work = rows * tile.m * columns * tile.n;
    // Loads of shared memory per multiplication fall with the size of the register tile, or of the grid of matrices.
    const traffic = "matrix" in tile ? 1 + 1 / tile.grid[0] + 1 / tile.grid[1] : 1 + 2 / tile.rows + 2 / tile.columns;
    const idle = Math.max(1, FULL / (rows * columns * batches));
    return work * traffic * idle ** 0.75;
  };
  return tiles.toSorted((a, b) => cost(a) - cost(b));
}

/** Text of the multiplication of one step: operands are vec4 along k for `a` where `byRow`, else along m. */
export function multiplyRows(tile: Tile, factor: Factor): string[] {
  const lines = [`for (var q = 0u; q < ${tile.k / 4}u; q++) {`];
  for (let row = 0; row < tile.rows; row++) lines.push(`let a${row} = tile_a[(row0 + ${row}u) * ${tile.k / 4}u + q];`);
  for (let j = 0; j < 4; j++) {
    for (let c = 0; c < tile.columns / 4; c++) lines.push(`let b${j}_${c} = tile_b[(q * 4u + ${j}u) * ${tile.n / 4}u + column0 + ${c}u];`);
    for (let row = 0; row < tile.rows; row++) {
      for (let c = 0; c < tile.columns / 4; c++) lines.push(`sum${row}_${c} += ${product(factor, `a${row}[${j}]`, `b${j}_${c}`)};`);
    }
  }
  lines.push("}");
  return lines;
}

/** The same with `a` stored by k: four rows of results share a vec4. */
export function multiplyColumns(tile: Tile, factor: Factor): string[] {
  const groups = tile.rows / 4;
  const lines = [`for (var q = 0u; q < ${tile.k}u; q++) {`];
  for (let g = 0; g < groups; g++) lines.push(`let a${g} = tile_a[q * ${tile.m / 4}u + row0 / 4u + ${g}u];`);
  for (let c = 0; c < tile.columns / 4; c++) lines.push(`let b${c} = tile_b[q * ${tile.n / 4}u + column0 + ${c}u];`);
  for (let row = 0; row < tile.rows; row++) {
    for (let c = 0; c < tile.columns / 4; c++) lines.push(`sum${row}_${c} += ${product(factor, `a${Math.floor(row / 4)}[${row % 4}]`, `b${c}`)};`);
  }
  lines.push("}");
  return lines;
}

function product(factor: Factor, a: string, b: string): string {
  return factor === "f32" ? `${a} * ${b}` : `vec4<f32>(${a} * ${b})`;
}

/** Declarations of the register tile. */
export function zeroSums(tile: Tile): string[] {
  return eachSum(tile, (row, c) => `var sum${row}_${c} = vec4<f32>();`);
}

export function eachSum(tile: Tile, text: (row: number, group: number) => string): string[] {
  return Array.from({ length: tile.rows }, (_, row) => Array.from({ length: tile.columns / 4 }, (__, c) => text(row, c))).flat();
}

/** Where an invocation's register tile starts: `row0` in rows, `column0` in groups of four columns. */
export function registerTile(tile: Tile): string[] {
  const across = tile.n / tile.columns;
  return [`let row0 = (lane / ${across}u) * ${tile.rows}u;`, `let column0 = (lane % ${across}u) * ${tile.columns / 4}u;`];
}

/** Shared memory of both operands' tiles. */
export function sharedTiles(tile: Tile, factor: Factor): string {
  return `var<workgroup> tile_a: array<vec4<${factor}>, ${(tile.m * tile.k) / 4}>;
var<workgroup> tile_b: array<vec4<${factor}>, ${(tile.k * tile.n) / 4}>;`;
}

/** How often each invocation loads a vec4 to fill a tile of `count` of them, and whether the last time not all do. */
export function slots(count: number, threads: number): { readonly times: number; readonly ragged: boolean } {
  return { times: Math.ceil(count / threads), ragged: count % threads !== 0 };
}
