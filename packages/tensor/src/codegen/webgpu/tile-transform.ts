/** @file Winograd's tile transformations in WGSL: an invocation transforms one channel of one tile in registers. */
import type { TileStrides, TileTransformKernel } from "../../ir/kernel.ts";
import { ceilDiv, type KernelCode, linearGrid, shader, WORKGROUP } from "./kernel-code.ts";
import { type BufferBinding, Memory } from "./memory.ts";

export function generateTileTransform(kernel: TileTransformKernel, places: readonly BufferBinding[]): KernelCode {
  const { matrix, images, tileRows, tileColumns, channels, input, output } = kernel;
  const items = images * tileRows * tileColumns * channels;
  if (items === 0) return { wgsl: "", workgroups: [0, 0, 0] };
  const memory = new Memory(places, ["float32", "float32"], () => false);
  const { workgroups, index } = linearGrid(ceilDiv(items, WORKGROUP));
  const size = matrix[0]!.length;
  const base = ({ image, tileRow, tileColumn }: TileStrides): string => `image * ${image} + y * ${tileRow} + x * ${tileColumn} + channel`;
  const lines: string[] = [];
  for (let j = 0; j < size; j++) {
    for (let i = 0; i < size; i++) lines.push(`let d${i}${j} = ${memory.load(0, "float32", `(from_ + ${i * input.row + j * input.column})`)};`);
    matrix.forEach((weights, i) => {
      lines.push(
        `let h${i}${j} = ${weightedSum(
          weights,
          weights.map((_, k) => `d${k}${j}`),
        )};`,
      );
    });
  }
  matrix.forEach((_, i) => {
    matrix.forEach((weights, j) => {
      const value = weightedSum(
        weights,
        weights.map((__, k) => `h${i}${k}`),
      );
      lines.push(memory.store(1, "float32", `to + ${i * output.row + j * output.column}`, value));
    });
  });
  const body = [
    `let item = ${index} * ${WORKGROUP} + i32(lane);`,
    `if (item >= ${items}) { return; }`,
    `let channel = item % ${channels};`,
    `let tile = item / ${channels};`,
    `let x = tile % ${tileColumns};`,
    `let y = tile / ${tileColumns} % ${tileRows};`,
    `let image = tile / ${tileColumns * tileRows};`,
    `let from_ = ${base(input)};`,
    `let to = ${base(output)};`,
    ...lines,
  ];
  return { wgsl: shader({ declarations: memory.declarations(), threads: WORKGROUP, body: body.join("\n") }), workgroups };
}

function weightedSum(weights: readonly number[], values: readonly string[]): string {
  let sum = "";
  weights.forEach((weight, k) => {
    if (weight === 0) return;
    const size = Math.abs(weight);
    const term = size === 1 ? values[k]! : `${values[k]} * f32(${Math.fround(size)})`;
    if (sum === "") sum = weight < 0 ? `-${term}` : term;
    else sum += weight < 0 ? ` - ${term}` : ` + ${term}`;
  });
  return sum || "0.0";
}
