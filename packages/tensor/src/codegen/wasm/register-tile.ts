/** @file The register-tiled inner loops shared by the contractions: a few rows of splatted scalars times one to four vectors,
 * accumulated in locals. V8 keeps the accumulators in registers as long as rows·vectors + rows + vectors stays below 16, and only
 * without manual unrolling, since it hoists every load of a loop body to its start. */
import type { LaneGroup } from "../plan/lanes.ts";
import type { ReductionLoop, RegisterTile, Variable } from "../plan/language.ts";
import type { FunctionBuilder } from "./function-builder.ts";
import { I32, OP, SIMD, V128 } from "./opcodes.ts";

/** Emits register tiles into one function; its locals are shared by all tiles. */
export class RegisterTiles {
  readonly #f: FunctionBuilder;
  readonly #relaxed: boolean;
  readonly #localOf: (variable: Variable) => number;
  readonly #locals = new Map<string, number>();

  constructor(f: FunctionBuilder, relaxed: boolean, localOf: (variable: Variable) => number) {
    this.#f = f;
    this.#relaxed = relaxed;
    this.#localOf = localOf;
  }

  /** Zeroes the tile's accumulators, then runs the loops (outermost first) from the addresses in the two locals, which it keeps. */
  accumulate(tile: RegisterTile, scalar: number, vector: number, loops: readonly ReductionLoop[]): void {
    for (let row = 0; row < tile.scalars.length; row++) {
      for (let j = 0; j < tile.lanes.length; j++) this.#f.v128(0).set(this.#accumulator(row, j));
    }
    this.#loops(tile, scalar, vector, loops);
  }

  /** Sums of several {@link accumulate}: zeroed, added to, and at last put where the accumulators are. */
  zeroTotals(tile: RegisterTile): void {
    this.#eachSum(tile, (_, total) => this.#f.v128(0).set(total));
  }
  addToTotals(tile: RegisterTile): void {
    this.#eachSum(tile, (sum, total) => this.#f.get(total).get(sum).simd(SIMD.f32x4_add).set(total));
  }
  takeTotals(tile: RegisterTile): void {
    this.#eachSum(tile, (sum, total) => this.#f.get(total).set(sum));
  }

  #eachSum(tile: RegisterTile, visit: (accumulator: number, total: number) => void): void {
    for (let row = 0; row < tile.scalars.length; row++) {
      for (let j = 0; j < tile.lanes.length; j++) visit(this.#accumulator(row, j), this.#local(`total${row},${j}`, V128));
    }
  }

  /** Stores the accumulators; `rowOffsets` are the rows' byte offsets from the address in the local `address`. */
  store(tile: RegisterTile, address: number, rowOffsets: readonly number[]): void {
    this.#each(tile, rowOffsets, (lanes, accumulator, offset) => {
      const f = this.#f;
      if (lanes.end - lanes.first === 4) {
        f.get(address).get(accumulator).v128Store(offset);
        return;
      }
      for (let lane = lanes.first; lane < lanes.end; lane++)
        f.get(address)
          .get(accumulator)
          .v128StoreLane(lane, offset + 4 * lane);
    });
  }

  /** Adds what is stored at the tile's place to the accumulators. */
  addStored(tile: RegisterTile, address: number, rowOffsets: readonly number[]): void {
    const f = this.#f;
    this.#each(tile, rowOffsets, (lanes, accumulator, offset) => {
      f.get(accumulator);
      this.#load(address, offset, lanes);
      f.simd(SIMD.f32x4_add).set(accumulator);
    });
  }

  #each(tile: RegisterTile, rowOffsets: readonly number[], visit: (lanes: LaneGroup, accumulator: number, offset: number) => void): void {
    rowOffsets.forEach((rowOffset, row) => {
      tile.lanes.forEach((lanes, j) => {
        visit(lanes, this.#accumulator(row, j), rowOffset + 4 * lanes.channel);
      });
    });
  }

  #load(address: number, offset: number, lanes: LaneGroup): void {
    const f = this.#f;
    f.get(address);
    if (!lanes.partial) {
      f.v128Load(offset);
      return;
    }
    f.v128LoadZero(offset);
    const vector = this.#local("partial", V128);
    for (let lane = 1; lane < lanes.end; lane++)
      f.set(vector)
        .get(address)
        .get(vector)
        .v128LoadLane(lane, offset + 4 * lane);
  }

  #loops(tile: RegisterTile, scalar: number, vector: number, loops: readonly ReductionLoop[], depth = 0): void {
    const f = this.#f;
    const [loop, ...inner] = loops;
    if (!loop) {
      this.#step(tile, scalar, vector);
      return;
    }
    const a = this.#local(`scalar${depth}`, I32);
    const b = this.#local(`vector${depth}`, I32);
    f.get(scalar).set(a).get(vector).set(b);
    const count = this.#local(`count${depth}`, I32);
    if (typeof loop.count === "number") f.i32(loop.count).set(count);
    else f.get(this.#localOf(loop.count)).set(count);
    f.loop(() => {
      this.#loops(tile, a, b, inner, depth + 1);
      f.get(a).i32(loop.scalarStep).op(OP.i32_add).set(a);
      f.get(b).i32(loop.vectorStep).op(OP.i32_add).set(b);
      f.get(count).i32(1).op(OP.i32_sub).tee(count).branchIf(0);
    });
  }

  #step(tile: RegisterTile, scalar: number, vector: number): void {
    const f = this.#f;
    tile.lanes.forEach((lanes, j) => {
      this.#load(vector, 4 * lanes.channel, lanes);
      f.set(this.#local(`operand${j}`, V128));
    });
    const splat = this.#local("splat", V128);
    tile.scalars.forEach((offset, row) => {
      f.get(scalar).v128LoadSplat(offset).set(splat);
      for (let j = 0; j < tile.lanes.length; j++) {
        const accumulator = this.#accumulator(row, j);
        const operand = this.#local(`operand${j}`, V128);
        if (this.#relaxed) f.get(splat).get(operand).get(accumulator).simd(SIMD.f32x4_relaxed_madd);
        else f.get(accumulator).get(splat).get(operand).simd(SIMD.f32x4_mul).simd(SIMD.f32x4_add);
        f.set(accumulator);
      }
    });
  }

  #accumulator(row: number, j: number): number {
    return this.#local(`accumulator${row},${j}`, V128);
  }

  #local(name: string, type: typeof I32 | typeof V128): number {
    let index = this.#locals.get(name);
    if (index === undefined) {
      index = this.#f.local(type);
      this.#locals.set(name, index);
    }
    return index;
  }
}
