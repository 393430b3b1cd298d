/** @file The WebGPU backend: a program is one command buffer of compute dispatches over sub-allocated GPU buffers. Work is queued and
 * results are read later; whatever goes wrong on the GPU is known later too, and thrown by the next call. */
import type { DType, HostArray } from "../../base/dtype.ts";
import { DeviceError, InvariantError, OutOfMemoryError, UnsupportedError } from "../../base/errors.ts";
import type { Device, DeviceBuffer, Executable, Program } from "../backend.ts";
import { type OpenedGpu, openGpu, type WebGpuOptions } from "./adapter.ts";
import { GpuMemory, type WebGpuBuffer } from "./buffers.ts";
import { Failures } from "./failures.ts";
import { Pipelines } from "./pipelines.ts";
import { GpuProgram, type ProgramHost } from "./program.ts";
import { Reads } from "./reads.ts";
import { type Arithmetic, Tuning } from "./tuning.ts";

/** Opens a GPU. */
export async function createWebGpuDevice(options: WebGpuOptions = {}): Promise<Device> {
  const opened = await openGpu(options);
  const half = options.precision === "float16";
  const factor = half && opened.device.features.has("shader-f16") ? "f16" : "f32";
  // What is fastest on a CPU that imitates a GPU is of no interest, unless it is asked for.
  const arithmetic = { factor, unit: opened.unit, always: options.tensorCores === "on" } as const;
  const tuning = opened.software && !options.tuning ? null : await Tuning.open(opened.name, arithmetic, options.tuning);
  return new WebGpuDevice(opened, tuning, half, arithmetic);
}

class WebGpuDevice implements Device {
  readonly backend = "webgpu";
  readonly threads = 1;
  readonly precision?: "float16";
  readonly name: string;
  /** Dawn must not be collected before its devices. */
  readonly gpu: GPU;
  readonly #device: GPUDevice;
  readonly #tuning: Tuning | null;
  readonly #failures = new Failures();
  readonly #memory: GpuMemory;
  readonly #host: ProgramHost & { readonly failures: Failures };
  readonly #reads: Reads;
  readonly #programs = new Set<GpuProgram>();
  #closed = false;
  /** Submissions that are not known to be done, oldest first. */
  readonly #unfinished: Promise<unknown>[] = [];

  constructor({ gpu, device, name, subgroup }: OpenedGpu, tuning: Tuning | null, half: boolean, arithmetic: Arithmetic) {
    if (half) this.precision = "float16";
    this.#tuning = tuning;
    this.gpu = gpu;
    this.#device = device;
    this.name = name;
    this.#memory = new GpuMemory(device, this.#failures);
    this.#host = {
      device: this,
      gpu: device,
      memory: this.#memory,
      failures: this.#failures,
      pipelines: new Pipelines(device, this.#failures, tuning, arithmetic, subgroup),
      check: () => this.#check(),
      submit: (encode) => this.#submit(encode),
    };
    this.#reads = new Reads(this.#host);
    void device.lost.then(({ message }) => {
      if (!this.#closed)
        this.#failures.add(
          new DeviceError(`webgpu: the GPU was lost (${message || "no reason given"}); open the device again and go on from the last checkpoint`),
        );
    });
    device.addEventListener("uncapturederror", (event) => {
      const { error } = event as GPUUncapturedErrorEvent;
      const { message } = error;
      const memory = error.constructor.name === "GPUOutOfMemoryError";
      // What a pending scope finds is the cause.
      this.#failures.watch(this.#failures.answered(), () =>
        memory
          ? new OutOfMemoryError(`webgpu: the GPU is out of memory (${message}); use a smaller batch size or width`)
          : new InvariantError(`webgpu: ${message}`),
      );
    });
  }

  compile(program: Program): Executable {
    this.#check();
    const compiled: GpuProgram = new GpuProgram(this.#host, program, () => this.#programs.delete(compiled));
    this.#programs.add(compiled);
    return compiled;
  }

  upload(dtype: DType, data: HostArray): DeviceBuffer {
    this.#check();
    this.#memory.checkSize(data.byteLength, `an array of ${data.length} elements`);
    const buffer = this.#memory.allocate(this, dtype, data.length);
    const { block } = buffer;
    const bytes = new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
    const whole = data.byteLength - (data.byteLength % 4);
    if (whole > 0) this.#device.queue.writeBuffer(block.buffer, block.offset, bytes, 0, whole);
    if (whole < data.byteLength) {
      // Writes are of whole words.
      const last = new Uint8Array(4);
      last.set(bytes.subarray(whole));
      this.#device.queue.writeBuffer(block.buffer, block.offset + whole, last);
    }
    return buffer;
  }

  download(): HostArray {
    throw new UnsupportedError("webgpu: elements cannot be read at once; use `await tensor.read()` instead of data() or item()");
  }

  read(buffer: DeviceBuffer): Promise<HostArray> {
    return this.#reads.read(buffer as WebGpuBuffer);
  }

  async settle(pending: number): Promise<void> {
    while (this.#unfinished.length > pending && !this.#failures.any) await this.#failures.wait(this.#unfinished[0]);
    if (pending === 0) await this.#failures.wait(this.#failures.answered());
    this.#check();
  }

  async tune(): Promise<void> {
    this.#check();
    if (!this.#tuning || !this.#device.features.has("timestamp-query")) return;
    const changed = await this.#tuning.measure(this.#device, (bytes) => this.#memory.createBuffer(bytes));
    this.#check();
    if (changed) for (const program of this.#programs) program.retune();
  }

  free(buffer: DeviceBuffer): void {
    this.#memory.release(buffer as WebGpuBuffer, "disposed");
  }

  memory(): { liveBytes: number; peakBytes: number } {
    return this.#memory.held();
  }

  close(): void {
    this.#closed = true;
    this.#device.destroy();
  }

  #check(): void {
    this.#failures.check();
    if (this.#closed) throw new UnsupportedError("webgpu: the device was closed; open another with createDevice");
  }

  #submit(encode: (encoder: GPUCommandEncoder) => void): void {
    const encoder = this.#device.createCommandEncoder();
    encode(encoder);
    this.#device.queue.submit([encoder.finish()]);
    const forget = (): void => {
      this.#unfinished.splice(this.#unfinished.indexOf(done), 1);
    };
    const done: Promise<void> = this.#device.queue.onSubmittedWorkDone().then(forget, forget);
    this.#unfinished.push(done);
  }
}
