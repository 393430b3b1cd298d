/** @file Tiles of a contraction that subgroups multiply matrix by matrix on tensor cores: float16 operands, float32 sums. Experimental in
 * WebGPU (`chromium_experimental_subgroup_matrix`). */

/** What an adapter multiplies at once: `rows` × `depth` by `depth` × `columns`. */
export interface MatrixShape {
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
}

/** An adapter's tensor cores, and how many invocations a workgroup may have. */
export interface MatrixUnit extends MatrixShape {
  /** Invocations of the largest subgroup. */
  readonly lanes: number;
  readonly mostInvocations: number;
}

export interface MatrixTile {
  /** Rows and columns of a workgroup's tile of results. */
  readonly m: number;
  readonly n: number;
  /** Depth of the operands' tiles. */
  readonly k: number;
  readonly matrix: MatrixShape;
  /** Subgroups below one another and side by side. */
  readonly subgroups: readonly [number, number];
  /** Matrices of results that a subgroup keeps, below one another and side by side. */
  readonly grid: readonly [number, number];
  readonly lanes: number;
}

/** Subgroups and the matrices of each, from the most reuse of operands to the least. */
const ARRANGEMENTS: readonly Pick<MatrixTile, "subgroups" | "grid">[] = [
  { subgroups: [4, 2], grid: [2, 4] },
  { subgroups: [2, 2], grid: [4, 4] },
  { subgroups: [2, 2], grid: [4, 2] },
  { subgroups: [2, 2], grid: [2, 2] },
  { subgroups: [2, 1], grid: [2, 2] },
  { subgroups: [2, 2], grid: [1, 1] },
  { subgroups: [1, 1], grid: [1, 1] },
];

/** Depths of the operands' tiles: the first that fits. */
const DEPTHS = [32, 16, 8];
/** Bytes of shared memory that every WebGPU implementation has. */
const SHARED = 16384;

/** The tiles that fit an adapter's tensor cores. */
export function matrixTiles({ lanes, mostInvocations, ...matrix }: MatrixUnit): MatrixTile[] {
  const { rows, columns, depth } = matrix;
  // Tiles are filled four elements at a time.
  if (rows % 4 !== 0 || columns % 4 !== 0 || depth % 4 !== 0) return [];
  return ARRANGEMENTS.flatMap(({ subgroups, grid }) => {
    const [m, n] = [subgroups[0] * grid[0] * rows, subgroups[1] * grid[1] * columns];
    const sizes = DEPTHS.filter((k) => k % depth === 0).map((k) => ({ m, n, k, matrix, subgroups, grid, lanes }));
    return sizes.filter((tile) => matrixThreads(tile) <= mostInvocations && sharedBytes(tile) <= SHARED).slice(0, 1);
  });
}

export const matrixThreads = ({ subgroups, lanes }: MatrixTile): number => subgroups[0] * subgroups[1] * lanes;

/** Elements of the results that subgroups hand out at once. */
const handedOut = ({ subgroups, matrix }: MatrixTile): number => subgroups[0] * subgroups[1] * matrix.rows * matrix.columns;

const sharedBytes = (tile: MatrixTile): number => 2 * (tile.m + tile.n) * tile.k + 4 * handedOut(tile);

/** Shared memory: both operands, and one matrix of results for each subgroup. */
export function matrixShared(tile: MatrixTile): string {
  return `var<workgroup> tile_a: array<f16, ${tile.m * tile.k}>;
var<workgroup> tile_b: array<f16, ${tile.k * tile.n}>;
var<workgroup> tile_c: array<f32, ${handedOut(tile)}>;`;
}

const eachMatrix = ({ grid }: MatrixTile, text: (i: number, j: number) => string): string[] =>
  Array.from({ length: grid[0] }, (_, i) => Array.from({ length: grid[1] }, (__, j) => text(i, j))).flat();

/** Where a subgroup's results are, and its sums. Subgroups may be smaller than the largest: those beyond the number that is needed do the work
 * of another once more. */
export function matrixSetup(tile: MatrixTile): string[] {
  const { subgroups, grid, matrix } = tile;
  const count = subgroups[0] * subgroups[1];
  return [
    `let part = subgroup % ${count}u;`,
    `let part_row = part / ${subgroups[1]}u * ${grid[0] * matrix.rows}u;`,
    `let part_column = part % ${subgroups[1]}u * ${grid[1] * matrix.columns}u;`,
    ...eachMatrix(tile, (i, j) => `var sum${i}_${j}: subgroup_matrix_result<f32, ${matrix.columns}, ${matrix.rows}>;`),
  ];
}

/** One step's products; `transposed` where `a` is stored by k. */
export function multiplyMatrices(tile: MatrixTile, transposed: boolean): string[] {
  const { m, n, k, grid, matrix } = tile;
  const left = (i: number): string =>
    transposed
      ? `subgroupMatrixLoad<subgroup_matrix_left<f16, ${matrix.depth}, ${matrix.rows}>, col_major>(&tile_a, q * ${m}u + part_row + ${i * matrix.rows}u, ${m}u)`
      : `subgroupMatrixLoad<subgroup_matrix_left<f16, ${matrix.depth}, ${matrix.rows}>, row_major>(&tile_a, (part_row + ${i * matrix.rows}u) * ${k}u + q, ${k}u)`;
  const right = (j: number): string =>
    `subgroupMatrixLoad<subgroup_matrix_right<f16, ${matrix.columns}, ${matrix.depth}>, row_major>(&tile_b, q * ${n}u + part_column + ${j * matrix.columns}u, ${n}u)`;
  return [
    `for (var q = 0u; q < ${k}u; q += ${matrix.depth}u) {`,
    ...Array.from({ length: grid[0] }, (_, i) => `let a${i} = ${left(i)};`),
    ...Array.from({ length: grid[1] }, (_, j) => `let b${j} = ${right(j)};`),
    ...eachMatrix(tile, (i, j) => `sum${i}_${j} = subgroupMatrixMultiplyAccumulate(a${i}, b${j}, sum${i}_${j});`),
    "}",
  ];
}

/** Hands the results out through shared memory; `visit` gives the text for `value`, four neighbours of a row, at `row` and `column` of the tile. */
export function matrixResults(tile: MatrixTile, visit: (row: string, column: string, value: string) => readonly string[]): string[] {
  const { subgroups, grid, matrix } = tile;
  const size = matrix.rows * matrix.columns;
  const across = matrix.columns / 4;
  return Array.from({ length: grid[0] * grid[1] }, (_, number) => {
    const [i, j] = [Math.floor(number / grid[1]), number % grid[1]];
    return [
      `subgroupMatrixStore<row_major>(&tile_c, part * ${size}u, sum${i}_${j}, ${matrix.columns}u);`,
      "workgroupBarrier();",
      `for (var four = i32(lane); four < ${handedOut(tile) / 4}; four += ${matrixThreads(tile)}) {`,
      `let owner = four / ${size / 4};`,
      `let row = (owner / ${subgroups[1]} * ${grid[0]} + ${i}) * ${matrix.rows} + four % ${size / 4} / ${across};`,
      `let column = (owner % ${subgroups[1]} * ${grid[1]} + ${j}) * ${matrix.columns} + four % ${across} * 4;`,
      "let value = vec4<f32>(tile_c[four * 4], tile_c[four * 4 + 1], tile_c[four * 4 + 2], tile_c[four * 4 + 3]);",
      ...visit("row", "column", "value"),
      "}",
      "workgroupBarrier();",
    ];
  }).flat();
}
