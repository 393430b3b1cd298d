/** @file x86-64 instructions as bytes: the few that kernels need, with AVX2 and FMA or AVX-512 (Intel's Software Developer's Manual, volume 2). */
import { Encoder, type Label, type Lanes, MASK, type Memory, type Operand, RAX, STORE } from "./encoding.ts";

/** Condition codes of jumps. */
export const IF = { below: 2, notBelow: 3, zero: 4, notZero: 5, less: 12, notLess: 13, greater: 15 } as const;
export type Condition = (typeof IF)[keyof typeof IF];

/** Operations on integers: opcode of "register, register or memory", and number of the form with a constant. */
const INTEGER = { add: [0x03, 0], or: [0x0b, 1], and: [0x23, 4], sub: [0x2b, 5], xor: [0x33, 6], cmp: [0x3b, 7] } as const;

/** Map (1: 0F, 2: 0F38), prefix (0 none, 1: 66), opcode, and whether lanes are of 64 bits. */
const VECTOR = {
  add: [1, 0, 0x58],
  mul: [1, 0, 0x59],
  sub: [1, 0, 0x5c],
  div: [1, 0, 0x5e],
  /** The second unless the first is less. */
  lesser: [1, 0, 0x5d],
  greater: [1, 0, 0x5f],
  and: [1, 0, 0x54],
  andNot: [1, 0, 0x55],
  or: [1, 0, 0x56],
  xor: [1, 0, 0x57],
  addInt: [1, 1, 0xfe],
  subInt: [1, 1, 0xfa],
  eqInt: [1, 1, 0x76],
  greaterInt: [1, 1, 0x66],
  largerInt: [2, 1, 0x3d],
  smallerInt: [2, 1, 0x39],
  mulInt: [2, 1, 0x40],
  /** Products of the lower halves of 64-bit lanes. */
  mulLong: [1, 1, 0xf4, true],
  /** 64-bit lanes of two vectors in turn, of each half the first or the second. */
  unpackLow: [1, 1, 0x6c, true],
  unpackHigh: [1, 1, 0x6d, true],
  /** first + second · third, rounded once; the first is the destination. */
  fma: [2, 1, 0xb8],
} as const;

/** The same of operations on one operand. */
const VECTOR_OF_ONE = { sqrt: [1, 0, 0x51], toFloat: [1, 0, 0x5b] } as const;

/** Comparisons of floats; all but the last are false with NaN. */
const PREDICATES = { eq: 0, lt: 1, le: 2, unordered: 3 } as const;

/** Instructions by name. Those on integers are of 32 bits unless named otherwise. */
export class Assembler extends Encoder {
  int(op: keyof typeof INTEGER, to: number, from: Operand): this {
    return this.integer(0, [INTEGER[op][0]], to, from);
  }
  /** With a constant, on all 64 bits where `long`. */
  intConstant(op: keyof typeof INTEGER, to: number | Memory, value: number, long = false): this {
    const short = value >= -128 && value <= 127;
    this.integer(long ? 1 : 0, [short ? 0x83 : 0x81], INTEGER[op][1], to);
    return short ? this.emit(value) : this.int32(value);
  }
  /** With a constant of 64 bits that is given later, by the function returned. */
  intConstantLater(op: keyof typeof INTEGER, to: number): (value: number) => void {
    this.integer(1, [0x81], INTEGER[op][1], to);
    return this.int32Later();
  }
  /** Of 64 bits. */
  longAdd(to: number, from: number): this {
    return this.integer(1, [0x03], to, from);
  }
  longMove(to: number, from: number): this {
    return this.integer(1, [0x8b], to, from);
  }
  longConstant(to: number, value: bigint): this {
    this.rex(1, 0, to);
    this.emit(0xb8 | (to & 7));
    for (let i = 0n; i < 64n; i += 8n) this.emit(Number((value >> i) & 255n));
    return this;
  }
  signExtend(to: number, from: number): this {
    return this.integer(1, [0x63], to, from);
  }
  load(to: number, from: Operand): this {
    return this.integer(0, [0x8b], to, from);
  }
  store(to: Memory, from: number): this {
    return this.integer(0, [0x89], from, to);
  }
  storeConstant(to: Memory, value: number): this {
    return this.integer(0, [0xc7], 0, to).int32(value);
  }
  constant(to: number, value: number): this {
    this.rex(0, 0, to);
    return this.emit(0xb8 | (to & 7)).int32(value);
  }
  multiply(to: number, from: Operand): this {
    return this.integer(0, [0x0f, 0xaf], to, from);
  }
  multiplyConstant(to: number, value: number): this {
    return this.integer(0, [0x69], to, to).int32(value);
  }
  shiftLeft(to: number, bits: number): this {
    return this.integer(0, [0xc1], 4, to).emit(bits);
  }
  shiftRight(to: number, bits: number): this {
    return this.integer(0, [0xc1], 5, to).emit(bits);
  }
  /** edx:eax by a register: eax the quotient, edx the rest. */
  divide(by: number): this {
    return this.integer(0, [0xf7], 6, by);
  }
  test(a: number, b: number): this {
    return this.integer(0, [0x85], b, a);
  }
  moveIf(condition: Condition, to: number, from: number): this {
    return this.integer(0, [0x0f, 0x40 | condition], to, from);
  }
  /** eax = 1 if the condition holds, else 0. */
  setIf(condition: Condition): this {
    return this.emit(0x0f, 0x90 | condition, 0xc0, 0x0f, 0xb6, 0xc0);
  }
  push(register: number): this {
    this.rex(0, 0, register);
    return this.emit(0x50 | (register & 7));
  }
  pop(register: number): this {
    this.rex(0, 0, register);
    return this.emit(0x58 | (register & 7));
  }
  addressOf(to: number, label: Label): this {
    return this.emit(0x48 | (to >= 8 ? 4 : 0), 0x8d, ((to & 7) << 3) | 5).relative(label);
  }
  prefetch(from: Memory): this {
    return this.integer(0, [0x0f, 0x18], 1, from);
  }

  jump(label: Label): this {
    return this.emit(0xe9).relative(label);
  }
  jumpIf(condition: Condition, label: Label): this {
    return this.emit(0x0f, 0x80 | condition).relative(label);
  }
  call(label: Label): this {
    return this.emit(0xe8).relative(label);
  }
  callRegister(register: number): this {
    return this.integer(0, [0xff], 2, register);
  }
  return(): this {
    return this.emit(0xc3);
  }

  vector(op: keyof typeof VECTOR, lanes: Lanes, to: number, a: number, b: Operand): this {
    const [map, prefix, opcode, long = false] = VECTOR[op] as readonly [number, number, number, boolean?];
    return this.vectorOf(map, prefix, lanes, opcode, to, a, b, undefined, 4 * lanes, long);
  }
  vectorOfOne(op: keyof typeof VECTOR_OF_ONE, lanes: Lanes, to: number, from: Operand): this {
    const [map, prefix, opcode] = VECTOR_OF_ONE[op];
    return this.vectorOf(map, prefix, lanes, opcode, to, 0, from);
  }
  /** All ones where the comparison holds. */
  compare(how: keyof typeof PREDICATES, lanes: 4 | 8, to: number, a: number, b: Operand): this {
    return this.vectorOf(1, 0, lanes, 0xc2, to, a, b, PREDICATES[how]);
  }
  /** `then` where the mask's sign is set. */
  blend(lanes: 4 | 8, to: number, mask: number, then: Operand, otherwise: number): this {
    return this.vectorOf(3, 1, lanes, 0x4a, to, otherwise, then, mask << 4);
  }
  floor(lanes: Lanes, to: number, from: Operand): this {
    return this.vectorOf(3, 1, lanes, 0x08, to, 0, from, 9);
  }
  shiftLanes(direction: "left" | "right", lanes: Lanes, to: number, from: number, bits: number): this {
    return this.vectorOf(1, 1, lanes, 0x72, direction === "left" ? 6 : 2, to, from, bits);
  }
  /** The same of 64-bit lanes. */
  shiftLong(direction: "left" | "right", lanes: Lanes, to: number, from: number, bits: number): this {
    return this.vectorOf(1, 1, lanes, 0x73, direction === "left" ? 6 : 2, to, from, bits, 4 * lanes, true);
  }
  /** Lanes 0, 2, 4, 6 of the first and the others of the second. */
  blendOdd(to: number, even: number, odd: number): this {
    return this.vectorOf(3, 1, 8, 0x02, to, even, odd, 0xaa);
  }
  /** The integer in a register copied to all lanes. */
  broadcastInteger(lanes: Lanes, to: number, from: number): this {
    return this.vectorOf(1, 1, 4, 0x6e, to, 0, from).broadcastFirst(lanes, to, to);
  }
  /** Lane 0 copied to all lanes. */
  broadcastFirst(lanes: Lanes, to: number, from: number): this {
    return this.vectorOf(2, 1, lanes, 0x58, to, 0, from);
  }
  /** Lane 0 as an integer in a register of those. */
  storeFirst(to: number, from: number): this {
    return this.vectorOf(1, 1, 4, 0x7e, from, 0, to);
  }
  /** The lanes' highest bits as an integer. */
  signs(lanes: 4 | 8, to: number, from: number): this {
    return this.vectorOf(1, 0, lanes, 0x50, to, 0, from);
  }
  /** Eight lanes in the order of these numbers. */
  permute(to: number, numbers: number, from: number): this {
    return this.vectorOf(2, 1, 8, 0x36, to, numbers, from);
  }
  /** Four lanes in another order, two bits for each. */
  shuffle(to: number, from: number, order: number): this {
    return this.vectorOf(1, 1, 4, 0x70, to, 0, from, order);
  }
  /** Sets the first lanes of the mask that there is for `masked`; uses eax. */
  mask(lanes: number): this {
    return this.constant(RAX, 2 ** lanes - 1).vectorOf(1, 0, 4, 0x92, MASK, 0, RAX);
  }
  vectorLoad(lanes: Lanes, to: number, from: Operand): this {
    return this.vectorOf(1, 0, lanes, 0x10, to, 0, from);
  }
  vectorStore(lanes: Lanes, to: Memory, from: number): this {
    return this.vectorOf(1, 0, lanes, STORE, from, 0, to);
  }
  /** One float copied to all lanes. */
  broadcast(lanes: Lanes, to: number, from: Memory): this {
    return this.vectorOf(2, 1, lanes, 0x18, to, 0, from, undefined, 4);
  }
  /** Bytes as integers, as many as there are lanes. */
  loadBytes(lanes: Lanes, to: number, from: Memory): this {
    return this.vectorOf(2, 1, lanes, 0x31, to, 0, from, undefined, lanes);
  }
  /** Four floats, copied to all fours of lanes. */
  broadcastFour(lanes: 8 | 16, to: number, from: Memory): this {
    return this.vectorOf(2, 1, lanes, 0x1a, to, 0, from, undefined, 16);
  }
  /** Four floats into lanes 4 · which to 4 · which + 3. */
  insertFour(lanes: 8 | 16, to: number, from: Memory | number, which: number): this {
    return this.vectorOf(3, 1, lanes, 0x18, to, to, from, which, 16);
  }
  /** Those lanes as the first four. */
  extractFour(lanes: 8 | 16, to: number, from: number, which: number): this {
    return this.vectorOf(3, 1, lanes, 0x19, from, 0, to, which, 16);
  }
  /** One float into lane 0, the others zero. */
  loadFirst(to: number, from: Memory): this {
    return this.vectorOf(1, 2, 4, 0x10, to, 0, from, undefined, 4);
  }
  /** One float into another lane. */
  loadLane(to: number, from: Memory, lane: number): this {
    return this.vectorOf(3, 1, 4, 0x21, to, to, from, lane << 4, 4);
  }
  storeLane(to: Memory, from: number, lane: number): this {
    return this.vectorOf(3, 1, 4, 0x17, from, 0, to, lane, 4);
  }
  /** Before returning to code that knows only half of the registers. */
  zeroUpper(): this {
    return this.emit(0xc5, 0xf8, 0x77);
  }
}
