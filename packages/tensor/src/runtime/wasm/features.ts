/** @file What this WebAssembly engine can do. */
import { FunctionBuilder } from "../../codegen/wasm/function-builder.ts";
import { encodeModule } from "../../codegen/wasm/module.ts";
import { OP, SIMD } from "../../codegen/wasm/opcodes.ts";
import { seeWideVectors } from "./wide.ts";

let relaxed: boolean | null = null;
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

/** Whether the engine turns 128-bit operations into 256-bit ones; found out once, in about a tenth of a second, on engines that may.
 * Must be asked before workers start and other code is compiled. */
export function wideVectorsAvailable(): boolean {
  wide ??= relaxedSimdAvailable() && seeWideVectors();
  return wide;
}

/** The optional features that the generated code can use, and whether they are there. */
export function wasmFeatures(): { readonly simd: boolean; readonly "relaxed-simd": boolean; readonly "wide-vectors": boolean; readonly threads: boolean } {
  return {
    simd: simdAvailable(),
    "relaxed-simd": relaxedSimdAvailable(),
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
