/** @file How code for x86-64 uses the registers, and what that means for plans. */
import { isWhole, type LaneGroup } from "../plan/lanes.ts";
import type { Machine } from "../plan/machine.ts";
import { evenPart } from "../plan/pixels.ts";
import type { Lanes } from "./encoding.ts";

/** Which vectors a processor has. */
export interface VectorSet {
  /** Floats of a register. */
  readonly lanes: 8 | 16;
  readonly registers: 16 | 32;
  /** Accumulators of a tile, at most: as many as leave room for operands; twelve keep two multiply-adds of four cycles busy. */
  readonly accumulators: number;
}
/** With FMA. */
export const AVX2: VectorSet = { lanes: 8, registers: 16, accumulators: 12 };
/** F, DQ and VL. */
export const AVX512: VectorSet = { lanes: 16, registers: 32, accumulators: 28 };

/** One register of a tile: a vector of four lanes, or some that follow each other. */
export interface LaneRegister {
  readonly groups: readonly LaneGroup[];
  readonly lanes: Lanes;
  /** Some of the lanes are of no vector, and must be masked in memory. */
  readonly masked: boolean;
  /** Channel of lane 0. */
  readonly channel: number;
  /** All lanes are loaded and stored. */
  readonly whole: boolean;
}

/** Neighbouring vectors joined to registers of as many lanes as there are. */
export function laneRegisters(lanes: readonly LaneGroup[], { lanes: most }: VectorSet): LaneRegister[] {
  const registers: LaneRegister[] = [];
  for (let i = 0; i < lanes.length; i += registers.at(-1)!.groups.length) {
    const counts = most === 16 ? [4, 3, 2, 1] : [2, 1];
    const groups = counts.map((count) => lanes.slice(i, i + count)).find((some, j) => some.length === counts[j] && follow(some))!;
    const masked = groups.length === 3;
    registers.push({ groups, lanes: masked ? 16 : ((4 * groups.length) as Lanes), masked, channel: groups[0]!.channel, whole: groups.every(isWhole) });
  }
  return registers;
}

/** Whether vectors are one register: one alone, or all but the last whole, and the last to be loaded whole. */
function follow(groups: readonly LaneGroup[]): boolean {
  const last = groups.at(-1)!;
  return (
    groups.every(({ channel }, i) => channel === groups[0]!.channel + 4 * i) &&
    (groups.length === 1 || (groups.slice(0, -1).every(isWhole) && last.first === 0 && !last.partial))
  );
}

/** Rows of tiles of so many registers that leave one register for the scalars. */
const mostRows = (registers: number, set: VectorSet): number => Math.max(1, Math.floor(Math.min(set.accumulators, set.registers - 1 - registers) / registers));

/** What a tile costs besides its pixels, in pixels. */
const TILE_COST = 0.5;

/** Of the sides up to the most, the one that costs least; of equal ones the largest. */
function tileSide(extent: number, most: number): number {
  let best = evenPart(extent, most);
  const cost = (side: number): number => (side + TILE_COST) * Math.ceil(extent / side);
  for (let side = best; side > most / 2; side--) if (cost(side) < cost(best)) best = side;
  return best;
}

/** A processor with these vectors. */
export const x64Machine = (set: VectorSet): Machine => ({
  widest: set.lanes === 16 ? 4 : 2,
  fetches: true,
  registers: set.registers - 1,
  dots: set.lanes === 16 ? { windows: 27, gradients: 4 } : { windows: 6, gradients: 4 },
  tileRows: (lanes) => mostRows(laneRegisters(lanes, set).length, set),
  tileSide,
});

/** Numbers of the vector registers of a tile: operands from 0 on, accumulators up to the last, scalars between them. */
export function tileRegisters(rows: number, vectors: number, set: VectorSet) {
  const first = set.registers - rows * vectors;
  const scalars = Math.min(3, first - vectors);
  return {
    accumulator: (row: number, j: number): number => first + row * vectors + j,
    operand: (j: number): number => j,
    scalar: (row: number): number => vectors + (row % scalars),
    accumulators: Array.from({ length: rows * vectors }, (_, i) => first + i),
  };
}
