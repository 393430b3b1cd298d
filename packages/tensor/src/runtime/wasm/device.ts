/** @file The Wasm backend: programs compiled to WebAssembly SIMD at run time, run by several threads over one shared memory. */
import { BYTES, type DType, type HostArray, hostArray } from "../../base/dtype.ts";
import { ConfigError, DeviceError, invariant, OutOfMemoryError, UnsupportedError } from "../../base/errors.ts";
import { sizeOf } from "../../base/shape.ts";
import { isPlanned, planKernel } from "../../codegen/plan/index.ts";
import { wasmMachine } from "../../codegen/plan/machine.ts";
import { printPlan } from "../../codegen/plan/print.ts";
import { encodeProgram } from "../../codegen/wasm/program.ts";
import { CONTROL } from "../../codegen/wasm/threads.ts";
import type { BufferRef } from "../../codegen/wasm/units.ts";
import type { Node } from "../../ir/graph.ts";
import type { Kernel } from "../../ir/kernel.ts";
import { type Chain, unitsOf } from "../../ir/parts.ts";
import { describeKernel, kernelFlops } from "../../ir/print.ts";
import { printKernel } from "../../ir/print-kernel.ts";
import { CPU, WIDE_CPU } from "../../ir/target.ts";
import { waitsOf } from "../../passes/dependencies.ts";
import { compileGraph } from "../../passes/pipeline.ts";
import { byteLength, type Place } from "../../passes/plan-memory.ts";
import type { Device, DeviceBuffer, Executable, KernelTime, Program } from "../backend.ts";
import { fusedMultiplyAdd, relaxedSimdAvailable, simdAvailable, wideVectorsAvailable } from "./features.ts";
import { type Block, LinearMemory } from "./memory.ts";
import { compileNative, type NativeCode, type NativeHost, nativePlan } from "./native.ts";
import { ThreadPool, threadsProblem } from "./threads.ts";

interface WasmBuffer extends DeviceBuffer {
  readonly block: Block;
}

export interface WasmOptions {
  /** Threads of the wasm backend, the calling one included. By default all cores, but 1 on a page's main thread and where memory cannot be shared. */
  readonly threads?: number;
  /** Bits of the vectors that the wasm backend makes code for. By default 256 where the engine turns 128-bit operations into them and is faster for it
   * (found out when the first device is opened), else 128; results are the same. */
  readonly vectorBits?: 128 | 256;
  /** Most bytes of the wasm backend's memory, in whole pages of 64 KiB. By default 4 GiB, or what the engine grants. */
  readonly maxBytes?: number;
  /** Contractions run as machine code of x86-64 (AVX2 and FMA, or AVX-512) instead of WebAssembly: see `nodeNative`. Their bits are those of an engine whose
   * relaxed multiply-adds round once. */
  readonly native?: NativeHost;
}

/** A program in place: what running and timing it need. */
interface Linked {
  readonly id: number;
  readonly exports: WebAssembly.Exports;
  readonly native: NativeCode | undefined;
  /** Control block and address table. */
  readonly fixed: Block;
  readonly control: number;
  readonly controlBytes: number;
  readonly table: number;
  /** Entries of the table: inputs, then constants, then results. */
  readonly addresses: number;
  readonly arenaBytes: number;
  readonly scratchOffset: number;
  readonly localOffset: number;
  readonly codeBytes: number;
  readonly constants: readonly WasmBuffer[];
  readonly results: readonly Pick<DeviceBuffer, "dtype" | "count">[];
  /** Per result: the donated input whose buffer it takes over, or -1. */
  readonly reused: readonly number[];
  readonly donated: readonly boolean[];
  readonly calls: readonly LinkedCall[];
}

interface LinkedCall {
  readonly kernel: Kernel;
  /** Of a chain: the bytes that each buffer starts further on for the next part. */
  readonly chain?: Chain;
  readonly steps?: readonly number[];
  readonly refs: readonly BufferRef[];
  /** Of the buffers. */
  readonly bytes: number;
  /** Name of the exported function. */
  readonly name: string;
  readonly tasks: number;
}

type RunFunction = (thread: number, control: number, table: number, arena: number) => void;

/** Opens a device with its own memory and threads.
 * @throws UnsupportedError when WebAssembly SIMD, or more threads than one if asked for, are not to be had. */
export async function createWasmDevice({ threads, vectorBits, maxBytes = 2 ** 32, native }: WasmOptions = {}): Promise<Device> {
  if (threads !== undefined && (!Number.isInteger(threads) || threads < 1 || threads > 64)) {
    throw new ConfigError(`threads must be an integer in [1, 64], got ${threads}; leave it out to use all cores`);
  }
  if (!simdAvailable()) throw new UnsupportedError("wasm: this JavaScript engine has no 128-bit SIMD; use Node 20 or newer, or the reference backend");
  const problem = threadsProblem();
  if (problem && threads !== undefined && threads > 1) throw new UnsupportedError(`threads (=${threads}) must be 1 here: ${problem}`);
  if (vectorBits !== undefined && vectorBits !== 128 && vectorBits !== 256) {
    throw new ConfigError(`vectorBits must be 128 or 256, got ${vectorBits}; leave it out for what is faster here`);
  }
  if (!(Number.isInteger(maxBytes) && maxBytes >= 65536 && maxBytes <= 2 ** 32)) {
    throw new ConfigError(`maxBytes must be an integer in [65536, ${2 ** 32}], got ${maxBytes}; leave it out for all the memory there is`);
  }
  const wide = vectorBits !== 128 && (wideVectorsAvailable() || vectorBits === 256);
  const cores = globalThis.navigator?.hardwareConcurrency ?? coresOfNode();
  const count = problem ? 1 : (threads ?? Math.min(64, cores));
  // Shared memory never moves, and machine code has its address in it.
  const memory = new LinearMemory(count > 1 || native !== undefined, maxBytes);
  return new WasmDevice(memory, wide, count > 1 ? await ThreadPool.start(count, memory.memory, native?.binder) : null, native);
}

function coresOfNode(): number {
  const process = (globalThis as { process?: { getBuiltinModule?(id: string): { availableParallelism(): number } } }).process;
  return process?.getBuiltinModule?.("node:os").availableParallelism() ?? 1;
}

class WasmDevice implements Device {
  readonly backend = "wasm";
  readonly threads: number;
  readonly contractions?: "fused";
  readonly #memory: LinearMemory;
  readonly #pool: ThreadPool | null;
  readonly #relaxed = relaxedSimdAvailable();
  readonly #wide: boolean;
  readonly #native: NativeHost | undefined;
  /** Scratch memory, shared by all programs because they run one at a time. */
  #arena: Block;
  #nextProgram = 1;
  #closed = false;
  /** What later calls throw. */
  #lost: DeviceError | null = null;

  constructor(memory: LinearMemory, wide: boolean, pool: ThreadPool | null, native?: NativeHost) {
    this.threads = pool?.threads ?? 1;
    if (native && !fusedMultiplyAdd()) this.contractions = "fused";
    this.#native = native;
    this.#memory = memory;
    this.#wide = wide;
    this.#pool = pool;
    this.#arena = this.#memory.allocate(64);
  }

  compile(program: Program): Executable {
    this.#checkOpen();
    const started = performance.now();
    const linked = this.#link(program);
    const { id, calls, control, controlBytes, table, addresses, scratchOffset, native, results, reused, donated } = linked;
    const run = linked.exports["run"] as RunFunction;
    const fresh = results.filter((_, i) => reused[i]! < 0).map(({ dtype, count }) => count * BYTES[dtype]);
    /** Allocates results and writes every address the run needs; `execute` does the work. Where memory does not suffice, nothing has happened. */
    const perform = (inputs: readonly DeviceBuffer[], execute: () => void): DeviceBuffer[] => {
      this.#checkOpen();
      const blocks = this.#memory.allocateAll(fresh).values();
      const buffers = results.map(({ dtype, count }, i): WasmBuffer => {
        const source = reused[i]!;
        const block = source < 0 ? blocks.next().value! : (inputs[source] as WasmBuffer).block;
        return { device: this, dtype, count, released: "no", block };
      });
      const buffersOutside = [...(inputs as readonly WasmBuffer[]), ...linked.constants, ...buffers];
      try {
        this.#pool?.rest();
        this.#words(table, addresses).set(buffersOutside.map((buffer) => buffer.block.address));
        this.#words(control + CONTROL.size, controlBytes / 4 - CONTROL.size / 4).fill(0);
        execute();
      } catch (cause) {
        throw this.#lose(cause);
      }
      for (const source of reused) if (source >= 0) inputs[source]!.released = "donated";
      inputs.forEach((buffer, i) => {
        if (donated[i] && buffer.released === "no") this.#release(buffer as WasmBuffer, "donated");
      });
      return buffers;
    };
    let plans: readonly string[] | undefined;
    return {
      stats: { kernels: calls.length, arenaBytes: linked.arenaBytes, codeBytes: linked.codeBytes, compileMs: performance.now() - started },
      run: (inputs) =>
        perform(inputs, () => {
          this.#pool?.run(id, { control, table, arena: this.#arena.address });
          run(0, control, table, this.#arena.address);
        }),
      profile: (inputs) => {
        plans ??= calls.map(({ kernel }) => this.#printPlan(kernel, native?.kernel(kernel) !== undefined));
        const texts = plans;
        const spent = calls.map(() => 0);
        const addressOf = (ref: BufferRef): number => {
          if (ref.kind === "slot") return this.#words(table, addresses)[ref.slot]!;
          return this.#arena.address + (ref.kind === "local" ? linked.localOffset : 0) + ref.offset;
        };
        const buffers = perform(inputs, () => {
          (linked.exports["scratch"] as (address: number) => void)(this.#arena.address + scratchOffset);
          let first = 0;
          for (const unit of unitsOf(calls)) {
            for (let part = 0; part < (unit[0]!.chain?.parts ?? 1); part++) {
              unit.forEach(({ refs, steps, name, tasks }, i) => {
                const entry = linked.exports[name] as (task: number, ...addresses: number[]) => void;
                const places = refs.map((ref, buffer) => addressOf(ref) + part * (steps?.[buffer] ?? 0));
                const start = performance.now();
                for (let task = 0; task < tasks; task++) entry(task, ...places);
                spent[first + i]! += performance.now() - start;
              });
            }
            first += unit.length;
          }
        });
        const times = calls.map(({ kernel, bytes, chain }, i): KernelTime => {
          const parts = chain?.parts ?? 1;
          const code = native?.kernel(kernel) ? "native" : "wasm";
          const name = `${chain ? `${parts} times ` : ""}${describeKernel(kernel)}`;
          return { kernel: name, ms: spent[i]!, flops: parts * kernelFlops(kernel), bytes, code, plan: texts[i]! };
        });
        return { results: buffers, times: Promise.resolve(times) };
      },
      dispose: () => this.#unload(linked),
    };
  }

  /** Compiles and loads a program. The result holds nothing of its graph, which may be much larger. */
  #link(program: Program): Linked {
    const target = { ...(this.#wide || this.#native ? WIDE_CPU : CPU), batchInvariant: program.batchInvariant };
    const { calls, plan, outputs } = compileGraph(program.inputs, program.outputs, program.donated, target);
    const kernels = calls.map(({ kernel }) => kernel);
    const native = this.#native && compileNative(kernels, this.#native, this.#memory.memory);
    const slots = new SlotTable(program);
    const waits = waitsOf(calls, plan);
    const placed = unitsOf(calls).flatMap((unit, i) =>
      unit.map((call) => ({ ...call, buffers: call.buffers.map((node) => slots.refOf(plan.places.get(node))), waits: waits[i]! })),
    );
    const { bytes, controlBytes, arenaBytes, scratchOffset, localOffset, entries } = encodeProgram(placed, {
      memory: this.#memory,
      threads: this.threads,
      arenaBytes: plan.arenaBytes,
      localBytes: plan.localBytes,
      relaxed: this.#relaxed,
      wide: this.#wide,
      ...(native ? { native: native.kernel } : {}),
    });
    const id = this.#nextProgram++;
    const tableOffset = Math.ceil(controlBytes / 64) * 64;
    const fixed = this.#memory.allocate(tableOffset + 4 * slots.count);
    let exports: WebAssembly.Exports;
    try {
      exports = this.#load(id, bytes, native);
      if (arenaBytes > this.#arena.size) this.#arena = this.#memory.exchange(this.#arena, arenaBytes);
    } catch (error) {
      this.#unload({ id, fixed, native });
      throw error;
    }
    const [control, table] = [fixed.address, fixed.address + tableOffset];
    this.#words(control, CONTROL.size / 4).fill(0);
    return {
      ...{ id, exports, fixed, control, controlBytes, table, arenaBytes, scratchOffset, localOffset, native },
      addresses: slots.count,
      codeBytes: bytes.length + (native?.bytes ?? 0),
      constants: [...program.constants.values()] as WasmBuffer[],
      results: outputs.map(({ dtype, shape }) => ({ dtype, count: sizeOf(shape) })),
      reused: plan.reused,
      donated: program.donated,
      calls: calls.map(({ kernel, buffers, chain, steps }, i) => ({
        kernel,
        ...(chain && steps ? { chain, steps } : {}),
        refs: placed[i]!.buffers,
        bytes: buffers.reduce((n, node) => n + byteLength(node), 0),
        ...entries[i]!,
      })),
    };
  }

  #unload({ id, fixed, native }: Pick<Linked, "id" | "fixed" | "native">): void {
    this.#pool?.unload(id);
    this.#memory.release(fixed);
    native?.free();
  }

  upload(dtype: DType, data: HostArray): DeviceBuffer {
    this.#checkOpen();
    const block = this.#memory.allocate(data.length * BYTES[dtype]);
    const buffer: WasmBuffer = { device: this, dtype, count: data.length, released: "no", block };
    this.#view(buffer).set(data);
    return buffer;
  }

  download(buffer: DeviceBuffer): HostArray {
    if (this.#lost) throw this.#lost;
    const copy = hostArray(buffer.dtype, buffer.count);
    copy.set(this.#view(buffer as WasmBuffer));
    return copy;
  }

  async read(buffer: DeviceBuffer): Promise<HostArray> {
    return this.download(buffer);
  }

  async settle(): Promise<void> {}

  free(buffer: DeviceBuffer): void {
    this.#release(buffer as WasmBuffer, "disposed");
  }

  memory(): { liveBytes: number; peakBytes: number; mostBytes: number } {
    return { liveBytes: this.#memory.liveBytes, peakBytes: this.#memory.peakBytes, mostBytes: this.#memory.maximumPages * 65536 };
  }

  close(): void {
    this.#closed = true;
    this.#pool?.close();
  }

  /** Without its threads a program would wait for them forever. */
  #checkOpen(): void {
    if (this.#closed) throw new UnsupportedError("wasm: the device was closed; open another with createDevice");
    if (this.#lost) throw this.#lost;
    const problem = this.#pool?.problem();
    if (problem) throw this.#lose(problem);
  }

  /** After a program broke off, results are half written and other threads wait for the one that failed. */
  #lose(cause: unknown): DeviceError {
    const reason = this.#pool?.problem() ?? String(cause);
    this.#lost ??= new DeviceError(`wasm: the device is lost (${reason}); open another with createDevice and go on from the last checkpoint`, { cause });
    this.#pool?.terminate();
    return this.#lost;
  }

  #load(id: number, bytes: Uint8Array<ArrayBuffer>, native: NativeCode | undefined): WebAssembly.Exports {
    const memory = this.#memory.memory;
    const instance = instantiate(bytes, { memory, ...(native ? { native: native.call } : {}) });
    if (this.#pool) {
      const block = this.#memory.allocate(bytes.length);
      try {
        new Uint8Array(memory.buffer, block.address, bytes.length).set(bytes);
        this.#pool.load(id, block.address, bytes.length, native?.address);
      } catch (cause) {
        throw this.#lose(cause);
      } finally {
        this.#memory.release(block);
      }
    }
    return instance.exports;
  }

  #printPlan(kernel: Kernel, native: boolean): string {
    const plan = native ? nativePlan(kernel, this.#native!.instructions) : isPlanned(kernel) ? planKernel(kernel, wasmMachine(this.#wide)) : null;
    return plan ? printPlan(plan) : printKernel(kernel);
  }

  #release(buffer: WasmBuffer, how: "disposed" | "donated"): void {
    invariant(buffer.released === "no", "a buffer was freed twice");
    buffer.released = how;
    this.#memory.release(buffer.block);
  }

  #words(address: number, count: number): Int32Array {
    return new Int32Array(this.#memory.memory.buffer, address, count);
  }

  #view(buffer: WasmBuffer): HostArray {
    const { buffer: memory } = this.#memory.memory;
    const { dtype, count, block } = buffer;
    if (dtype === "float32") return new Float32Array(memory, block.address, count);
    return dtype === "int32" ? new Int32Array(memory, block.address, count) : new Uint8Array(memory, block.address, count);
  }
}

function instantiate(bytes: Uint8Array<ArrayBuffer>, env: WebAssembly.ModuleImports): WebAssembly.Instance {
  try {
    return new WebAssembly.Instance(new WebAssembly.Module(bytes), { env });
  } catch (cause) {
    if (cause instanceof RangeError) throw new OutOfMemoryError("wasm: out of memory for a program's code; dispose of compiled functions", { cause });
    throw cause;
  }
}

/** Numbers the buffers that lie outside the arena: inputs, then constants, then results. */
class SlotTable {
  readonly count: number;
  readonly #inputs: number;
  readonly #constants: readonly Node[];

  constructor(program: Program) {
    this.#inputs = program.inputs.length;
    this.#constants = [...program.constants.keys()];
    this.count = this.#inputs + this.#constants.length + program.outputs.length;
  }

  refOf(place: Place | undefined): BufferRef {
    invariant(place !== undefined, "a kernel uses a value without a place");
    switch (place.kind) {
      case "arena":
      case "local":
        return place;
      case "input":
        return { kind: "slot", slot: place.index };
      case "constant":
        return { kind: "slot", slot: this.#inputs + this.#constants.indexOf(place.node) };
      case "output":
        return { kind: "slot", slot: this.#inputs + this.#constants.length + place.index };
    }
  }
}
