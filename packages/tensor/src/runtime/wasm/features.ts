/** @file What this WebAssembly engine can do. */
import { FunctionBuilder } from "../../codegen/wasm/function-builder.ts";
import { encodeModule } from "../../codegen/wasm/module.ts";
import { OP, SIMD } from "../../codegen/wasm/opcodes.ts";
import { seeWideVectors } from "./wide.ts";

let relaxed: boolean | null = null;
let fused: boolean | null = null;
let wide: boolean | null = null;

/** Whether 128-bit vectors exist, which all generated code needs. */
export function simdAvailable(): boolean {
  return validates((f) => f.v128(0).op(OP.drop));
}

/** Whether fused multiply-add exists. Node 20 has it behind a flag, which is switched on here; it must be before the first use. */
export function relaxedSimdAvailable(): boolean {
  if (relaxed === null) {
    const process = (globalThis as { process?: { getBuiltinModule?(id: string): { setFlagsFromString(flag: string): void } } }).process;
    if (!usesRelaxed()) process?.getBuiltinModule?.("node:v8").setFlagsFromString("--experimental-wasm-relaxed-simd");
    relaxed = usesRelaxed();
  }
  return relaxed;
}

/** Whether relaxed multiply-adds round once, which the engine decides by processor and flags. */
export function fusedMultiplyAdd(): boolean {
  fused ??= relaxedSimdAvailable() && seeFusing();
  return fused;
}

/** Whether x · x − (1 + 2ε), with x = 1 + ε, keeps the ε² that a rounded product has lost. */
function seeFusing(): boolean {
  const epsilon = 2 ** -12;
  const f = new FunctionBuilder([]);
  const splat = (address: number): FunctionBuilder => f.i32(address).v128LoadSplat();
  f.i32(16);
  splat(0);
  splat(0);
  splat(4).simd(SIMD.f32x4_relaxed_madd).v128Store();
  const pages = { initialPages: 1, maximumPages: 1, shared: false };
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(encodeModule([f], { run: 0 }, pages)), { env: { memory } });
  const numbers = new Float32Array(memory.buffer);
  numbers.set([1 + epsilon, -(1 + 2 * epsilon)]);
  (exports["run"] as () => void)();
  return numbers[4] === epsilon ** 2;
}

/** Whether the engine turns 128-bit operations into 256-bit ones; found out once, in about a tenth of a second, on engines that may.
 * Must be asked before workers start and other code is compiled. */
export function wideVectorsAvailable(): boolean {
  wide ??= relaxedSimdAvailable() && seeWideVectors();
  return wide;
}

/** What the generated code can use. */
type WasmFeatures = {
  readonly simd: boolean;
  readonly "relaxed-simd": boolean;
  readonly "fused-multiply-add": boolean;
  readonly "wide-vectors": boolean;
  readonly threads: boolean;
};

/** The optional features that the generated code can use, and whether they are there. */
export function wasmFeatures(): WasmFeatures {
  return {
    simd: simdAvailable(),
    "relaxed-simd": relaxedSimdAvailable(),
    "fused-multiply-add": fusedMultiplyAdd(),
    "wide-vectors": wideVectorsAvailable(),
    threads: validates((f) => f.i32(0).atomicLoad().op(OP.drop)),
  };
}

function usesRelaxed(): boolean {
  return validates((f) => f.v128(0).v128(0).v128(0).simd(SIMD.f32x4_relaxed_madd).op(OP.drop));
}

function validates(body: (f: FunctionBuilder) => void): boolean {
  const f = new FunctionBuilder([]);
  body(f);
  return WebAssembly.validate(encodeModule([f], {}, { initialPages: 1, maximumPages: 1, shared: true }));
}
