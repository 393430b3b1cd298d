/** @file x86-64 instructions as bytes: the few that kernels need, with AVX2 and FMA or AVX-512 (Intel's Software Developer's Manual, volume 2). */

export const [RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15] as const;

/** What a register's number and an offset in bytes point to, and another register, one of the first eight, if it is added, once or `scale` times. */
export interface Memory {
  readonly base: number;
  readonly offset: number;
  readonly index?: number;
  readonly scale?: 1 | 4;
  /** AVX-512's: one float, copied to all lanes. */
  readonly copied?: true;
  /** AVX-512's: only the lanes that `mask` has set; the others are zero, or are not stored. */
  readonly masked?: true;
}
/** Floats of a vector. Those of sixteen, and the registers from 16 on, are AVX-512's. */
export type Lanes = 4 | 8 | 16;
/** A vector constant of equal elements, given by their bits, or of as many as a register has at most. */
export interface Constant {
  readonly bits: number | readonly number[];
}
/** A register's number, or what is in memory. */
export type Operand = number | Memory | Constant;

const isOfAvx512 = (operand: Operand): boolean => typeof operand === "object" && "base" in operand && (operand.copied ?? operand.masked) === true;

export const at = (base: number, offset = 0): Memory => ({ base, offset });
export const float = (value: number): Constant => ({ bits: new Int32Array(Float32Array.of(value).buffer)[0]! });

/** A place in the code: known once it is bound. */
export interface Label {
  place: number;
}

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

/** Operations that write their operand in memory. */
const STORE = 0x11;
/** The mask register in use; the first one means all lanes. */
const MASK = 1;

const NOPS: readonly (readonly number[])[] = [
  [],
  [0x90],
  [0x66, 0x90],
  [0x0f, 0x1f, 0x00],
  [0x0f, 0x1f, 0x40, 0],
  [0x0f, 0x1f, 0x44, 0, 0],
  [0x66, 0x0f, 0x1f, 0x44, 0, 0],
  [0x0f, 0x1f, 0x80, 0, 0, 0, 0],
  [0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0],
];

/** Code under construction. Integer instructions are of 32 bits unless named otherwise. */
export class Assembler {
  /** The largest vector, which constants have room for. */
  readonly #widest: Lanes;
  #bytes = new Uint8Array(1 << 16);
  #size = 0;
  readonly #jumps: { readonly at: number; readonly label: Label; readonly end: number }[] = [];
  readonly #constants = new Map<string, { readonly label: Label; readonly words: readonly number[] }>();

  constructor(widest: Lanes) {
    this.#widest = widest;
  }

  get size(): number {
    return this.#size;
  }

  emit(...bytes: number[]): this {
    for (const byte of bytes) this.#byte(byte);
    return this;
  }

  /** The lowest eight bits. */
  #byte(byte: number): this {
    if (this.#size === this.#bytes.length) {
      const larger = new Uint8Array(2 * this.#size);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes[this.#size++] = byte;
    return this;
  }

  /** A new label, or one bound here. */
  label(): Label {
    return { place: -1 };
  }
  bind(label: Label): this {
    label.place = this.size;
    return this;
  }
  here(): Label {
    return { place: this.size };
  }

  /** The code, with the constants after it. */
  finish(): Uint8Array<ArrayBuffer> {
    for (const { label, words } of this.#constants.values()) {
      this.align(4 * this.#widest).bind(label);
      this.emit(...new Uint8Array(Int32Array.from(words).buffer));
    }
    const code = this.#bytes.slice(0, this.#size);
    const view = new DataView(code.buffer);
    for (const { at: place, label, end } of this.#jumps) view.setInt32(place, label.place - end, true);
    return code;
  }

  align(bytes: number): this {
    let missing = -this.size & (bytes - 1);
    while (missing > 0) {
      const nop = NOPS[Math.min(8, missing)]!;
      this.emit(...nop);
      missing -= nop.length;
    }
    return this;
  }

  int(op: keyof typeof INTEGER, to: number, from: Operand): this {
    return this.#integer(0, [INTEGER[op][0]], to, from);
  }
  /** With a constant, on all 64 bits where `long`. */
  intConstant(op: keyof typeof INTEGER, to: number | Memory, value: number, long = false): this {
    const short = value >= -128 && value <= 127;
    this.#integer(long ? 1 : 0, [short ? 0x83 : 0x81], INTEGER[op][1], to);
    return short ? this.emit(value) : this.#int32(value);
  }
  /** With a constant of 64 bits that is given later, by the function returned. */
  intConstantLater(op: keyof typeof INTEGER, to: number): (value: number) => void {
    this.#integer(1, [0x81], INTEGER[op][1], to);
    const place = this.size;
    this.#int32(0);
    return (value) => {
      for (let i = 0; i < 4; i++) this.#bytes[place + i] = value >> (8 * i);
    };
  }
  /** Of 64 bits. */
  longAdd(to: number, from: number): this {
    return this.#integer(1, [0x03], to, from);
  }
  longMove(to: number, from: number): this {
    return this.#integer(1, [0x8b], to, from);
  }
  longConstant(to: number, value: bigint): this {
    this.#rex(1, 0, to);
    this.emit(0xb8 | (to & 7));
    for (let i = 0n; i < 64n; i += 8n) this.emit(Number((value >> i) & 255n));
    return this;
  }
  signExtend(to: number, from: number): this {
    return this.#integer(1, [0x63], to, from);
  }
  load(to: number, from: Operand): this {
    return this.#integer(0, [0x8b], to, from);
  }
  store(to: Memory, from: number): this {
    return this.#integer(0, [0x89], from, to);
  }
  storeConstant(to: Memory, value: number): this {
    return this.#integer(0, [0xc7], 0, to).#int32(value);
  }
  constant(to: number, value: number): this {
    this.#rex(0, 0, to);
    return this.emit(0xb8 | (to & 7)).#int32(value);
  }
  multiply(to: number, from: Operand): this {
    return this.#integer(0, [0x0f, 0xaf], to, from);
  }
  multiplyConstant(to: number, value: number): this {
    return this.#integer(0, [0x69], to, to).#int32(value);
  }
  shiftLeft(to: number, bits: number): this {
    return this.#integer(0, [0xc1], 4, to).emit(bits);
  }
  shiftRight(to: number, bits: number): this {
    return this.#integer(0, [0xc1], 5, to).emit(bits);
  }
  /** edx:eax by a register: eax the quotient, edx the rest. */
  divide(by: number): this {
    return this.#integer(0, [0xf7], 6, by);
  }
  test(a: number, b: number): this {
    return this.#integer(0, [0x85], b, a);
  }
  moveIf(condition: Condition, to: number, from: number): this {
    return this.#integer(0, [0x0f, 0x40 | condition], to, from);
  }
  /** eax = 1 if the condition holds, else 0. */
  setIf(condition: Condition): this {
    return this.emit(0x0f, 0x90 | condition, 0xc0, 0x0f, 0xb6, 0xc0);
  }
  push(register: number): this {
    this.#rex(0, 0, register);
    return this.emit(0x50 | (register & 7));
  }
  pop(register: number): this {
    this.#rex(0, 0, register);
    return this.emit(0x58 | (register & 7));
  }
  addressOf(to: number, label: Label): this {
    return this.emit(0x48 | (to >= 8 ? 4 : 0), 0x8d, ((to & 7) << 3) | 5).#relative(label);
  }
  prefetch(from: Memory): this {
    return this.#integer(0, [0x0f, 0x18], 1, from);
  }

  jump(label: Label): this {
    return this.emit(0xe9).#relative(label);
  }
  jumpIf(condition: Condition, label: Label): this {
    return this.emit(0x0f, 0x80 | condition).#relative(label);
  }
  call(label: Label): this {
    return this.emit(0xe8).#relative(label);
  }
  callRegister(register: number): this {
    return this.#integer(0, [0xff], 2, register);
  }
  return(): this {
    return this.emit(0xc3);
  }

  vector(op: keyof typeof VECTOR, lanes: Lanes, to: number, a: number, b: Operand): this {
    const [map, prefix, opcode, long = false] = VECTOR[op] as readonly [number, number, number, boolean?];
    return this.#vector(map, prefix, lanes, opcode, to, a, b, undefined, 4 * lanes, long);
  }
  vectorOfOne(op: keyof typeof VECTOR_OF_ONE, lanes: Lanes, to: number, from: Operand): this {
    const [map, prefix, opcode] = VECTOR_OF_ONE[op];
    return this.#vector(map, prefix, lanes, opcode, to, 0, from);
  }
  /** All ones where the comparison holds. */
  compare(how: keyof typeof PREDICATES, lanes: 4 | 8, to: number, a: number, b: Operand): this {
    return this.#vector(1, 0, lanes, 0xc2, to, a, b, PREDICATES[how]);
  }
  /** `then` where the mask's sign is set. */
  blend(lanes: 4 | 8, to: number, mask: number, then: Operand, otherwise: number): this {
    return this.#vector(3, 1, lanes, 0x4a, to, otherwise, then, mask << 4);
  }
  floor(lanes: Lanes, to: number, from: Operand): this {
    return this.#vector(3, 1, lanes, 0x08, to, 0, from, 9);
  }
  shiftLanes(direction: "left" | "right", lanes: Lanes, to: number, from: number, bits: number): this {
    return this.#vector(1, 1, lanes, 0x72, direction === "left" ? 6 : 2, to, from, bits);
  }
  /** The same of 64-bit lanes. */
  shiftLong(direction: "left" | "right", lanes: Lanes, to: number, from: number, bits: number): this {
    return this.#vector(1, 1, lanes, 0x73, direction === "left" ? 6 : 2, to, from, bits, 4 * lanes, true);
  }
  /** Lanes 0, 2, 4, 6 of the first and the others of the second. */
  blendOdd(to: number, even: number, odd: number): this {
    return this.#vector(3, 1, 8, 0x02, to, even, odd, 0xaa);
  }
  /** The integer in a register copied to all lanes. */
  broadcastInteger(lanes: Lanes, to: number, from: number): this {
    return this.#vector(1, 1, 4, 0x6e, to, 0, from).#vector(2, 1, lanes, 0x58, to, 0, to);
  }
  /** Four lanes in another order, two bits for each. */
  shuffle(to: number, from: number, order: number): this {
    return this.#vector(1, 1, 4, 0x70, to, 0, from, order);
  }
  /** Sets the first lanes of the mask that there is for `masked`; uses eax. */
  mask(lanes: number): this {
    return this.constant(RAX, 2 ** lanes - 1).#vector(1, 0, 4, 0x92, MASK, 0, RAX);
  }
  vectorLoad(lanes: Lanes, to: number, from: Operand): this {
    return this.#vector(1, 0, lanes, 0x10, to, 0, from);
  }
  vectorStore(lanes: Lanes, to: Memory, from: number): this {
    return this.#vector(1, 0, lanes, STORE, from, 0, to);
  }
  /** One float copied to all lanes. */
  broadcast(lanes: Lanes, to: number, from: Memory): this {
    return this.#vector(2, 1, lanes, 0x18, to, 0, from, undefined, 4);
  }
  /** Bytes as integers, as many as there are lanes. */
  loadBytes(lanes: Lanes, to: number, from: Memory): this {
    return this.#vector(2, 1, lanes, 0x31, to, 0, from, undefined, lanes);
  }
  /** Four floats, copied to all fours of lanes. */
  broadcastFour(lanes: 8 | 16, to: number, from: Memory): this {
    return this.#vector(2, 1, lanes, 0x1a, to, 0, from, undefined, 16);
  }
  /** Four floats into lanes 4 · which to 4 · which + 3. */
  insertFour(lanes: 8 | 16, to: number, from: Memory | number, which: number): this {
    return this.#vector(3, 1, lanes, 0x18, to, to, from, which, 16);
  }
  /** Those lanes as the first four. */
  extractFour(lanes: 8 | 16, to: number, from: number, which: number): this {
    return this.#vector(3, 1, lanes, 0x19, from, 0, to, which, 16);
  }
  /** One float into lane 0, the others zero. */
  loadFirst(to: number, from: Memory): this {
    return this.#vector(1, 2, 4, 0x10, to, 0, from, undefined, 4);
  }
  /** One float into another lane. */
  loadLane(to: number, from: Memory, lane: number): this {
    return this.#vector(3, 1, 4, 0x21, to, to, from, lane << 4, 4);
  }
  storeLane(to: Memory, from: number, lane: number): this {
    return this.#vector(3, 1, 4, 0x17, from, 0, to, lane, 4);
  }
  /** Before returning to code that knows only half of the registers. */
  zeroUpper(): this {
    return this.emit(0xc5, 0xf8, 0x77);
  }

  #int32(value: number): this {
    return this.#byte(value)
      .#byte(value >> 8)
      .#byte(value >> 16)
      .#byte(value >> 24);
  }

  /** A distance from the next instruction, which begins so many bytes after it. */
  #relative(label: Label, after = 0): this {
    this.#jumps.push({ at: this.size, label, end: this.size + 4 + after });
    return this.#int32(0);
  }

  #integer(w: 0 | 1, opcode: readonly number[], register: number, operand: Operand): this {
    this.#rex(w, register, typeof operand === "number" ? operand : "base" in operand ? operand.base : 0);
    for (const byte of opcode) this.#byte(byte);
    return this.#modRm(register, operand);
  }

  #rex(w: 0 | 1, register: number, base: number): void {
    const prefix = 0x40 | (w << 3) | (register >= 8 ? 4 : 0) | (base >= 8 ? 1 : 0);
    if (prefix !== 0x40) this.#byte(prefix);
  }

  /** `tuple`: bytes that the operand has in memory; `long`: lanes are of 64 bits, which AVX-512 tells apart. */
  #vector(
    map: number,
    prefix: number,
    lanes: Lanes,
    opcode: number,
    register: number,
    second: number,
    operand: Operand,
    immediate?: number,
    tuple = 4 * lanes,
    long = false,
  ): this {
    const far = register >= 16 || second >= 16 || (typeof operand === "number" && operand >= 16);
    if (lanes === 16 || far || isOfAvx512(operand)) this.#evex(map, prefix, lanes, opcode, register, second, operand, immediate !== undefined, tuple, long);
    else this.#vex(map, prefix, lanes === 8, opcode, register, second, operand, immediate);
    return immediate === undefined ? this : this.#byte(immediate);
  }

  #vex(map: number, prefix: number, wide: boolean, opcode: number, register: number, second: number, operand: Operand, immediate?: number): void {
    const base = typeof operand === "number" ? operand : "base" in operand ? operand.base : 0;
    const low = ((~second & 15) << 3) | (wide ? 4 : 0) | prefix;
    const r = register >= 8 ? 0 : 0x80;
    if (map === 1 && base < 8) this.#byte(0xc5).#byte(r | low);
    else
      this.#byte(0xc4)
        .#byte(r | 0x40 | (base >= 8 ? 0 : 0x20) | map)
        .#byte(low);
    this.#byte(opcode).#modRm(register, operand, immediate === undefined ? 0 : 1);
  }

  /** AVX-512's prefix: five bits for each register, one float copied to all lanes, offsets in units of what is read. */
  #evex(
    map: number,
    prefix: number,
    lanes: Lanes,
    opcode: number,
    register: number,
    second: number,
    operand: Operand,
    immediate: boolean,
    tuple: number,
    long: boolean,
  ): void {
    const memory = typeof operand === "object" && "base" in operand ? operand : null;
    const base = typeof operand === "number" ? operand : (memory?.base ?? 0);
    const bit = (set: number, value: number): number => (set ? 0 : value);
    // The operand's fifth bit, if it is a register, is where an index's fourth one would be; indices are of the first eight.
    const masks = memory?.masked ? MASK | (opcode === STORE ? 0 : 0x80) : 0;
    const x = bit(typeof operand === "number" ? operand & 16 : 0, 0x40);
    this.#byte(0x62)
      .#byte(bit(register & 8, 0x80) | x | bit(base & 8, 0x20) | bit(register & 16, 0x10) | map)
      .#byte((long ? 0x80 : 0) | ((~second & 15) << 3) | 4 | prefix)
      .#byte(((lanes >> 3) << 5) | (memory?.copied ? 0x10 : 0) | bit(second & 16, 8) | masks);
    this.#byte(opcode).#modRm(register, operand, immediate ? 1 : 0, memory?.copied ? 4 : tuple);
  }

  /** `after`: bytes of the instruction that follow; `unit`: what an offset of one byte counts in. */
  #modRm(register: number, operand: Operand, after = 0, unit = 1): this {
    const middle = (register & 7) << 3;
    if (typeof operand === "number") return this.#byte(0xc0 | middle | (operand & 7));
    if ("bits" in operand) return this.#byte(5 | middle).#relative(this.#constantLabel(operand.bits), after);
    const { base, offset, index, scale } = operand;
    // Base 5 without an offset means something else, and base 4 needs a byte of its own.
    const units = offset / unit;
    const mode = offset === 0 && (base & 7) !== 5 ? 0 : Number.isInteger(units) && units >= -128 && units <= 127 ? 1 : 2;
    this.#byte((mode << 6) | middle | (index === undefined ? base & 7 : 4));
    if (index !== undefined) this.#byte((scale === 4 ? 0x80 : 0) | (index << 3) | (base & 7));
    else if ((base & 7) === 4) this.#byte(0x24);
    if (mode === 1) this.#byte(units);
    return mode === 2 ? this.#int32(offset) : this;
  }

  #constantLabel(bits: Constant["bits"]): Label {
    const words = typeof bits === "number" ? new Array<number>(this.#widest).fill(bits) : bits;
    const key = words.join();
    const known = this.#constants.get(key) ?? { label: this.label(), words };
    this.#constants.set(key, known);
    return known.label;
  }
}
