/** @file WebAssembly functions as byte lists. Offsets of loads and stores are always immediates, because address arithmetic in registers
 * costs a third of a micro-kernel's speed. */
import { signed, unsigned } from "./leb128.ts";
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
  op(...codes: number[]): this {
    return this.emit(...codes);
  }
  simd(code: number): this {
    return this.emit(0xfd, ...unsigned(code));
  }
  get(local: number): this {
    return this.emit(0x20, ...unsigned(local));
  }
  set(local: number): this {
    return this.emit(0x21, ...unsigned(local));
  }
  tee(local: number): this {
    return this.emit(0x22, ...unsigned(local));
  }
  globalGet(index: number): this {
    return this.emit(0x23, ...unsigned(index));
  }
  globalSet(index: number): this {
    return this.emit(0x24, ...unsigned(index));
  }
  i32(value: number): this {
    return this.emit(0x41, ...signed(value));
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
    return this.emit(0x10, ...unsigned(index));
  }

  /** Loads and stores take the address from the stack and a constant byte offset. */
  i32Load(offset = 0): this {
    return this.emit(0x28, 2, ...unsigned(offset));
  }
  f32Load(offset = 0): this {
    return this.emit(0x2a, 2, ...unsigned(offset));
  }
  f64Load(offset = 0): this {
    return this.emit(0x2b, 3, ...unsigned(offset));
  }
  f64Store(offset = 0): this {
    return this.emit(0x39, 3, ...unsigned(offset));
  }
  i32Load8(offset = 0): this {
    return this.emit(0x2d, 0, ...unsigned(offset));
  }
  i32Store(offset = 0): this {
    return this.emit(0x36, 2, ...unsigned(offset));
  }
  f32Store(offset = 0): this {
    return this.emit(0x38, 2, ...unsigned(offset));
  }
  i32Store8(offset = 0): this {
    return this.emit(0x3a, 0, ...unsigned(offset));
  }
  v128Load(offset = 0): this {
    return this.simd(0).emit(2, ...unsigned(offset));
  }
  /** One 32-bit element copied to all lanes. */
  v128LoadSplat(offset = 0): this {
    return this.simd(9).emit(2, ...unsigned(offset));
  }
  /** One 32-bit element into lane 0, the others zero. */
  v128LoadZero(offset = 0): this {
    return this.simd(92).emit(2, ...unsigned(offset));
  }
  /** Address and vector from the stack: replaces one lane. */
  v128LoadLane(lane: number, offset = 0): this {
    return this.simd(86).emit(2, ...unsigned(offset), lane);
  }
  v128Store(offset = 0): this {
    return this.simd(11).emit(2, ...unsigned(offset));
  }
  v128StoreLane(lane: number, offset = 0): this {
    return this.simd(90).emit(2, ...unsigned(offset), lane);
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
    return this.emit(0xfe, 0x1e, 2, ...unsigned(offset));
  }
  atomicLoad(offset = 0): this {
    return this.emit(0xfe, 0x10, 2, ...unsigned(offset));
  }
  atomicStore(offset = 0): this {
    return this.emit(0xfe, 0x17, 2, ...unsigned(offset));
  }
  /** Address, expected value, timeout in ns (i64) from the stack; pushes the reason for waking. */
  atomicWait(offset = 0): this {
    return this.emit(0xfe, 0x01, 2, ...unsigned(offset));
  }
  /** Address and count from the stack; pushes how many woke. */
  atomicNotify(offset = 0): this {
    return this.emit(0xfe, 0x00, 2, ...unsigned(offset));
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
    return this.emit(0x0c, ...unsigned(depth));
  }
  branchIf(depth: number): this {
    return this.emit(0x0d, ...unsigned(depth));
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
