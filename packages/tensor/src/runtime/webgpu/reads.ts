/** @file Reading elements back: what is asked for together shares one copy and one wait. */
import { BYTES, type HostArray, hostArray } from "../../base/dtype.ts";
import { DeviceError, InvariantError } from "../../base/errors.ts";
import { BUFFER_USAGE, type GpuMemory, type WebGpuBuffer } from "./buffers.ts";
import type { Failures } from "./failures.ts";

const MAP_READ = 1;

/** What reading needs of its device. */
interface Host {
  readonly gpu: GPUDevice;
  readonly memory: GpuMemory;
  readonly failures: Failures;
  /** Throws where the device cannot be used any more. */
  check(): void;
  submit(encode: (encoder: GPUCommandEncoder) => void): void;
}

export class Reads {
  readonly #host: Host;
  #asked: { readonly buffer: WebGpuBuffer; readonly resolve: (data: HostArray) => void; readonly reject: (error: unknown) => void }[] = [];

  constructor(host: Host) {
    this.#host = host;
  }

  read(buffer: WebGpuBuffer): Promise<HostArray> {
    return new Promise((resolve, reject) => {
      if (this.#asked.length === 0) queueMicrotask(() => void this.#readAll());
      this.#asked.push({ buffer, resolve, reject });
    });
  }

  async #readAll(): Promise<void> {
    const { gpu, memory, failures } = this.#host;
    const reads = this.#asked;
    this.#asked = [];
    let staging: GPUBuffer | null = null;
    try {
      this.#host.check();
      let size = 0;
      const offsets = reads.map(({ buffer }) => {
        const offset = size;
        size += Math.max(4, Math.ceil((buffer.count * BYTES[buffer.dtype]) / 4) * 4);
        return offset;
      });
      const { buffer: target, problem } = memory.tryBuffer(size, BUFFER_USAGE.mapRead | BUFFER_USAGE.copyTarget);
      staging = target;
      // Without memory for the copy only the reading is given up, so what follows from that counts as no failure.
      gpu.pushErrorScope("validation");
      this.#host.submit((encoder) => {
        reads.forEach(({ buffer: { block, count, dtype } }, i) => {
          const bytes = Math.ceil((count * BYTES[dtype]) / 4) * 4;
          if (bytes > 0) encoder.copyBufferToBuffer(block.buffer, block.offset, target, offsets[i]!, bytes);
        });
      });
      let cause: unknown;
      const mapped = target.mapAsync(MAP_READ).catch((error: unknown) => {
        cause = error;
      });
      failures.watch(Promise.all([problem, gpu.popErrorScope()]), ([tooLarge, error]) =>
        error && !tooLarge ? new InvariantError(`webgpu: ${error.message}`) : null,
      );
      await failures.wait(mapped);
      await failures.wait(failures.answered());
      const tooLarge = await failures.wait(problem.catch(() => null));
      if (tooLarge) throw tooLarge;
      // The news of a loss may come a little after the failed reading.
      if (cause) await failures.wait(new Promise((resolve) => setTimeout(resolve, 1000)));
      this.#host.check();
      if (cause) throw new DeviceError(`webgpu: elements could not be read (${String(cause)})`, { cause });
      const bytes = target.getMappedRange();
      reads.forEach(({ buffer: { dtype, count }, resolve }, i) => {
        const data = hostArray(dtype, count);
        new Uint8Array(data.buffer as ArrayBuffer).set(new Uint8Array(bytes, offsets[i], data.byteLength));
        resolve(data);
      });
    } catch (error) {
      for (const { reject } of reads) reject(error);
    } finally {
      staging?.destroy();
    }
  }
}
