/** @file The GPU's memory as programs see it: buffers of values, the arena that all programs share, and the adapter's limits. */
import { BYTES, type DType } from "../../base/dtype.ts";
import { invariant, LimitError, OutOfMemoryError } from "../../base/errors.ts";
import type { Device, DeviceBuffer } from "../backend.ts";
import type { Failures } from "./failures.ts";
import { BufferHeap, type GpuBlock } from "./memory.ts";

export interface WebGpuBuffer extends DeviceBuffer {
  readonly block: GpuBlock;
}

/** Flags of `GPUBufferUsage`, which is a global only in browsers. */
export const BUFFER_USAGE = { mapRead: 1, copySource: 4, copyTarget: 8, storage: 128 } as const;

export class GpuMemory {
  readonly #device: GPUDevice;
  readonly #failures: Failures;
  readonly #heap: BufferHeap;
  /** Scratch memory, shared by all programs because the queue runs them one after another. */
  #arena: { readonly regions: readonly GPUBuffer[]; readonly bytes: number; readonly generation: number } = { regions: [], bytes: 0, generation: 0 };

  constructor(device: GPUDevice, failures: Failures) {
    this.#device = device;
    this.#failures = failures;
    this.#heap = new BufferHeap((bytes) => this.createBuffer(bytes), device.limits.maxBufferSize);
  }

  /** Bytes held now, and the most held so far. */
  held(): { liveBytes: number; peakBytes: number } {
    const { liveBytes, peakBytes } = this.#heap;
    return { liveBytes: liveBytes + this.#arena.bytes, peakBytes: peakBytes + this.#arena.bytes };
  }

  allocate(device: Device, dtype: DType, count: number): WebGpuBuffer {
    return { device, dtype, count, released: "no", block: this.#heap.allocate(count * BYTES[dtype]) };
  }

  release(buffer: WebGpuBuffer, how: "disposed" | "donated"): void {
    invariant(buffer.released === "no", "a buffer was freed twice");
    buffer.released = how;
    this.#heap.release(buffer.block);
  }

  /** Throws a LimitError where the adapter allows no buffer of this size. */
  checkSize(bytes: number, what: string): void {
    const { maxStorageBufferBindingSize, maxBufferSize } = this.#device.limits;
    const [limit, most] =
      maxStorageBufferBindingSize < maxBufferSize ? ["maxStorageBufferBindingSize", maxStorageBufferBindingSize] : ["maxBufferSize", maxBufferSize];
    if (bytes > most)
      throw new LimitError(
        `webgpu: ${what} takes ${bytes} bytes, the adapter's ${limit} is ${most}; make it smaller, or use the wasm backend`,
        limit as string,
        bytes,
        most as number,
      );
  }

  /** A buffer that programs use: without it nothing computed is right any more. */
  createBuffer(bytes: number): GPUBuffer {
    const { buffer, problem } = this.tryBuffer(bytes, BUFFER_USAGE.storage | BUFFER_USAGE.copySource | BUFFER_USAGE.copyTarget);
    this.#failures.watch(problem, (error) => error);
    return buffer;
  }

  /** A buffer, and what was wrong with it. */
  tryBuffer(bytes: number, usage: number): { readonly buffer: GPUBuffer; readonly problem: Promise<OutOfMemoryError | null> } {
    const [more, held] = [bytes, this.held().liveBytes].map((n) => (n / 2 ** 20).toFixed(0));
    const message = `webgpu: the GPU is out of memory, ${more} MiB more than ${held} MiB were needed; use a smaller batch size or width`;
    this.#device.pushErrorScope("out-of-memory");
    const buffer = this.#device.createBuffer({ size: bytes, usage });
    return { buffer, problem: this.#device.popErrorScope().then((error) => error && new OutOfMemoryError(message)) };
  }

  /** Changes whenever places in the arena do. */
  get generation(): number {
    return this.#arena.generation;
  }

  /** The arena's region of this number. */
  region(number: number): GPUBuffer {
    return this.#arena.regions[number]!;
  }

  /** Makes the arena at least so large. */
  reserveArena(bytes: number): void {
    if (bytes <= this.#arena.bytes) return;
    for (const region of this.#arena.regions) region.destroy();
    const most = this.#device.limits.maxBufferSize;
    this.#arena = { regions: [], bytes: 0, generation: this.#arena.generation + 1 };
    const regions = Array.from({ length: Math.ceil(bytes / most) }, (_, i) => this.createBuffer(Math.min(most, Math.ceil((bytes - i * most) / 256) * 256)));
    this.#arena = { regions, bytes, generation: this.#arena.generation };
  }
}
