/** @file A WebAssembly binary encoder: functions as byte lists, modules as sections. Offsets of loads and stores are always
 * immediates, because address arithmetic in registers costs a third of a micro-kernel's speed. */

export const I32 = 0x7f;
export const F32 = 0x7d;
export const F64 = 0x7c;
export const I64 = 0x7e;
export const V128 = 0x7b;
export type WasmType = typeof I32 | typeof I64 | typeof F32 | typeof F64 | typeof V128;

/** Unsigned LEB128. */
function unsigned(value: number): number[] {
  const out: number[] = [];
  let rest = value >>> 0;
  do {
    const low = rest & 127;
    rest >>>= 7;
    out.push(rest ? low | 128 : low);
  } while (rest);
  return out;
}

/** Signed LEB128 of a 32-bit integer. */
function signed(value: number): number[] {
  const out: number[] = [];
  let rest = value | 0;
  for (;;) {
    const low = rest & 127;
    rest >>= 7;
    if ((rest === 0 && !(low & 64)) || (rest === -1 && low & 64)) {
      out.push(low);
      return out;
    }
    out.push(low | 128);
  }
}

function text(value: string): number[] {
  const bytes = new TextEncoder().encode(value);
  return [...unsigned(bytes.length), ...bytes];
}

function vector(items: readonly (readonly number[])[]): number[] {
  return [...unsigned(items.length), ...items.flat()];
}

/** One-byte opcodes without immediates. */
export const OP = {
  unreachable: 0x00,
  return: 0x0f,
  drop: 0x1a,
  select: 0x1b,
  i32_eqz: 0x45,
  i32_eq: 0x46,
  i32_ne: 0x47,
  i32_lt_s: 0x48,
  i32_lt_u: 0x49,
  i32_gt_s: 0x4a,
  i32_ge_s: 0x4e,
  i32_ge_u: 0x4f,
  i32_le_s: 0x4c,
  f32_eq: 0x5b,
  f32_lt: 0x5d,
  f32_le: 0x5f,
  i32_add: 0x6a,
  i32_sub: 0x6b,
  i32_mul: 0x6c,
  i32_div_s: 0x6d,
  i32_div_u: 0x6e,
  i32_rem_u: 0x70,
  i32_and: 0x71,
  i32_or: 0x72,
  i32_xor: 0x73,
  i32_shl: 0x74,
  i32_shr_s: 0x75,
  i32_shr_u: 0x76,
  i64_shr_u: 0x88,
  i32_wrap_i64: 0xa7,
  f32_abs: 0x8b,
  f32_neg: 0x8c,
  f32_floor: 0x8e,
  f32_sqrt: 0x91,
  f32_add: 0x92,
  f32_sub: 0x93,
  f32_mul: 0x94,
  f32_div: 0x95,
  f32_min: 0x96,
  f32_max: 0x97,
  f64_add: 0xa0,
  f32_convert_i32_s: 0xb2,
  f32_demote_f64: 0xb6,
  f64_promote_f32: 0xbb,
  i32_reinterpret_f32: 0xbc,
  f32_reinterpret_i32: 0xbe,
} as const;

/** SIMD opcodes (prefix 0xfd) without immediates. */
export const SIMD = {
  i8x16_swizzle: 14,
  i32x4_splat: 17,
  f32x4_splat: 19,
  i32x4_eq: 55,
  i32x4_lt_s: 57,
  i32x4_gt_s: 59,
  i32x4_le_s: 61,
  f32x4_eq: 65,
  f32x4_lt: 67,
  f32x4_le: 69,
  v128_not: 77,
  v128_and: 78,
  v128_andnot: 79,
  v128_or: 80,
  v128_xor: 81,
  v128_bitselect: 82,
  f32x4_demote_f64x2_zero: 94,
  f64x2_promote_low_f32x4: 95,
  f32x4_floor: 104,
  i32x4_abs: 160,
  i32x4_neg: 161,
  i32x4_shl: 171,
  i32x4_shr_s: 172,
  i32x4_shr_u: 173,
  i32x4_add: 174,
  i32x4_sub: 177,
  i32x4_mul: 181,
  i32x4_min_s: 182,
  i32x4_max_s: 184,
  i64x2_extmul_low_i32x4_u: 222,
  i64x2_extmul_high_i32x4_u: 223,
  f32x4_abs: 224,
  f32x4_neg: 225,
  f32x4_sqrt: 227,
  f32x4_add: 228,
  f32x4_sub: 229,
  f32x4_mul: 230,
  f32x4_div: 231,
  f32x4_min: 232,
  f32x4_max: 233,
  f32x4_pmin: 234,
  f32x4_pmax: 235,
  f64x2_add: 240,
  i32x4_trunc_sat_f32x4_s: 248,
  f32x4_convert_i32x4_s: 250,
  i16x8_extend_low_i8x16_u: 137,
  i32x4_extend_low_i16x8_u: 169,
  f32x4_relaxed_madd: 0x105,
  i32x4_relaxed_laneselect: 0x10b,
} as const;

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

export interface ModuleMemory {
  readonly initialPages: number;
  readonly maximumPages: number;
  readonly shared: boolean;
}

/** Encodes a module that imports its memory as `env.memory`, has one global, an i32, and exports the named functions. */
export function encodeModule(functions: readonly FunctionBuilder[], exports: Readonly<Record<string, number>>, memory: ModuleMemory): Uint8Array<ArrayBuffer> {
  const signatures = new Map<string, number>();
  const types: number[][] = [];
  const typeIndex = functions.map((f) => {
    const key = f.params.join(",");
    let index = signatures.get(key);
    if (index === undefined) {
      index = types.length;
      signatures.set(key, index);
      types.push([0x60, ...vector(f.params.map((type) => [type])), 0]);
    }
    return unsigned(index);
  });
  const limits = [memory.shared ? 3 : 1, ...unsigned(memory.initialPages), ...unsigned(memory.maximumPages)];
  const bodies = functions.map((f) => {
    const runs: [number, WasmType][] = [];
    for (const type of f.locals) {
      const last = runs.at(-1);
      if (last?.[1] === type) last[0]++;
      else runs.push([1, type]);
    }
    const head = vector(runs.map(([count, type]) => [...unsigned(count), type]));
    return { head, code: f.code, size: head.length + f.code.length + 1 };
  });
  const sections: number[][] = [
    [1, ...sized(vector(types))],
    [2, ...sized(vector([[...text("env"), ...text("memory"), 2, ...limits]]))],
    [3, ...sized(vector(typeIndex))],
    [6, ...sized(vector([[I32, 1, 0x41, 0, 0x0b]]))],
    [7, ...sized(vector(Object.entries(exports).map(([name, index]) => [...text(name), 0, ...unsigned(index)])))],
  ];
  const count = unsigned(bodies.length);
  let codeSize = count.length;
  for (const body of bodies) codeSize += unsigned(body.size).length + body.size;
  const head = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...sections.flat(), 10, ...unsigned(codeSize), ...count];
  const bytes = new Uint8Array(head.length + codeSize - count.length);
  bytes.set(head);
  let at = head.length;
  for (const body of bodies) {
    for (const part of [unsigned(body.size), body.head, body.code, [0x0b]]) {
      bytes.set(part, at);
      at += part.length;
    }
  }
  return bytes;
}

function sized(bytes: readonly number[]): number[] {
  return [...unsigned(bytes.length), ...bytes];
}
