/** @file Tile transformations for x86-64: all operands of a column or row stay in registers. */
import { invariant } from "../../base/errors.ts";
import type { LinearMap, LinearSum } from "../../ir/linear-map.ts";
import type { TileTransform } from "../plan/language.ts";
import type { Assembler } from "./assembler.ts";
import { at, float, type Lanes, type Memory } from "./encoding.ts";

/** Two registers are left for results. */
const MOST_OPERANDS = 14;

/** Emits the transformation of the tile that one register points to into the place another one points to. */
export function emitTransform(code: Assembler, { map, input, output, vectors }: TileTransform, source: number, target: number, between: number): void {
  const lanes = (4 * vectors) as Lanes;
  const place = (i: number, j: number): Memory => at(between, 16 * vectors * (i * map.inputs + j));
  for (let j = 0; j < map.inputs; j++) {
    applyMap(
      code,
      map,
      lanes,
      (i) => at(source, 4 * (i * input.row + j * input.column)),
      (i) => place(i, j),
    );
  }
  for (let i = 0; i < map.outputs; i++) {
    applyMap(
      code,
      map,
      lanes,
      (j) => place(i, j),
      (j) => at(target, 4 * (i * output.row + j * output.column)),
    );
  }
}

function applyMap(code: Assembler, { inputs, sums, outputs }: LinearMap, lanes: Lanes, from: (i: number) => Memory, to: (i: number) => Memory): void {
  const inner = sums.length - outputs;
  invariant(inputs + inner <= MOST_OPERANDS, "a linear map has more operands than there are registers");
  for (let i = 0; i < inputs; i++) code.vectorLoad(lanes, i, from(i));
  sums.forEach((sum, i) => {
    const result = i < inner ? inputs + i : MOST_OPERANDS + (i % 2);
    emitSum(code, sum, lanes, result);
    if (i >= inner) code.vectorStore(lanes, to(i - inner), result);
  });
}

/** Puts Σ weight · operand into a register. */
function emitSum(code: Assembler, sum: LinearSum, lanes: Lanes, to: number): void {
  sum.forEach(([operand, weight], i) => {
    // The first term of weight 1 is read where it is, if what follows allows that.
    const left = i === 1 && sum[0]![1] === 1 ? sum[0]![0] : to;
    if (i === 0) {
      const next = sum[1]?.[1];
      if (weight !== 1) code.vector("mul", lanes, to, operand, float(weight));
      else if (next !== 1 && next !== -1) code.vectorLoad(lanes, to, operand);
    } else if (weight === 1) code.vector("add", lanes, to, left, operand);
    else if (weight === -1) code.vector("sub", lanes, to, left, operand);
    else code.vector("fma", lanes, to, operand, float(weight));
  });
}
