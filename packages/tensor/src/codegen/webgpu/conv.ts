/** @file Window contractions (convolution, input gradient, matrix product) in WGSL, as an implicit matrix product: rows are output
 * pixels, columns output channels, the depth is the window. */
import { pixelsAligned, writesChannelGroups } from "../../ir/groups.ts";
import { type ConvKernel, type FilterGradKernel, type ImageStrides, windowSize } from "../../ir/kernel.ts";
import { ceilDiv, type KernelCode, linearGrid } from "./kernel-code.ts";
import { type BufferBinding, Memory } from "./memory.ts";
import { type AnyTile, multiplierOf, sumsOver } from "./multiplier.ts";
import { type Factor, rankTiles, slots, TILES } from "./tile.ts";

/** Address of pixel number `pixel` (an identifier) as i32. */
export function pixelAddress(pixel: string, height: number, width: number, strides: ImageStrides): string {
  const terms = [String(strides.offset)];
  if (strides.image !== 0) terms.push(`${pixel} / ${height * width} * ${strides.image}`);
  if (height > 1 && strides.row !== 0) terms.push(`${pixel} / ${width} % ${height} * ${strides.row}`);
  if (width > 1 && strides.pixel !== 0) terms.push(`${pixel} % ${width} * ${strides.pixel}`);
  return terms.join(" + ");
}

/** Where element number `k` (an identifier, or in parentheses) of a window is, from the window's first one. */
export function windowPlace({ rows, columns, run, tapRow }: Pick<ConvKernel, "rows" | "columns" | "run" | "tapRow">, k: string): string {
  if (!columns) return rows === 1 ? k : `${k} / ${run} * ${tapRow} + ${k} % ${run}`;
  const column = rows === 1 ? `${k} / ${run}` : `${k} / ${run} % ${columns.count}`;
  return `${rows === 1 ? "" : `${k} / ${run * columns.count} * ${tapRow} + `}${column} * ${columns.step} + ${k} % ${run}`;
}

/** Whether windows are read in groups of four elements. */
export function readsWindowGroups({ run, tapRow, columns, groups, input }: ConvKernel | FilterGradKernel): boolean {
  return [run, tapRow, columns?.step ?? 0, groups?.input ?? 0].every((step) => step % 4 === 0) && pixelsAligned(input);
}

/** Tiles for a kernel, the most promising first. */
export function convTiles<T extends AnyTile>(kernel: ConvKernel, tiles: readonly T[]): T[] {
  const { batch, height, width, channels, groups } = kernel;
  const fitting = tiles.filter((tile) => sumsOver(tile, windowSize(kernel)));
  return rankTiles(batch * height * width, channels, groups?.count ?? 1, fitting);
}

/** Buffers: input, packed filter, output. */
export function generateConv(
  kernel: ConvKernel,
  places: readonly BufferBinding[],
  tile: AnyTile = convTiles(kernel, TILES)[0]!,
  wanted: Factor = "f32",
): KernelCode {
  const { batch, height, width, channels, block, input, output, groups } = kernel;
  const pixels = batch * height * width;
  const depth = windowSize(kernel);
  const wideInput = readsWindowGroups(kernel);
  const wideOutput = writesChannelGroups(kernel);
  const memory = new Memory(places, ["float32", "float32", "float32"], (buffer) =>
    buffer === 0 ? wideInput : buffer === 1 ? (groups?.filter ?? 0) % 4 === 0 : wideOutput,
  );
  const multiplier = multiplierOf(tile, wanted, false);
  const { threads, factor } = multiplier;
  const [tilesM, tilesN] = [ceilDiv(pixels, tile.m), ceilDiv(channels, tile.n)];
  const { workgroups, index } = linearGrid(tilesM * tilesN * (groups?.count ?? 1));
  const body = [
    `let number = ${index};`,
    // Neighbouring workgroups share pixels: their windows are then in cache.
    `let n0 = number % ${tilesN} * ${tile.n};`,
    `let m0 = number / ${tilesN} % ${tilesM} * ${tile.m};`,
    groups ? `let image = min(number / ${tilesM * tilesN}, ${groups.count - 1});` : "",
    ...multiplier.setup,
  ];
  const a = slots((tile.m * tile.k) / 4, threads);
  const b = slots((tile.k * tile.n) / 4, threads);
  const across = tile.k / 4;
  for (let s = 0; s < a.times; s++) {
    // A pixel beyond the last repeats it; its results are not stored.
    body.push(
      `let a_slot${s} = i32(lane) + ${s * threads};`,
      `let a_pixel${s} = min(m0 + a_slot${s} / ${across}, ${pixels - 1});`,
      `let a_at${s} = ${groups ? `image * ${groups.input} + ` : ""}${pixelAddress(`a_pixel${s}`, height, width, input)};`,
      `let a_k${s} = a_slot${s} % ${across} * 4;`,
    );
  }
  const filterChannels = ceilDiv(channels, block) * block;
  for (let s = 0; s < b.times; s++) {
    body.push(
      `let b_slot${s} = i32(lane) + ${s * threads};`,
      `let b_n${s} = min(n0 + b_slot${s} % ${tile.n / 4} * 4, ${filterChannels - 4});`,
      `let b_at${s} = ${groups ? `image * ${groups.filter} + ` : ""}b_n${s} / ${block} * ${depth * block} + b_n${s} % ${block};`,
      `let b_k${s} = b_slot${s} / ${tile.n / 4};`,
    );
  }
  const element = (k: string): string => windowPlace(kernel, k);
  const exact = depth % tile.k === 0;
  const blocks = multiplier.inBlocks(depth);
  body.push(...blocks.before, `for (var k0 = 0; k0 < ${depth}; k0 += ${tile.k}) {`);
  for (let s = 0; s < a.times; s++) {
    const fill = (text: readonly string[]): string[] =>
      a.ragged && s === a.times - 1 ? [`if (a_slot${s} < ${(tile.m * tile.k) / 4}) {`, ...text, "}"] : ["{", ...text, "}"];
    const scalars = [0, 1, 2, 3].map((j) => {
      const at = memory.load(0, "float32", `(a_at${s} + ${element(`(k + ${j})`)})`);
      return exact ? at : `select(0.0, ${at}, k + ${j} < ${depth})`;
    });
    const wide = memory.factors4(0, `(a_at${s} + ${element("k")})`, factor);
    const value = wideInput ? (exact ? wide : `select(vec4<${factor}>(), ${wide}, k < ${depth})`) : `vec4<${factor}>(vec4<f32>(${scalars.join(", ")}))`;
    body.push(...fill([`let k = k0 + a_k${s};`, multiplier.fill("a", `a_slot${s}`, value)]));
  }
  for (let s = 0; s < b.times; s++) {
    const fill = (text: readonly string[]): string[] =>
      b.ragged && s === b.times - 1 ? [`if (b_slot${s} < ${(tile.k * tile.n) / 4}) {`, ...text, "}"] : ["{", ...text, "}"];
    // Beyond the window the input's tile is zero; the filter's must still be finite.
    const k = exact ? `k0 + b_k${s}` : `min(k0 + b_k${s}, ${depth - 1})`;
    body.push(...fill([multiplier.fill("b", `b_slot${s}`, memory.factors4(1, `(b_at${s} + (${k}) * ${block})`, factor))]));
  }
  body.push("workgroupBarrier();", ...multiplier.multiply, ...blocks.step, "workgroupBarrier();", "}", ...blocks.after);
  const results = multiplier.results((row, quads) => {
    const base = `${groups ? `image * ${groups.output} + ` : ""}${pixelAddress("pixel", height, width, output)}`;
    const stores = quads.map(({ column, value }, c) => {
      const n = `channel${c}`;
      const declare = `let ${n} = n0 + ${column};`;
      if (wideOutput) return `${declare} if (${n} < ${channels}) { ${memory.store4(2, "float32", `at + ${n}`, value)} }`;
      const each = [0, 1, 2, 3].map((j) => `if (${n} + ${j} < ${channels}) { ${memory.store(2, "float32", `at + ${n} + ${j}`, `${value}[${j}]`)} }`);
      return `${declare} ${each.join(" ")}`;
    });
    return [`let pixel = m0 + ${row};`, `if (pixel < ${pixels}) {`, `let at = ${base};`, ...stores, "}"];
  });
  return { wgsl: multiplier.shader(memory.declarations(), [...body, ...results]), workgroups };
}
