/** @file WebAssembly functions as byte lists. Offsets of loads and stores are always immediates, because address arithmetic in registers
 * costs a third of a micro-kernel's speed. */
import { OP, type WasmType } from "./opcodes.ts";

export type Block = () => void;

/** One function under construction. Methods append instructions and return the function, so that code reads in stack order. */
export class FunctionBuilder {
  readonly params: readonly WasmType[];
  readonly locals: WasmType[] = [];
  readonly code: number[] = [];

  constructor(params: readonly WasmType[]) {
    this.params = params;
  }

  /** Adds a local variable, zero at entry, and returns its index. */
  local(type: WasmType): number {
    this.locals.push(type);
    return this.params.length + this.locals.length - 1;
  }

  emit(...bytes: number[]): this {
    for (const byte of bytes) this.code.push(byte);
    return this;
  }
  /** A byte, then a number as unsigned LEB128. */
  #with(byte: number, value: number): this {
    this.code.push(byte);
    let rest = value >>> 0;
    for (; rest > 127; rest >>>= 7) this.code.push((rest & 127) | 128);
    this.code.push(rest);
    return this;
  }
  /** An access to memory, whose address is on the stack. */
  #access(code: number, alignment: number, offset: number): this {
    this.code.push(code);
    return this.#with(alignment, offset);
  }
  op(...codes: number[]): this {
    return this.emit(...codes);
  }
  simd(code: number): this {
    return this.#with(0xfd, code);
  }
  get(local: number): this {
    return this.#with(0x20, local);
  }
  set(local: number): this {
    return this.#with(0x21, local);
  }
  tee(local: number): this {
    return this.#with(0x22, local);
  }
  globalGet(index: number): this {
    return this.#with(0x23, index);
  }
  globalSet(index: number): this {
    return this.#with(0x24, index);
  }
  i32(value: number): this {
    this.code.push(0x41);
    let rest = value | 0;
    for (; rest > 63 || rest < -64; rest >>= 7) this.code.push((rest & 127) | 128);
    this.code.push(rest & 127);
    return this;
  }
  /** A 64-bit constant from a non-negative integer below 2^53. */
  i64(value: number): this {
    this.emit(0x42);
    let rest = BigInt(value);
    for (;;) {
      const low = Number(rest & 127n);
      rest >>= 7n;
      if (rest === 0n && !(low & 64)) return this.emit(low);
      this.emit(low | 128);
    }
  }
  f32(value: number): this {
    const bytes = new Uint8Array(new Float32Array([value]).buffer);
    return this.emit(0x43, ...bytes);
  }
  /** A constant of four equal 32-bit lanes, given by its bits. */
  v128(bits: number): this {
    this.emit(0xfd, 12);
    for (let lane = 0; lane < 4; lane++) this.emit(bits & 255, (bits >>> 8) & 255, (bits >>> 16) & 255, bits >>> 24);
    return this;
  }
  call(index: number): this {
    return this.#with(0x10, index);
  }

  /** Loads and stores take the address from the stack and a constant byte offset. */
  i32Load(offset = 0): this {
    return this.#access(0x28, 2, offset);
  }
  f32Load(offset = 0): this {
    return this.#access(0x2a, 2, offset);
  }
  f64Load(offset = 0): this {
    return this.#access(0x2b, 3, offset);
  }
  f64Store(offset = 0): this {
    return this.#access(0x39, 3, offset);
  }
  i32Load8(offset = 0): this {
    return this.#access(0x2d, 0, offset);
  }
  i32Store(offset = 0): this {
    return this.#access(0x36, 2, offset);
  }
  f32Store(offset = 0): this {
    return this.#access(0x38, 2, offset);
  }
  i32Store8(offset = 0): this {
    return this.#access(0x3a, 0, offset);
  }
  v128Load(offset = 0): this {
    return this.simd(0).#with(2, offset);
  }
  /** One 32-bit element copied to all lanes. */
  v128LoadSplat(offset = 0): this {
    return this.simd(9).#with(2, offset);
  }
  /** One 32-bit element into lane 0, the others zero. */
  v128LoadZero(offset = 0): this {
    return this.simd(92).#with(2, offset);
  }
  /** Address and vector from the stack: replaces one lane. */
  v128LoadLane(lane: number, offset = 0): this {
    return this.simd(86).#with(2, offset).emit(lane);
  }
  v128Store(offset = 0): this {
    return this.simd(11).#with(2, offset);
  }
  v128StoreLane(lane: number, offset = 0): this {
    return this.simd(90).#with(2, offset).emit(lane);
  }
  extractLaneF32(lane: number): this {
    return this.simd(31).emit(lane);
  }
  extractLaneI32(lane: number): this {
    return this.simd(27).emit(lane);
  }
  /** Vector and i32 from the stack: replaces one lane. */
  replaceLaneI32(lane: number): this {
    return this.simd(28).emit(lane);
  }
  /** A constant of four 32-bit integer lanes. */
  v128Lanes(lanes: readonly number[]): this {
    this.emit(0xfd, 12);
    for (const bits of lanes) this.emit(bits & 255, (bits >>> 8) & 255, (bits >>> 16) & 255, bits >>> 24);
    return this;
  }
  /** Two vectors from the stack: four of their eight 32-bit words. */
  shuffleWords(words: readonly number[]): this {
    return this.shuffle(words.flatMap((word) => [0, 1, 2, 3].map((byte) => 4 * word + byte)));
  }
  shuffle(lanes: readonly number[]): this {
    return this.simd(13).emit(...lanes);
  }

  atomicAdd(offset = 0): this {
    return this.emit(0xfe).#access(0x1e, 2, offset);
  }
  atomicLoad(offset = 0): this {
    return this.emit(0xfe).#access(0x10, 2, offset);
  }
  atomicStore(offset = 0): this {
    return this.emit(0xfe).#access(0x17, 2, offset);
  }
  /** Address, expected value, timeout in ns (i64) from the stack; pushes the reason for waking. */
  atomicWait(offset = 0): this {
    return this.emit(0xfe).#access(0x01, 2, offset);
  }
  /** Address and count from the stack; pushes how many woke. */
  atomicNotify(offset = 0): this {
    return this.emit(0xfe).#access(0x00, 2, offset);
  }

  /** A loop; inside, `continue(0)` (branch depth 0) starts the next turn. */
  loop(body: Block): this {
    this.emit(0x03, 0x40);
    body();
    return this.emit(0x0b);
  }
  /** A block; branch depth 0 inside leaves it. */
  block(body: Block): this {
    this.emit(0x02, 0x40);
    body();
    return this.emit(0x0b);
  }
  /** Takes the condition from the stack; with a result type both arms push one value. */
  if(then: Block, otherwise?: Block, result: WasmType | 0x40 = 0x40): this {
    this.emit(0x04, result);
    then();
    if (otherwise) {
      this.emit(0x05);
      otherwise();
    }
    return this.emit(0x0b);
  }
  branch(depth: number): this {
    return this.#with(0x0c, depth);
  }
  branchIf(depth: number): this {
    return this.#with(0x0d, depth);
  }

  /** Runs `body` for local = from, from+step, … while local < to (all known and at least one turn is certain). */
  countedLoop(local: number, from: number, to: number, step: number, body: Block): this {
    if (to <= from) return this;
    this.i32(from).set(local);
    return this.loop(() => {
      body();
      this.get(local).i32(step).op(OP.i32_add).tee(local).i32(to).op(OP.i32_lt_s).branchIf(0);
    });
  }
}
