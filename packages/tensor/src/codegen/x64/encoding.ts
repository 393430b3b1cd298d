/** @file How the parts of an x86-64 instruction become bytes: registers, places in memory, prefixes (Intel's Software Developer's Manual, volume 2,
 * chapter 2). */

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

/** Operations that write their operand in memory. */
export const STORE = 0x11;
/** The mask register in use; the first one means all lanes. */
export const MASK = 1;

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

/** Code under construction. */
export class Encoder {
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

  protected int32(value: number): this {
    return this.#byte(value)
      .#byte(value >> 8)
      .#byte(value >> 16)
      .#byte(value >> 24);
  }

  /** Four bytes that are given later, by the function returned. */
  protected int32Later(): (value: number) => void {
    const place = this.size;
    this.int32(0);
    return (value) => {
      for (let i = 0; i < 4; i++) this.#bytes[place + i] = value >> (8 * i);
    };
  }

  /** A distance from the next instruction, which begins so many bytes after it. */
  protected relative(label: Label, after = 0): this {
    this.#jumps.push({ at: this.size, label, end: this.size + 4 + after });
    return this.int32(0);
  }

  protected integer(w: 0 | 1, opcode: readonly number[], register: number, operand: Operand): this {
    this.rex(w, register, typeof operand === "number" ? operand : "base" in operand ? operand.base : 0);
    for (const byte of opcode) this.#byte(byte);
    return this.#modRm(register, operand);
  }

  protected rex(w: 0 | 1, register: number, base: number): void {
    const prefix = 0x40 | (w << 3) | (register >= 8 ? 4 : 0) | (base >= 8 ? 1 : 0);
    if (prefix !== 0x40) this.#byte(prefix);
  }

  /** `tuple`: bytes that the operand has in memory; `long`: lanes are of 64 bits, which AVX-512 tells apart. */
  protected vectorOf(
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
    if ("bits" in operand) return this.#byte(5 | middle).relative(this.#constantLabel(operand.bits), after);
    const { base, offset, index, scale } = operand;
    // Base 5 without an offset means something else, and base 4 needs a byte of its own.
    const units = offset / unit;
    const mode = offset === 0 && (base & 7) !== 5 ? 0 : Number.isInteger(units) && units >= -128 && units <= 127 ? 1 : 2;
    this.#byte((mode << 6) | middle | (index === undefined ? base & 7 : 4));
    if (index !== undefined) this.#byte((scale === 4 ? 0x80 : 0) | (index << 3) | (base & 7));
    else if ((base & 7) === 4) this.#byte(0x24);
    if (mode === 1) this.#byte(units);
    return mode === 2 ? this.int32(offset) : this;
  }

  #constantLabel(bits: Constant["bits"]): Label {
    const words = typeof bits === "number" ? new Array<number>(this.#widest).fill(bits) : bits;
    const key = words.join();
    const known = this.#constants.get(key) ?? { label: this.label(), words };
    this.#constants.set(key, known);
    return known.label;
  }
}
