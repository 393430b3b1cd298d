/** @file What plans must know of a processor. Results do not depend on it. */
import type { LaneGroup } from "./lanes.ts";
import { evenPart } from "./pixels.ts";

export interface Machine {
  /** Vectors that follow each other and are one register, at most. */
  readonly widest: 1 | 2 | 4;
  /** What is touched is fetched while other things are done, instead of being waited for. */
  readonly fetches: boolean;
  /** Vectors that stay in registers: accumulators and the operands of one step. */
  readonly registers: number;
  /** Rows of a register tile of these vectors, at most. */
  readonly tileRows: (lanes: readonly LaneGroup[]) => number;
  /** Windows and gradients of a tile of dots, at most. */
  readonly dots: { readonly windows: number; readonly gradients: number };
  /** The side of a register tile along so many pixels. */
  readonly tileSide: (extent: number, most: number) => number;
}

/** What V8 keeps in registers, neighbouring vectors joined to one where it does that (`wide`). */
export function wasmMachine(wide: boolean): Machine {
  return {
    widest: wide ? 2 : 1,
    fetches: false,
    registers: 15,
    dots: { windows: 4, gradients: 2 },
    tileRows: (lanes) => ([7, 4, wide ? 4 : 3] as const)[lanes.length - 1] ?? 4,
    tileSide: evenPart,
  };
}
