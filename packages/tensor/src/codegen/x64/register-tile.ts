/** @file Register tiles for x86-64: rows of one float copied to all lanes times one or more vectors of eight. The innermost loop is unrolled; the
 * accumulators stay in registers from step to step of a plan. */
import { invariant } from "../../base/errors.ts";
import type { LaneGroup } from "../plan/lanes.ts";
import type { ReductionLoop, RegisterTile, Variable } from "../plan/language.ts";
import { type Assembler, IF } from "./assembler.ts";
import { at, type Memory, R15, RAX, RCX, RDI, RDX, RSI, RSP } from "./encoding.ts";
import { type LaneRegister, laneRegisters, tileRegisters, type VectorSet } from "./registers.ts";

/** Turns of an innermost loop that are written out. */
const UNROLLED = 4;
/** Counters of the loops around the innermost one: there are at most three loops. */
const COUNTERS = [RCX, RDX] as const;
/** A register for single lanes; operands are there only while a step of a sum is done. */
const SPARE = 0;

const lanesAt = ({ masked }: LaneRegister, offset: number): Memory => ({ base: RDI, offset, ...(masked ? { masked } : {}) });

export class RegisterTiles {
  readonly #code: Assembler;
  readonly #set: VectorSet;
  readonly #load: (register: number, variable: Variable) => void;
  /** Bytes at the stack pointer that totals take. */
  totalBytes = 0;

  constructor(code: Assembler, set: VectorSet, load: (register: number, variable: Variable) => void) {
    this.#code = code;
    this.#set = set;
    this.#load = load;
  }

  accumulate(tile: RegisterTile, scalar: Variable, vector: Variable, loops: readonly ReductionLoop[], ahead: number): void {
    this.#pointer(RSI, scalar);
    this.#pointer(RDI, vector);
    this.#mask(tile);
    for (const accumulator of this.#registers(tile).accumulators) this.#code.vector("xor", this.#set.lanes, accumulator, accumulator, accumulator);
    this.#loops(tile, loops, ahead, 0);
  }

  totals(what: "zero" | "add" | "take", tile: RegisterTile): void {
    const { accumulators } = this.#registers(tile);
    const code = this.#code;
    const { lanes } = this.#set;
    this.totalBytes = Math.max(this.totalBytes, 4 * lanes * accumulators.length);
    if (what === "zero") code.vector("xor", lanes, SPARE, SPARE, SPARE);
    accumulators.forEach((accumulator, i) => {
      const total = at(RSP, 4 * lanes * i);
      if (what === "take") code.vectorLoad(lanes, accumulator, total);
      else {
        if (what === "add") code.vector("add", lanes, SPARE, accumulator, total);
        code.vectorStore(lanes, total, SPARE);
      }
    });
  }

  store(tile: RegisterTile, address: Variable, rowOffsets: readonly number[]): void {
    const code = this.#code;
    this.#each(tile, address, rowOffsets, (register, accumulator, offset) => {
      const { lanes } = register;
      if (register.whole) code.vectorStore(lanes, lanesAt(register, offset), accumulator);
      else
        register.groups.forEach((group, i) => {
          const four = i === 0 ? accumulator : SPARE;
          if (lanes !== 4 && i > 0) code.extractFour(lanes, SPARE, accumulator, i);
          for (let lane = group.first; lane < group.end; lane++) code.storeLane(at(RDI, offset + 16 * i + 4 * lane), four, lane);
        });
    });
  }

  addStored(tile: RegisterTile, address: Variable, rowOffsets: readonly number[]): void {
    const code = this.#code;
    this.#each(tile, address, rowOffsets, (register, accumulator, offset) => {
      const { groups, lanes } = register;
      if (!groups[0]!.partial) code.vector("add", lanes, accumulator, accumulator, lanesAt(register, offset));
      else {
        this.#loadLanes(SPARE, RDI, offset, groups[0]!);
        code.vector("add", 4, accumulator, accumulator, SPARE);
      }
    });
  }

  #each(
    tile: RegisterTile,
    address: Variable,
    rowOffsets: readonly number[],
    visit: (register: LaneRegister, accumulator: number, offset: number) => void,
  ): void {
    this.#pointer(RDI, address);
    this.#mask(tile);
    const registers = this.#registers(tile);
    rowOffsets.forEach((rowOffset, row) => {
      for (const [j, register] of laneRegisters(tile.lanes, this.#set).entries())
        visit(register, registers.accumulator(row, j), rowOffset + 4 * register.channel);
    });
  }

  #registers({ scalars, lanes }: RegisterTile): ReturnType<typeof tileRegisters> {
    return tileRegisters(scalars.length, laneRegisters(lanes, this.#set).length, this.#set);
  }

  /** The mask of what a register that is not full loads and stores. */
  #mask({ lanes }: RegisterTile): void {
    const register = laneRegisters(lanes, this.#set).find(({ masked }) => masked);
    if (register) this.#code.mask(4 * register.groups.length);
  }

  /** The address in a variable as a pointer. */
  #pointer(register: number, address: Variable): void {
    this.#load(register, address);
    this.#code.longAdd(register, R15);
  }

  #loops(tile: RegisterTile, loops: readonly ReductionLoop[], ahead: number, depth: number): void {
    const code = this.#code;
    const [loop, ...inner] = loops as readonly [ReductionLoop, ...ReductionLoop[]];
    if (inner.length === 0) return this.#innermost(tile, loop, ahead, depth > 0);
    const counter = COUNTERS[depth];
    invariant(counter !== undefined, "a sum has more than three loops");
    if (typeof loop.count === "number") code.constant(counter, loop.count);
    else this.#load(counter, loop.count);
    const start = code.here();
    this.#loops(tile, inner, ahead, depth + 1);
    // The loops inside have moved the pointers already.
    const moved = inner[0]!;
    const turns = moved.count as number;
    this.#move(loop.scalarStep - turns * moved.scalarStep, loop.vectorStep - turns * moved.vectorStep);
    code.intConstant("sub", counter, 1).jumpIf(IF.notZero, start);
  }

  #innermost(tile: RegisterTile, { count, scalarStep, vectorStep }: ReductionLoop, ahead: number, moves: boolean): void {
    const code = this.#code;
    const step = (turn: number): void => this.#step(tile, turn * scalarStep, turn * vectorStep, ahead);
    const unrolled = (): void => {
      for (let turn = 0; turn < UNROLLED; turn++) step(turn);
      this.#move(UNROLLED * scalarStep, UNROLLED * vectorStep);
    };
    if (typeof count !== "number") {
      const [tail, done] = [code.label(), code.label()];
      this.#load(RAX, count);
      code.intConstant("sub", RAX, UNROLLED).jumpIf(IF.below, tail).align(32);
      const start = code.here();
      unrolled();
      code.intConstant("sub", RAX, UNROLLED).jumpIf(IF.notBelow, start);
      code.bind(tail).intConstant("add", RAX, UNROLLED).jumpIf(IF.zero, done);
      const again = code.here();
      step(0);
      this.#move(scalarStep, vectorStep);
      code.intConstant("sub", RAX, 1).jumpIf(IF.notZero, again).bind(done);
      return;
    }
    const turns = Math.floor(count / UNROLLED);
    if (turns > 1) {
      code.constant(RAX, turns).align(32);
      const start = code.here();
      unrolled();
      code.intConstant("sub", RAX, 1).jumpIf(IF.notZero, start);
    } else if (turns === 1) unrolled();
    const rest = count % UNROLLED;
    for (let turn = 0; turn < rest; turn++) step(turn);
    if (moves) this.#move(rest * scalarStep, rest * vectorStep);
  }

  #move(scalar: number, vector: number): void {
    if (scalar !== 0) this.#code.intConstant("add", RSI, scalar, true);
    if (vector !== 0) this.#code.intConstant("add", RDI, vector, true);
  }

  #step(tile: RegisterTile, scalarOffset: number, vectorOffset: number, ahead: number): void {
    const code = this.#code;
    const lanes = laneRegisters(tile.lanes, this.#set);
    const registers = this.#registers(tile);
    if (ahead > 0) code.prefetch(at(RDI, vectorOffset + ahead));
    lanes.forEach((register, j) => {
      const offset = vectorOffset + 4 * register.channel;
      const [group] = register.groups as readonly [LaneGroup];
      if (group.partial) this.#loadLanes(registers.operand(j), RDI, offset, group);
      else code.vectorLoad(register.lanes, registers.operand(j), lanesAt(register, offset));
    });
    // A scalar that is used once need not be in a register, where the multiply-add itself can copy it to all lanes.
    const copied = this.#set.lanes === 16 && lanes.length === 1;
    tile.scalars.forEach((offset, row) => {
      const scalar = at(RSI, scalarOffset + offset);
      if (!copied) code.broadcast(this.#set.lanes, registers.scalar(row), scalar);
      lanes.forEach(({ lanes: count }, j) => {
        if (copied) code.vector("fma", count, registers.accumulator(row, j), registers.operand(j), { ...scalar, copied });
        else code.vector("fma", count, registers.accumulator(row, j), registers.scalar(row), registers.operand(j));
      });
    });
  }

  #loadLanes(to: number, base: number, offset: number, { end }: LaneGroup): void {
    this.#code.loadFirst(to, at(base, offset));
    for (let lane = 1; lane < end; lane++) this.#code.loadLane(to, at(base, offset + 4 * lane), lane);
  }
}
