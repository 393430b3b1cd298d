/** @file Winograd's tile transformations in WGSL: an invocation transforms one channel of one tile in registers. */
import type { TileStrides, TileTransformKernel } from "../../ir/kernel.ts";
import type { LinearSum } from "../../ir/linear-map.ts";
import { ceilDiv, type KernelCode, linearGrid, shader, WORKGROUP } from "./kernel-code.ts";
import { type BufferBinding, Memory } from "./memory.ts";

export function generateTileTransform(kernel: TileTransformKernel, places: readonly BufferBinding[]): KernelCode {
  const { map, images, tileRows, tileColumns, channels, input, output } = kernel;
  const items = images * tileRows * tileColumns * channels;
  const memory = new Memory(places, ["float32", "float32"], () => false);
  const { workgroups, index } = linearGrid(ceilDiv(items, WORKGROUP));
  const base = ({ image, tileRow, tileColumn }: TileStrides): string => `image * ${image} + y * ${tileRow} + x * ${tileColumn} + channel`;
  const lines: string[] = [];
  /** Applies the map to values named `from`0, `from`1, …; `result` takes each result. */
  const apply = (from: string, result: (i: number, value: string) => string): void => {
    const inner = map.sums.length - map.outputs;
    map.sums.forEach((sum, i) => {
      const value = weightedSum(sum, from);
      lines.push(i < inner ? `let ${from}${map.inputs + i} = ${value};` : result(i - inner, value));
    });
  };
  for (let j = 0; j < map.inputs; j++) {
    for (let i = 0; i < map.inputs; i++) lines.push(`let column${j}_${i} = ${memory.load(0, "float32", `(from_ + ${i * input.row + j * input.column})`)};`);
    apply(`column${j}_`, (i, value) => `let row${i}_${j} = ${value};`);
  }
  for (let i = 0; i < map.outputs; i++) {
    apply(`row${i}_`, (j, value) => memory.store(1, "float32", `to + ${i * output.row + j * output.column}`, value));
  }
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

function weightedSum(sum: LinearSum, from: string): string {
  return sum
    .map(([operand, weight], i) => {
      const size = Math.abs(weight);
      const term = size === 1 ? `${from}${operand}` : `${from}${operand} * f32(${Math.fround(size)})`;
      return i === 0 ? `${weight < 0 ? "-" : ""}${term}` : ` ${weight < 0 ? "-" : "+"} ${term}`;
    })
    .join("");
}
