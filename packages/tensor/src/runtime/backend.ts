/** @file What a backend offers to the frontend: buffers, and programs compiled from graphs. */
import type { DType, HostArray } from "../base/dtype.ts";
import type { Node } from "../ir/graph.ts";

/** Elements in a device's memory. */
export interface DeviceBuffer {
  readonly device: Device;
  readonly dtype: DType;
  /** Number of elements. */
  readonly count: number;
  /** Set once the buffer can no longer be used. */
  released: "no" | "disposed" | "donated";
}

/** A traced function: its inputs in argument order, its results, and what may be overwritten. */
export interface Program {
  readonly inputs: readonly Node[];
  readonly outputs: readonly Node[];
  /** Per input: its buffer may be reused for a result. */
  readonly donated: readonly boolean[];
  /** Buffers of the graph's `constant` leaves. */
  readonly constants: ReadonlyMap<Node, DeviceBuffer>;
  /** What is computed of an example has the same bits whatever batch it is in. */
  readonly batchInvariant: boolean;
}

/** What compiling cost and what running needs. */
export interface ProgramStats {
  readonly kernels: number;
  /** Bytes of scratch memory for intermediate results. */
  readonly arenaBytes: number;
  readonly codeBytes: number;
  /** Milliseconds from graph to executable. */
  readonly compileMs: number;
}

/** One kernel of a profiled run. */
export interface KernelTime {
  /** What the kernel does, in short. */
  readonly kernel: string;
  /** Milliseconds, on wasm of one thread. */
  readonly ms: number;
  /** Multiply-adds count as two; 0 for kernels that are bound by memory. */
  readonly flops: number;
  /** Bytes of the buffers it touches. */
  readonly bytes: number;
  /** What its code is (on wasm): `wasm`, or machine code. */
  readonly code?: "wasm" | "native";
  /** How it is computed, in full (on wasm): for debugging. */
  readonly plan?: string;
}

export interface Executable {
  readonly stats: ProgramStats;
  /** Runs to completion and returns the results' buffers; donated inputs are released. */
  run(inputs: readonly DeviceBuffer[]): DeviceBuffer[];
  /** Runs once like `run`, one kernel after the other (on wasm: on one thread), and times each. Absent where kernels cannot be timed. */
  profile?(inputs: readonly DeviceBuffer[]): { results: DeviceBuffer[]; times: Promise<KernelTime[]> };
  dispose(): void;
}

/** Where programs run: memory, threads and a compiler. Made by `createDevice`. */
export interface Device {
  readonly backend: string;
  /** `float16` where values between kernels are in half precision: small gradients then need a scaled loss. */
  readonly precision?: "float16";
  /** `fused` where contractions round a product and its sum once although the rest of the backend does not: that decides their last bits. */
  readonly contractions?: "fused";
  /** Number of threads that compute. */
  readonly threads: number;
  compile(program: Program): Executable;
  upload(dtype: DType, data: HostArray): DeviceBuffer;
  /** A copy of the elements; throws UnsupportedError on devices that can only answer later. */
  download(buffer: DeviceBuffer): HostArray;
  /** A copy of the elements, once everything before is computed. Rejects with what went wrong on the device. */
  read(buffer: DeviceBuffer): Promise<HostArray>;
  /** Waits until at most `pending` runs are unfinished. Rejects with what went wrong on the device. */
  settle(pending: number): Promise<void>;
  /** Measures variants of the kernels compiled so far and goes on with the fastest. Absent where there is nothing to choose. */
  tune?(): Promise<void>;
  free(buffer: DeviceBuffer): void;
  /** Bytes held now, the most held so far, and the most that there can be, where that is known. */
  memory(): { readonly liveBytes: number; readonly peakBytes: number; readonly mostBytes?: number };
  /** Stops the threads; the device cannot be used afterwards. */
  close(): void;
}
