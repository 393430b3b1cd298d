/** @file Whole modules, taken apart again by an independent tool (wabt): valid, with SIMD, and nothing beyond what was asked for. */
import { exp, matmul, mul, sum, type Value } from "@gradalign/tensor";
import { describe, expect, test } from "vitest";
import loadWabt from "wabt";
import { FunctionBuilder } from "../../src/codegen/wasm/function-builder.ts";
import { encodeModule } from "../../src/codegen/wasm/module.ts";
import { I32, OP } from "../../src/codegen/wasm/opcodes.ts";
import { encodeProgram, type ProgramOptions } from "../../src/codegen/wasm/program.ts";
import { generateKernel } from "../../src/codegen/webgpu/program.ts";
import { Node } from "../../src/ir/graph.ts";
import type { Kernel } from "../../src/ir/kernel.ts";
import { compileGraph } from "../../src/passes/pipeline.ts";

const wabt = await loadWabt();

const SHARED: ProgramOptions = { memory: { initialPages: 1, maximumPages: 65536, shared: true }, threads: 2, arenaBytes: 0, relaxed: false, wide: false };
const ALONE: ProgramOptions = { memory: { initialPages: 1, maximumPages: 65536, shared: false }, threads: 1, arenaBytes: 0, relaxed: false, wide: false };

/** Extensions that wabt would allow unasked. */
const NOTHING = { mutable_globals: false, sign_extension: false, multi_value: false, bulk_memory: false, reference_types: false };

/** The text form of a module; wabt checks it against the specification with only these extensions to WebAssembly 1.0. */
function disassemble(bytes: Uint8Array, features: { threads?: boolean }): string {
  const allowed = { ...NOTHING, simd: true, sat_float_to_int: true, ...features };
  const module = wabt.readWasm(bytes, allowed);
  try {
    // The types leave out that `validate` takes the extensions too.
    (module.validate as (options: object) => void).call(module, allowed);
    return module.toText({ foldExprs: false, inlineExport: false });
  } finally {
    module.destroy();
  }
}

function compile(f: (x: Node) => Value, shape: readonly number[], options: ProgramOptions): Uint8Array<ArrayBuffer> {
  const x = new Node("input", [], {}, shape, "float32");
  const { calls } = compileGraph([x], [f(x)], [false]);
  const program = calls.map(({ kernel, buffers }) => ({ kernel, buffers: buffers.map((_, slot) => ({ kind: "slot", slot }) as const) }));
  return encodeProgram(program, options).bytes;
}

describe("a program", () => {
  const f = (x: Node): Value => sum(mul(exp(x), x), [1]);

  test("for one thread uses SIMD and no atomics, and imports its memory", () => {
    const text = disassemble(compile(f, [5, 37], ALONE), {});
    expect(text).toMatch(/\(import "env" "memory" \(memory \(;0;\) 1 65536\)\)/);
    for (const instruction of ["v128.load", "f32x4.mul", "f32x4.add", "f32x4.floor", "i32x4.trunc_sat_f32x4_s"]) expect(text).toContain(instruction);
    expect(text).not.toMatch(/atomic/);
    expect(text).toMatch(/\(export "run"/);
    // Ninety-five of a hundred elements go through lanes; 37 leaves one for the single-element loop.
    expect(text).toMatch(/f32\.mul/);
  });

  test("for several threads claims tasks atomically and waits at a barrier", () => {
    const bytes = compile(f, [5, 37], SHARED);
    const text = disassemble(bytes, { threads: true });
    for (const instruction of ["i32.atomic.rmw.add", "memory.atomic.wait32", "memory.atomic.notify"]) expect(text).toContain(instruction);
    expect(text).toMatch(/memory \(;0;\) 1 65536 shared/);
    // Without threads in the engine the same module is not valid.
    expect(() => disassemble(bytes, {})).toThrow();
  });

  test("with equal kernels contains their code once", () => {
    const twice = (x: Node): Value => matmul(matmul(x, x), x);
    const functions = (bytes: Uint8Array): number => (disassemble(bytes, {}).match(/\(func /g) ?? []).length;
    const once = functions(compile((x) => matmul(x, x), [8, 8], ALONE));
    expect(functions(compile(twice, [8, 8], ALONE))).toBe(once);
  });

  test.each([
    ["one thread", ALONE],
    ["several threads", SHARED],
  ])("of %s has functions of limited length, however many its kernels are", (_, options) => {
    const chain = (length: number) => (x: Node) => Array.from({ length }).reduce((y: Value) => matmul(y, x), x);
    const longest = (length: number): number => {
      const functions = disassemble(compile(chain(length), [8, 8], options), { threads: options.memory.shared }).split("(func ");
      return Math.max(...functions.map((text) => text.split("\n").length));
    };
    expect(longest(600)).toBe(longest(200));
  });

  test("is a function of the graph alone", () => {
    expect(compile(f, [5, 37], SHARED)).toEqual(compile(f, [5, 37], SHARED));
  });
});

describe("encoding", () => {
  /** Runs an empty-handed function that leaves one i32, by storing it at 0. */
  function evaluate(build: (f: FunctionBuilder) => void): number {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
    const f = new FunctionBuilder([]);
    f.i32(0);
    build(f);
    f.i32Store();
    const bytes = encodeModule([f], { run: 0 }, { initialPages: 1, maximumPages: 1, shared: false });
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
    (exports["run"] as () => void)();
    return new Int32Array(memory.buffer)[0]!;
  }

  test("signed constants at the edges of every length", () => {
    const edges = [6, 7, 13, 14, 20, 21, 27, 28, 30, 31].flatMap((bits) => [2 ** bits - 1, 2 ** bits, -(2 ** bits), -(2 ** bits) - 1, -(2 ** bits) + 1]);
    for (const value of [0, 1, -1, ...edges])
      expect(
        evaluate((f) => f.i32(value)),
        `${value}`,
      ).toBe(value | 0);
  });

  test("unsigned offsets and 64-bit constants at the edges of every length", () => {
    for (const offset of [0, 127, 128, 16383, 16384, 65532]) {
      expect(
        evaluate((f) => f.i32(0).i32(41).i32Store(offset).i32(0).i32Load(offset)),
        `${offset}`,
      ).toBe(41);
    }
    for (const value of [0, 63, 64, 127, 8191, 8192, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 40, 2 ** 53 - 1]) {
      const [low, high] = [Number(BigInt.asIntN(32, BigInt(value))), Math.floor(value / 2 ** 32) | 0];
      expect(
        evaluate((f) => f.i64(value).op(OP.i32_wrap_i64)),
        `${value}`,
      ).toBe(low);
      expect(
        evaluate((f) => f.i64(value).i64(32).op(OP.i64_shr_u, OP.i32_wrap_i64)),
        `${value}`,
      ).toBe(high);
    }
  });

  test("floats keep their bits: NaN, infinities, negative zero, subnormals", () => {
    const bits = (x: number): number => new Int32Array(Float32Array.of(x).buffer)[0]!;
    for (const value of [0, -0, 1.5, Infinity, -Infinity, NaN, 1e-45, 3.4028234663852886e38]) {
      expect(
        evaluate((f) => f.f32(value).op(OP.i32_reinterpret_f32)),
        `${value}`,
      ).toBe(bits(value));
      expect(
        evaluate((f) => f.v128(bits(value)).extractLaneI32(3)),
        `${value}`,
      ).toBe(bits(value));
    }
    expect(evaluate((f) => f.v128Lanes([1, -2, 2 ** 31 - 1, -(2 ** 31)]).extractLaneI32(3))).toBe(-(2 ** 31));
  });

  test("more locals, functions and code than one byte counts", () => {
    const functions = Array.from({ length: 200 }, (_, i) => {
      const f = new FunctionBuilder([I32]);
      const locals = Array.from({ length: 150 }, (__, j) => f.local(j % 3 === 0 ? 0x7d : I32));
      f.i32(i).set(locals[149]!);
      for (let n = 0; n < 50; n++) f.get(locals[149]!).op(OP.drop);
      return f;
    });
    const caller = new FunctionBuilder([]);
    caller.i32(1).call(199);
    const bytes = encodeModule([...functions, caller], { run: 200 }, { initialPages: 1, maximumPages: 1, shared: false });
    expect(WebAssembly.validate(bytes)).toBe(true);
    expect(disassemble(bytes, {})).toContain("call 199");
  });

  test("a counted loop runs as often as it should, from any start, with any step", () => {
    for (const [from, to, step] of [
      [0, 1, 1],
      [0, 10, 3],
      [5, 6, 4],
      [-3, 3, 2],
      [4, 4, 1],
      [7, 2, 1],
    ] as const) {
      const turns = evaluate((f) => {
        const [i, n] = [f.local(I32), f.local(I32)];
        f.op(OP.drop);
        f.countedLoop(i, from, to, step, () => f.get(n).i32(1).op(OP.i32_add).set(n));
        f.i32(0).get(n);
      });
      expect(turns, `${from} to ${to} by ${step}`).toBe(Math.max(0, Math.ceil((to - from) / step)));
    }
  });
});

test("a kernel over nothing is refused by both code generators", () => {
  const over = (extents: readonly number[]): Kernel => ({
    kind: "loop",
    extents,
    reduced: 0,
    outputs: [{ buffer: 0, dtype: "float32", at: { offset: 0, strides: [1] }, value: { kind: "const", dtype: "float32", value: 1 } }],
  });
  const wasm = (kernel: Kernel): unknown => encodeProgram([{ kernel, buffers: [{ kind: "arena", offset: 0 }] }], ALONE);
  const webgpu = (kernel: Kernel): unknown => generateKernel(kernel, [{ binding: 0, word: 0 }]);
  for (const generate of [wasm, webgpu]) {
    expect(() => generate(over([2]))).not.toThrow();
    expect(() => generate(over([0]))).toThrow("a loop kernel over nothing, [0], got to code generation");
    expect(() => generate({ kind: "random", count: 0 })).toThrow("a random kernel over nothing");
  }
});
