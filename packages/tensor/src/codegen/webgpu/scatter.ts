/** @file Scatter-add in WGSL: an invocation owns one element of the result and looks through all updates in order, so that equal targets
 * add up in a fixed order without atomic floats. */
import type { ScatterKernel } from "../../ir/kernel.ts";
import { LONGEST_REDUCTION, sumBlock } from "../../ir/sums.ts";
import { ceilDiv, type KernelCode, linearGrid, shader, WORKGROUP } from "./kernel-code.ts";
import { type BufferBinding, Memory } from "./memory.ts";

export function generateScatter({ count, slice, size, extents, strides }: ScatterKernel, places: readonly BufferBinding[]): KernelCode {
  const out = extents.length + 1;
  const memory = new Memory(places, ["float32", ...extents.map(() => "int32" as const), "float32"], () => false);
  const { workgroups, index } = linearGrid(ceilDiv(size, WORKGROUP));
  const terms = extents.map((extent, axis) => `clamp(${memory.load(axis + 1, "int32", "turn")}, 0, ${extent - 1}) * ${strides[axis]}`);
  const sum = (name: string, from: string, to: string): string[] => [
    `var ${name} = 0.0;`,
    `for (var turn = ${from}; turn < ${to}; turn++) {`,
    `if (${terms.join(" + ")} == start) { ${name} += ${memory.load(0, "float32", `turn * ${slice} + item - start`)}; }`,
    "}",
  ];
  const block = sumBlock(count);
  const body = [
    `let item = ${index} * ${WORKGROUP} + i32(lane);`,
    `if (item >= ${size}) { return; }`,
    `let start = item - item % ${slice};`,
    ...(count <= LONGEST_REDUCTION
      ? sum("total", "0", `${count}`)
      : [
          "var total = 0.0;",
          `for (var first = 0; first < ${count}; first += ${block}) {`,
          ...sum("part", "first", `min(first + ${block}, ${count})`),
          "total += part;",
          "}",
        ]),
    memory.store(out, "float32", "item", "total"),
  ];
  return { wgsl: shader({ declarations: memory.declarations(), threads: WORKGROUP, body: body.join("\n") }), workgroups };
}
