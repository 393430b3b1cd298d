/** @file Whether this engine joins neighbouring 128-bit operations to 256-bit ones. V8 can from Node 24 on ("revectorization"), behind a
 * flag that is switched on here; it is trusted only after it has been seen to be right and faster. */
import type { FunctionBuilder } from "../../codegen/wasm/function-builder.ts";
import { encodeModule } from "../../codegen/wasm/module.ts";
import { emitKernel } from "../../codegen/wasm/program.ts";
import type { ConvKernel } from "../../ir/kernel.ts";

/** What is used of Node's process. */
interface NodeProcess {
  readonly versions: { readonly v8: string };
  getBuiltinModule?(id: string): { setFlagsFromString(flag: string): void };
}

/** V8 of Node 24; before it the flag is unknown or has no effect. */
const FIRST_V8 = 13;

/** Switches the feature on where it exists, then tries whether its results are right and code for it faster. Relaxed SIMD must be there. */
export function seeWideVectors(): boolean {
  return switchOn() && probe();
}

function switchOn(): boolean {
  const process = (globalThis as { process?: NodeProcess }).process;
  const v8 = process?.getBuiltinModule?.("node:v8");
  if (!v8 || Number.parseInt(process?.versions.v8 ?? "0", 10) < FIRST_V8) return false;
  v8.setFlagsFromString("--experimental-wasm-revectorize");
  return true;
}

/** A product of this many rows, inner and columns is timed in both forms for so many milliseconds. */
const [ROWS, INNER, COLUMNS] = [64, 256, 64] as const;
const PROBE_MS = 100;
/** Wide code must take less than this share of the other's time. */
const WORTH_IT = 0.85;

function probe(): boolean {
  const [wide, narrow] = [product(16), product(8)];
  const times = { wide: [] as number[], narrow: [] as number[] };
  const began = performance.now();
  while (performance.now() - began < PROBE_MS) {
    times.wide.push(wide.time());
    times.narrow.push(narrow.time());
  }
  // The engine runs quickly made code first. Of the later half the shortest time is the least disturbed.
  const best = (list: readonly number[]): number => Math.min(...list.slice(list.length >> 1));
  const [a, b] = [wide.result(), narrow.result()];
  return a.every((value, i) => value === b[i]) && best(times.wide) < WORTH_IT * best(times.narrow);
}

/** A matrix product with its columns in blocks of 8 or 16, and its operands. */
function product(block: 8 | 16): { time(): number; result(): Float32Array } {
  const strides = (pixel: number) => ({ offset: 0, image: 0, row: 0, pixel });
  const kernel: ConvKernel = {
    kind: "conv",
    ...{ batch: 1, height: 1, width: ROWS, channels: COLUMNS, block, rows: 1, run: INNER, tapRow: 0 },
    ...{ input: strides(INNER), output: strides(COLUMNS) },
  };
  const functions: FunctionBuilder[] = [];
  const code = emitKernel(kernel, { add: (f) => functions.push(f) - 1, scratch: () => 0, relaxed: true, wide: true });
  const pages = { initialPages: 4, maximumPages: 4, shared: false };
  const memory = new WebAssembly.Memory({ initial: pages.initialPages, maximum: pages.maximumPages });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(encodeModule(functions, { entry: code.entry }, pages)), { env: { memory } });
  const [x, filter, y] = [64, 64 + 4 * ROWS * INNER, 64 + 4 * INNER * (ROWS + COLUMNS)];
  new Float32Array(memory.buffer, x, ROWS * INNER).forEach((_, i, all) => {
    all[i] = Math.sin(i);
  });
  // The packed filter holds the same matrix in either form.
  const packed = new Float32Array(memory.buffer, filter, INNER * COLUMNS);
  for (let k = 0; k < COLUMNS; k++) {
    for (let i = 0; i < INNER; i++) packed[(Math.floor(k / block) * INNER + i) * block + (k % block)] = Math.cos(k * INNER + i);
  }
  const entry = exports["entry"] as (task: number, ...buffers: number[]) => void;
  return {
    time() {
      const start = performance.now();
      for (let task = 0; task < code.tasks; task++) entry(task, x, filter, y);
      return performance.now() - start;
    },
    result: () => new Float32Array(memory.buffer, y, ROWS * COLUMNS).slice(),
  };
}
