/** @file What the emitters of single kernels and the program assembler share. */
import type { FunctionBuilder } from "./function-builder.ts";

/** A compiled kernel. Its tasks are independent, may run in any order and on any thread, and together write every element. */
export interface KernelCode {
  /** Number of independent tasks. */
  readonly tasks: number;
  /** Index of the function in the module: parameters are the task (i32), then a byte address (i32) per buffer in the kernel's order. */
  readonly entry: number;
}

/** The module under construction, as seen by an emitter. */
export interface ModuleContext {
  /** Adds a finished function and returns its index. */
  add(f: FunctionBuilder): number;
  /** Asks for memory of each thread's own, for values that do not outlive a task; it starts so many bytes after the address in the
   * global {@link SCRATCH}, a multiple of 64. */
  scratch(bytes: number): number;
  /** Whether the engine joins neighbouring 128-bit operations to 256-bit ones. */
  readonly wide: boolean;
  /** Whether relaxed SIMD, `f32x4.relaxed_madd` above all, may be used. */
  readonly relaxed: boolean;
}

/** The module's global: the address (i32) of the thread's scratch memory. */
export const SCRATCH = 0;
