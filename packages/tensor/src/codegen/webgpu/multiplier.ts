/** @file How a workgroup multiplies the operands' tiles and hands out its results: invocation by invocation in registers, or on tensor cores. */
import { LONGEST_CONTRACTION, sumBlock } from "../../ir/sums.ts";
import { ceilDiv, shader } from "./kernel-code.ts";
import { type MatrixTile, matrixResults, matrixSetup, matrixShared, matrixThreads, multiplyMatrices } from "./matrix-tile.ts";
import { eachSum, type Factor, multiplyColumns, multiplyRows, registerTile, sharedTiles, type Tile, threadsOf, zeroSums } from "./tile.ts";

/** Both kinds of tiles. */
export type AnyTile = Tile | MatrixTile;

export const isMatrixTile = (tile: AnyTile): tile is MatrixTile => "matrix" in tile;

interface Multiplier {
  readonly threads: number;
  /** In what operands come from memory. */
  readonly factor: Factor;
  /** To be done before the first step. */
  readonly setup: readonly string[];
  /** Puts four factors (vec4) at group number `slot` of an operand's tile. */
  fill(operand: "a" | "b", slot: string, value: string): string;
  /** A step's products; all tiles are filled. */
  readonly multiply: readonly string[];
  /** What a sum over `depth`, where it is long, does block by block: before the loop over k0, in each of its steps, and after it. */
  inBlocks(depth: number): { readonly before: readonly string[]; readonly step: readonly string[]; readonly after: readonly string[] };
  /** Statements that hand the results out: `visit` gives the text for rows of the tile, each with some groups of four neighbouring columns. */
  results(visit: (row: string, groups: readonly { readonly column: string; readonly value: string }[]) => readonly string[]): string[];
  /** The shader around a body. */
  shader(declarations: string, body: readonly string[]): string;
}

const NO_BLOCKS = { before: [], step: [], after: [] };

/** Whether a tile may sum over this depth: tensor cores keep their sums to themselves, so long ones cannot go in blocks there. */
export function sumsOver(tile: AnyTile, depth: number): boolean {
  return !isMatrixTile(tile) || depth <= LONGEST_CONTRACTION;
}

/** `transposed` where `a` is stored by k: [k][m] instead of [m][k]. */
export function multiplierOf(tile: AnyTile, factor: Factor, transposed: boolean): Multiplier {
  return isMatrixTile(tile) ? onTensorCores(tile, transposed) : inRegisters(tile, factor, transposed);
}

function inRegisters(tile: Tile, factor: Factor, transposed: boolean): Multiplier {
  const threads = threadsOf(tile);
  return {
    threads,
    factor,
    setup: [...registerTile(tile), ...zeroSums(tile)],
    fill: (operand, slot, value) => `tile_${operand}[${slot}] = ${value};`,
    multiply: transposed ? multiplyColumns(tile, factor) : multiplyRows(tile, factor),
    inBlocks(depth) {
      if (depth <= LONGEST_CONTRACTION) return NO_BLOCKS;
      const block = ceilDiv(sumBlock(depth), tile.k) * tile.k;
      return {
        before: eachSum(tile, (row, c) => `var total${row}_${c} = vec4<f32>();`),
        step: [
          `if (k0 % ${block} == ${block - tile.k}) {`,
          ...eachSum(tile, (row, c) => `total${row}_${c} += sum${row}_${c}; sum${row}_${c} = vec4<f32>();`),
          "}",
        ],
        after: eachSum(tile, (row, c) => `sum${row}_${c} += total${row}_${c};`),
      };
    },
    results: (visit) =>
      Array.from({ length: tile.rows }, (_, row) => {
        const groups = Array.from({ length: tile.columns / 4 }, (__, c) => ({ column: `i32(column0 + ${c}u) * 4`, value: `sum${row}_${c}` }));
        return ["{", ...visit(`i32(row0) + ${row}`, groups), "}"];
      }).flat(),
    shader: (declarations, body) =>
      shader({ declarations, threads, half: factor === "f16", body: body.filter(Boolean).join("\n"), globals: sharedTiles(tile, factor) }),
  };
}

function onTensorCores(tile: MatrixTile, transposed: boolean): Multiplier {
  const threads = matrixThreads(tile);
  return {
    threads,
    factor: "f16",
    setup: matrixSetup(tile),
    // Matrices are loaded from arrays of their elements.
    fill: (operand, slot, value) =>
      `let four_${operand} = ${value}; ${[0, 1, 2, 3].map((j) => `tile_${operand}[${slot} * 4 + ${j}] = four_${operand}[${j}];`).join(" ")}`,
    multiply: multiplyMatrices(tile, transposed),
    // Long sums are not theirs.
    inBlocks: () => NO_BLOCKS,
    results: (visit) => matrixResults(tile, (row, column, value) => visit(row, [{ column, value }])),
    shader: (declarations, body) =>
      shader({ declarations, threads, half: true, matrices: true, body: body.filter(Boolean).join("\n"), globals: matrixShared(tile) }),
  };
}
