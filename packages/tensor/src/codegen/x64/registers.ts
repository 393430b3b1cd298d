/** @file How code for x86-64 uses the registers, and what that means for plans. */
import { isWhole, type LaneGroup } from "../plan/lanes.ts";
import type { Machine } from "../plan/machine.ts";
import { evenPart } from "../plan/pixels.ts";

/** Vector registers. */
const REGISTERS = 16;
/** Accumulators that keep two multiply-adds of four cycles busy, with room for operands. */
const ACCUMULATORS = 12;

/** One register of a tile: one vector of four lanes, or two that follow each other. */
interface LaneRegister {
  readonly groups: readonly LaneGroup[];
  /** Two vectors. */
  readonly wide: boolean;
  /** Channel of lane 0. */
  readonly channel: number;
  /** All lanes are loaded and stored. */
  readonly whole: boolean;
}

/** Neighbouring vectors joined to registers of eight lanes. */
export function laneRegisters(lanes: readonly LaneGroup[]): LaneRegister[] {
  const registers: LaneRegister[] = [];
  for (let i = 0; i < lanes.length; i++) {
    const [first, second] = [lanes[i]!, lanes[i + 1]];
    const joined = second && second.channel === first.channel + 4 && isWhole(first) && second.first === 0 && !second.partial;
    const groups = joined ? [first, second] : [first];
    registers.push({ groups, wide: groups.length === 2, channel: first.channel, whole: groups.every(isWhole) });
    if (joined) i++;
  }
  return registers;
}

/** Rows of tiles of so many registers that leave one register for the scalars. */
const mostRows = (registers: number): number => Math.max(1, Math.floor(Math.min(ACCUMULATORS, REGISTERS - 1 - registers) / registers));

/** What a tile costs besides its pixels, in pixels. */
const TILE_COST = 0.5;

/** Of the sides up to the most, the one that costs least; of equal ones the largest. */
function tileSide(extent: number, most: number): number {
  let best = evenPart(extent, most);
  const cost = (side: number): number => (side + TILE_COST) * Math.ceil(extent / side);
  for (let side = best; side > most / 2; side--) if (cost(side) < cost(best)) best = side;
  return best;
}

/** A processor with AVX2 and FMA. */
export const X64: Machine = {
  wide: true,
  fetches: true,
  registers: 15,
  dots: { windows: 6, gradients: 4 },
  tileRows: (lanes) => mostRows(laneRegisters(lanes).length),
  tileSide,
};

/** Numbers of the vector registers of a tile: operands from 0 on, accumulators up to the last, scalars between them. */
export function tileRegisters(rows: number, vectors: number) {
  const first = REGISTERS - rows * vectors;
  const scalars = Math.min(3, first - vectors);
  return {
    accumulator: (row: number, j: number): number => first + row * vectors + j,
    operand: (j: number): number => j,
    scalar: (row: number): number => vectors + (row % scalars),
    accumulators: Array.from({ length: rows * vectors }, (_, i) => first + i),
  };
}
