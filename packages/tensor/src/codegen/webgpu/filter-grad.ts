/** @file Filter gradients (and products with a transposed left factor) in WGSL, as a matrix product: rows are places of the window,
 * columns output channels, the depth is a chunk's pixels. */
import { pixelsAligned, writesChannelGroups } from "../../ir/groups.ts";
import { type FilterGradKernel, windowSize } from "../../ir/kernel.ts";
import { pixelAddress, readsWindowGroups, windowPlace } from "./conv.ts";
import { ceilDiv, type KernelCode, linearGrid } from "./kernel-code.ts";
import { type BufferBinding, Memory } from "./memory.ts";
import { type AnyTile, isMatrixTile, multiplierOf, sumsOver } from "./multiplier.ts";
import { type Factor, rankTiles, slots, TILES } from "./tile.ts";

/** Tiles for a kernel, the most promising first. */
export function filterGradTiles<T extends AnyTile>(kernel: FilterGradKernel, tiles: readonly T[]): T[] {
  const { channels, chunks, groups } = kernel;
  // Rows of a register tile share a vec4, so there are at least four.
  const fitting = tiles.filter((tile) => (isMatrixTile(tile) || tile.rows % 4 === 0) && sumsOver(tile, depthOf(kernel)));
  return rankTiles(windowSize(kernel), channels, chunks * (groups?.count ?? 1), fitting);
}

/** Pixels of a chunk. */
function depthOf({ batch, chunks, height, width }: FilterGradKernel): number {
  return (batch / chunks) * height * width;
}

/** Buffers: input, cotangent, output. */
export function generateFilterGrad(
  kernel: FilterGradKernel,
  places: readonly BufferBinding[],
  tile: AnyTile = filterGradTiles(kernel, TILES)[0]!,
  wanted: Factor = "f32",
): KernelCode {
  const { batch, height, width, channels, input, cotangent, chunks, groups } = kernel;
  const window = windowSize(kernel);
  const images = batch / chunks;
  const depth = depthOf(kernel);
  const wideInput = readsWindowGroups(kernel);
  const wideCotangent = channels % 4 === 0 && (groups?.cotangent ?? 0) % 4 === 0 && pixelsAligned(cotangent);
  const wideOutput = writesChannelGroups(kernel);
  const memory = new Memory(places, ["float32", "float32", "float32"], (buffer) => [wideInput, wideCotangent, wideOutput][buffer]!);
  const multiplier = multiplierOf(tile, wanted, true);
  const { threads, factor } = multiplier;
  const [tilesM, tilesN] = [ceilDiv(window, tile.m), ceilDiv(channels, tile.n)];
  // A part is a chunk's group.
  const parts = chunks * (groups?.count ?? 1);
  const placeOfPart = (chunk: number, group = 0): string =>
    groups ? `chunk / ${groups.count} * ${chunk} + chunk % ${groups.count} * ${group}` : `chunk * ${chunk}`;
  const { workgroups, index } = linearGrid(tilesM * tilesN * parts);
  const body = [
    `let number = ${index};`,
    `let n0 = number % ${tilesN} * ${tile.n};`,
    `let m0 = number / ${tilesN} % ${tilesM} * ${tile.m};`,
    `let chunk = min(number / ${tilesM * tilesN}, ${parts - 1});`,
    `let a_chunk = ${placeOfPart(images * input.image, groups?.input)};`,
    `let b_chunk = ${placeOfPart(images * cotangent.image, groups?.cotangent)};`,
    ...multiplier.setup,
  ];
  const a = slots((tile.m * tile.k) / 4, threads);
  const b = slots((tile.k * tile.n) / 4, threads);
  const place = (m: string): string => windowPlace(kernel, m);
  for (let s = 0; s < a.times; s++) {
    body.push(
      `let a_slot${s} = i32(lane) + ${s * threads};`,
      `let a_m${s} = m0 + a_slot${s} % ${tile.m / 4} * 4;`,
      `let a_k${s} = a_slot${s} / ${tile.m / 4};`,
    );
    // Places beyond the window repeat its last; their results are not stored.
    if (wideInput) body.push(`let a_last${s} = min(a_m${s}, ${window - 4});`, `let a_at${s} = a_chunk + ${place(`a_last${s}`)};`);
    else {
      for (let j = 0; j < 4; j++)
        body.push(`let a_last${s}_${j} = min(a_m${s} + ${j}, ${window - 1});`, `let a_at${s}_${j} = a_chunk + ${place(`a_last${s}_${j}`)};`);
    }
  }
  for (let s = 0; s < b.times; s++) {
    body.push(
      `let b_slot${s} = i32(lane) + ${s * threads};`,
      `let b_n${s} = n0 + b_slot${s} % ${tile.n / 4} * 4;`,
      `let b_k${s} = b_slot${s} / ${tile.n / 4};`,
    );
  }
  const exact = depth % tile.k === 0;
  const blocks = multiplier.inBlocks(depth);
  body.push(...blocks.before, `for (var k0 = 0; k0 < ${depth}; k0 += ${tile.k}) {`);
  const guarded = (text: readonly string[], slot: string, ragged: boolean, count: number): string[] =>
    ragged ? [`if (${slot} < ${count}) {`, ...text, "}"] : ["{", ...text, "}"];
  const pixel = (k: string): string => (exact ? `let pixel = ${k};` : `let pixel = min(${k}, ${depth - 1});`);
  for (let s = 0; s < a.times; s++) {
    const each = [0, 1, 2, 3].map((j) => memory.load(0, "float32", `(at + a_at${s}_${j})`));
    const value = wideInput ? memory.factors4(0, `(at + a_at${s})`, factor) : `vec4<${factor}>(vec4<f32>(${each.join(", ")}))`;
    // Pixels beyond the last count for nothing.
    const checked = exact ? value : `select(vec4<${factor}>(), ${value}, k0 + a_k${s} < ${depth})`;
    const text = [pixel(`k0 + a_k${s}`), `let at = ${pixelAddress("pixel", height, width, input)};`, multiplier.fill("a", `a_slot${s}`, checked)];
    body.push(...guarded(text, `a_slot${s}`, a.ragged && s === a.times - 1, (tile.m * tile.k) / 4));
  }
  for (let s = 0; s < b.times; s++) {
    const each = [0, 1, 2, 3].map((j) => memory.load(1, "float32", `(at + b_chunk + min(b_n${s} + ${j}, ${channels - 1}))`));
    const wide = memory.factors4(1, `(at + b_chunk + min(b_n${s}, ${channels - 4}))`, factor);
    const value = wideCotangent ? wide : `vec4<${factor}>(vec4<f32>(${each.join(", ")}))`;
    const checked = exact ? value : `select(vec4<${factor}>(), ${value}, k0 + b_k${s} < ${depth})`;
    const text = [pixel(`k0 + b_k${s}`), `let at = ${pixelAddress("pixel", height, width, cotangent)};`, multiplier.fill("b", `b_slot${s}`, checked)];
    body.push(...guarded(text, `b_slot${s}`, b.ragged && s === b.times - 1, (tile.k * tile.n) / 4));
  }
  body.push("workgroupBarrier();", ...multiplier.multiply, ...blocks.step, "workgroupBarrier();", "}", ...blocks.after);
  const results = multiplier.results((row, groups) => {
    const stores = groups.map(({ column, value }, c) => {
      const n = `channel${c}`;
      const declare = `let ${n} = n0 + ${column};`;
      if (wideOutput) return `${declare} if (${n} < ${channels}) { ${memory.store4(2, "float32", `at + ${n}`, value)} }`;
      const each = [0, 1, 2, 3].map((j) => `if (${n} + ${j} < ${channels}) { ${memory.store(2, "float32", `at + ${n} + ${j}`, `${value}[${j}]`)} }`);
      return `${declare} ${each.join(" ")}`;
    });
    return [`let place = m0 + ${row};`, `if (place < ${window}) {`, `let at = (chunk * ${window} + place) * ${channels};`, ...stores, "}"];
  });
  return { wgsl: multiplier.shader(memory.declarations(), [...body, ...results]), workgroups };
}
