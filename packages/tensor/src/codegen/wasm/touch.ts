/** @file Reading ahead. WebAssembly has no prefetch instruction, and a kernel that goes along many rows at once waits for most lines it
 * comes to. Reading one word of each line beforehand, in the order of their addresses, lets the processor fetch them at the memory's
 * full speed. A load that may trap is kept by V8 even if nobody wants its value. */
import type { FunctionBuilder } from "./function-builder.ts";
import { I32, OP } from "./opcodes.ts";

const LINE = 64;

/** Emits reads of memory ranges; the locals are shared by all of one function. */
export class Toucher {
  readonly #f: FunctionBuilder;
  readonly #at: number;
  readonly #end: number;

  constructor(f: FunctionBuilder) {
    this.#f = f;
    [this.#at, this.#end] = [f.local(I32), f.local(I32)];
  }

  /** Reads the lines from the address that `pushStart` pushes up to the one of `pushEnd`, which is not read; at least one. */
  range(pushStart: () => void, pushEnd: () => void): void {
    const f = this.#f;
    pushStart();
    f.set(this.#at);
    pushEnd();
    f.set(this.#end);
    f.loop(() => {
      f.get(this.#at).i32Load().op(OP.drop);
      f.get(this.#at).i32(LINE).op(OP.i32_add).tee(this.#at).get(this.#end).op(OP.i32_lt_u).branchIf(0);
    });
  }
}
