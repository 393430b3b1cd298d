/** @file The WebGPU backend: a program is one command buffer of compute dispatches over sub-allocated GPU buffers. Work is queued and
 * results are read later; whatever goes wrong on the GPU is known later too, and thrown by the next call. */
import { BYTES, type DType, type HostArray, hostArray } from "../../base/dtype.ts";
import { DeviceError, type GradalignError, InvariantError, invariant, LimitError, OutOfMemoryError, UnsupportedError } from "../../base/errors.ts";
import { sizeOf } from "../../base/shape.ts";
import { type AnyTile, type BufferBinding, generateKernel, matrixTilesOf } from "../../codegen/webgpu/program.ts";
import type { Kernel } from "../../ir/kernel.ts";
import { describeKernel, kernelFlops } from "../../ir/print.ts";
import { GPU as GPU_TARGET } from "../../ir/target.ts";
import { compileGraph } from "../../passes/pipeline.ts";
import type { Place } from "../../passes/plan-memory.ts";
import { byteLength } from "../../passes/plan-memory.ts";
import type { Device, DeviceBuffer, Executable, KernelTime, Program } from "../backend.ts";
import { type OpenedGpu, openGpu, type WebGpuOptions } from "./adapter.ts";
import { BufferHeap, type GpuBlock } from "./memory.ts";
import { Timestamps } from "./timestamps.ts";
import { type Arithmetic, shapeKey, Tuning } from "./tuning.ts";

interface WebGpuBuffer extends DeviceBuffer {
  readonly block: GpuBlock;
}

/** Flags of `GPUBufferUsage`, which is a global only in browsers. */
const USAGE = { mapRead: 1, copySource: 4, copyTarget: 8, storage: 128 } as const;
const COMPUTE_STAGE = 4;
const MAP_READ = 1;

/** Bind groups that a kernel call keeps: a step's inputs come to lie in a few places in turn. */
const MOST_BIND_GROUPS = 16;

interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly workgroups: readonly [number, number, number];
}

/** What a kernel call needs at run time. */
interface Dispatch {
  readonly kernel: Kernel;
  readonly places: readonly Place[];
  readonly bytes: readonly number[];
  /** Which buffers are float16 in memory. */
  readonly half: readonly boolean[];
  /** By which buffers lie in one place. */
  readonly pipelines: Map<string, Pipeline>;
  /** Which buffers lie outside of the arena. */
  readonly outside: readonly number[];
  /** By where those lie, and which arena it was. */
  readonly groups: Map<string, Bound>;
}

/** A kernel ready to run. */
type Bound = { readonly pipeline: Pipeline; readonly group: GPUBindGroup };

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
  readonly #heap: BufferHeap;
  readonly #tuning: Tuning | null;
  readonly #arithmetic: Arithmetic;
  /** Invocations of a subgroup, or 0. */
  readonly #subgroup: number;
  /** Of all compiled programs, to take up tiles that turn out to be faster. */
  readonly #dispatches = new Set<readonly Dispatch[]>();
  /** Scratch memory, shared by all programs because the queue runs them one after another. */
  #arena: { readonly regions: readonly GPUBuffer[]; readonly bytes: number; readonly generation: number } = { regions: [], bytes: 0, generation: 0 };
  readonly #layouts: { group: GPUBindGroupLayout; pipeline: GPUPipelineLayout }[] = [];
  readonly #pipelines = new Map<string, GPUComputePipeline>();
  /** What later calls throw. */
  #failure: GradalignError | null = null;
  /** Resolves at the first failure. A lost GPU may leave questions unanswered, so every wait also waits for this. */
  readonly #failed: Promise<void>;
  #tellFailed: () => void = () => {};
  #closed = false;
  /** Questions to the GPU whose answers may be failures. */
  readonly #watched = new Set<Promise<void>>();
  /** Submissions that are not known to be done, oldest first. */
  readonly #unfinished: Promise<unknown>[] = [];
  #reads: { readonly buffer: WebGpuBuffer; readonly resolve: (data: HostArray) => void; readonly reject: (error: unknown) => void }[] = [];

  constructor({ gpu, device, name, subgroup }: OpenedGpu, tuning: Tuning | null, half: boolean, arithmetic: Arithmetic) {
    this.#subgroup = subgroup;
    this.#arithmetic = arithmetic;
    if (half) this.precision = "float16";
    this.#tuning = tuning;
    this.gpu = gpu;
    this.#failed = new Promise((resolve) => {
      this.#tellFailed = resolve;
    });
    this.#device = device;
    this.name = name;
    this.#heap = new BufferHeap((bytes) => this.#createBuffer(bytes), device.limits.maxBufferSize);
    void device.lost.then(({ message }) => {
      if (!this.#closed)
        this.#fail(new DeviceError(`webgpu: the GPU was lost (${message || "no reason given"}); open the device again and go on from the last checkpoint`));
    });
    device.addEventListener("uncapturederror", (event) => {
      const { error } = event as GPUUncapturedErrorEvent;
      const { message } = error;
      const memory = error.constructor.name === "GPUOutOfMemoryError";
      // What a pending scope finds is the cause.
      this.#watch(Promise.all(this.#watched), () =>
        memory
          ? new OutOfMemoryError(`webgpu: the GPU is out of memory (${message}); use a smaller batch size or width`)
          : new InvariantError(`webgpu: ${message}`),
      );
    });
  }

  compile(program: Program): Executable {
    this.#check();
    const started = performance.now();
    const { limits } = this.#device;
    const half = this.precision === "float16";
    const target = { ...GPU_TARGET, regionBytes: limits.maxBufferSize, winograd: !half, half };
    const { calls, plan, half: halves, outputs } = compileGraph(program.inputs, program.outputs, program.donated, target);
    for (const { buffers } of calls) for (const node of buffers) this.#checkSize(byteLength(node, halves), "a value of the program");
    const constants = [...program.constants.keys()];
    const constantBuffers = [...program.constants.values()] as WebGpuBuffer[];
    const dispatches = calls.map(({ kernel, buffers }): Dispatch => {
      const places = buffers.map((node) => {
        const place = plan.places.get(node);
        invariant(place !== undefined, "a kernel uses a value without a place");
        return place;
      });
      return {
        kernel,
        places,
        bytes: buffers.map((node) => byteLength(node, halves)),
        half: buffers.map((node) => halves.has(node)),
        outside: places.flatMap(({ kind }, i) => (kind === "arena" ? [] : [i])),
        pipelines: new Map(),
        groups: new Map(),
      };
    });
    this.#reserveArena(plan.arenaBytes);
    let codeBytes = 0;
    for (const dispatch of dispatches) {
      // Buffers from outside are taken to be different ones; `run` finds out.
      const ids = dispatch.places.map((place) => expectedPlace(place, plan.reused, constants));
      const bindings = numbered(ids);
      if (new Set(bindings).size <= limits.maxStorageBuffersPerShaderStage) {
        codeBytes += this.#pipeline(
          dispatch,
          bindings.map((binding) => ({ binding, word: 0 })),
        );
      }
    }
    this.#dispatches.add(dispatches);
    const constantBlocks = new Map(constants.map((node, i) => [node, constantBuffers[i]!.block]));
    /** Allocates results, has every kernel encoded with its pipeline and bind group, and submits. */
    const perform = (inputs: readonly DeviceBuffer[], encode: (encoder: GPUCommandEncoder, bound: readonly Bound[]) => void): DeviceBuffer[] => {
      this.#check();
      const results = outputs.map((node, i): WebGpuBuffer => {
        const source = plan.reused[i]!;
        if (source < 0) return this.#allocate(node.dtype, sizeOf(node.shape));
        return { device: this, dtype: node.dtype, count: sizeOf(node.shape), released: "no", block: (inputs[source] as WebGpuBuffer).block };
      });
      const blockOf = (place: Exclude<Place, { kind: "arena" }>): GpuBlock => {
        if (place.kind === "input") return (inputs[place.index] as WebGpuBuffer).block;
        return place.kind === "output" ? results[place.index]!.block : constantBlocks.get(place.node)!;
      };
      try {
        const bound = dispatches.map((dispatch) => this.#bind(dispatch, blockOf, target.regionBytes));
        this.#submit((encoder) => encode(encoder, bound));
      } catch (error) {
        results.forEach((buffer, i) => {
          if (plan.reused[i]! < 0) this.#release(buffer, "disposed");
        });
        throw error;
      }
      for (const source of plan.reused) if (source >= 0) inputs[source]!.released = "donated";
      inputs.forEach((buffer, i) => {
        if (program.donated[i] && buffer.released === "no") this.#release(buffer as WebGpuBuffer, "donated");
      });
      return results;
    };
    const profile: Executable["profile"] = (inputs) => {
      const timestamps = new Timestamps(this.#device, calls.length);
      const results = perform(inputs, (encoder, bound) => {
        bound.forEach((each, i) => {
          const pass = encoder.beginComputePass({ timestampWrites: timestamps.writes(i) });
          dispatchIn(pass, each);
          pass.end();
        });
        timestamps.resolve(encoder);
      });
      const times = timestamps.read().then((ms) =>
        calls.map(({ kernel, buffers }, i): KernelTime => {
          const bytes = buffers.reduce((n, node) => n + byteLength(node, halves), 0);
          return { kernel: describeKernel(kernel), ms: ms[i]!, flops: kernelFlops(kernel), bytes };
        }),
      );
      return { results, times };
    };
    return {
      stats: { kernels: calls.length, arenaBytes: plan.arenaBytes, codeBytes, compileMs: performance.now() - started },
      run: (inputs) =>
        perform(inputs, (encoder, bound) => {
          const pass = encoder.beginComputePass();
          for (const each of bound) dispatchIn(pass, each);
          pass.end();
        }),
      ...(this.#device.features.has("timestamp-query") ? { profile } : {}),
      dispose: () => {
        this.#dispatches.delete(dispatches);
        for (const { groups, pipelines } of dispatches) {
          groups.clear();
          pipelines.clear();
        }
      },
    };
  }

  upload(dtype: DType, data: HostArray): DeviceBuffer {
    this.#check();
    this.#checkSize(data.byteLength, `an array of ${data.length} elements`);
    const buffer = this.#allocate(dtype, data.length);
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
    return new Promise((resolve, reject) => {
      // Reads asked for together share one copy and one wait.
      if (this.#reads.length === 0) queueMicrotask(() => void this.#readAll());
      this.#reads.push({ buffer: buffer as WebGpuBuffer, resolve, reject });
    });
  }

  async settle(pending: number): Promise<void> {
    while (this.#unfinished.length > pending && !this.#failure) await this.#wait(this.#unfinished[0]);
    if (pending === 0) await this.#wait(Promise.all(this.#watched));
    this.#check();
  }

  async tune(): Promise<void> {
    this.#check();
    if (!this.#tuning || !this.#device.features.has("timestamp-query")) return;
    const changed = await this.#tuning.measure(this.#device, (bytes) => this.#createBuffer(bytes));
    this.#check();
    if (!changed) return;
    for (const dispatch of [...this.#dispatches].flat()) {
      if (shapeKey(dispatch) === null) continue;
      dispatch.pipelines.clear();
      dispatch.groups.clear();
    }
  }

  free(buffer: DeviceBuffer): void {
    this.#release(buffer as WebGpuBuffer, "disposed");
  }

  memory(): { liveBytes: number; peakBytes: number } {
    const { liveBytes, peakBytes } = this.#heap;
    return { liveBytes: liveBytes + this.#arena.bytes, peakBytes: peakBytes + this.#arena.bytes };
  }

  close(): void {
    this.#closed = true;
    this.#device.destroy();
  }

  #check(): void {
    if (this.#failure) throw this.#failure;
    if (this.#closed) throw new UnsupportedError("webgpu: the device was closed; open another with createDevice");
  }

  /** The first failure is the cause of the others. */
  #fail(error: GradalignError): void {
    this.#failure ??= error;
    this.#tellFailed();
  }

  /** Waits for something on the GPU, or for a failure. */
  async #wait<T>(event: Promise<T> | undefined): Promise<T | undefined> {
    return (await Promise.race([event, this.#failed])) ?? undefined;
  }

  /** Fails later if what is asked of the GPU says so. */
  #watch<T>(question: Promise<T>, verdict: (answer: T) => GradalignError | null | Promise<GradalignError>): void {
    const watching: Promise<void> = question
      .then(async (answer) => {
        const error = await verdict(answer);
        if (error) this.#fail(error);
      })
      // A lost device answers no questions; that it is lost is told elsewhere.
      .catch(() => {})
      .finally(() => this.#watched.delete(watching));
    this.#watched.add(watching);
  }

  #checkSize(bytes: number, what: string): void {
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
  #createBuffer(bytes: number): GPUBuffer {
    const { buffer, problem } = this.#tryBuffer(bytes, USAGE.storage | USAGE.copySource | USAGE.copyTarget);
    this.#watch(problem, (error) => error);
    return buffer;
  }

  /** A buffer, and what was wrong with it. */
  #tryBuffer(bytes: number, usage: number): { readonly buffer: GPUBuffer; readonly problem: Promise<OutOfMemoryError | null> } {
    const [more, held] = [bytes, this.memory().liveBytes].map((n) => (n / 2 ** 20).toFixed(0));
    const message = `webgpu: the GPU is out of memory, ${more} MiB more than ${held} MiB were needed; use a smaller batch size or width`;
    this.#device.pushErrorScope("out-of-memory");
    const buffer = this.#device.createBuffer({ size: bytes, usage });
    return { buffer, problem: this.#device.popErrorScope().then((error) => error && new OutOfMemoryError(message)) };
  }

  #reserveArena(bytes: number): void {
    if (bytes <= this.#arena.bytes) return;
    for (const region of this.#arena.regions) region.destroy();
    const most = this.#device.limits.maxBufferSize;
    this.#arena = { regions: [], bytes: 0, generation: this.#arena.generation + 1 };
    const regions = Array.from({ length: Math.ceil(bytes / most) }, (_, i) => this.#createBuffer(Math.min(most, Math.ceil((bytes - i * most) / 256) * 256)));
    this.#arena = { regions, bytes, generation: this.#arena.generation };
  }

  #layout(count: number): { group: GPUBindGroupLayout; pipeline: GPUPipelineLayout } {
    let layout = this.#layouts[count];
    if (!layout) {
      const entries = Array.from({ length: count }, (_, binding) => ({ binding, visibility: COMPUTE_STAGE, buffer: { type: "storage" as const } }));
      const group = this.#device.createBindGroupLayout({ entries });
      layout = { group, pipeline: this.#device.createPipelineLayout({ bindGroupLayouts: [group] }) };
      this.#layouts[count] = layout;
    }
    return layout;
  }

  /** Makes the pipeline for a way of sharing bindings, if it is new; returns the size of its code. */
  #pipeline(dispatch: Dispatch, bindings: readonly BufferBinding[]): number {
    const key = patternOf(bindings);
    if (dispatch.pipelines.has(key)) return 0;
    const { kernel, bytes, half } = dispatch;
    const { wgsl, workgroups } = generateKernel(
      kernel,
      bindings.map((binding, i) => ({ ...binding, half: half[i] })),
      {
        tile: this.#tuning?.tileFor({ kernel, bytes, half }) ?? this.#untried(kernel),
        factor: this.#arithmetic.factor,
        subgroup: this.#subgroup,
      },
    );
    let pipeline = this.#pipelines.get(wgsl);
    if (!pipeline) {
      pipeline = this.#compileShader(wgsl, 1 + Math.max(...bindings.map(({ binding }) => binding)), describeKernel(kernel));
      this.#pipelines.set(wgsl, pipeline);
    }
    dispatch.pipelines.set(key, { pipeline, workgroups });
    return wgsl.length;
  }

  /** The tile of a contraction that was not measured, if not the plain one. */
  #untried(kernel: Kernel): AnyTile | undefined {
    const { unit, always } = this.#arithmetic;
    return unit && always ? matrixTilesOf(kernel, unit)[0] : undefined;
  }

  #compileShader(wgsl: string, bindings: number, what: string): GPUComputePipeline {
    const device = this.#device;
    device.pushErrorScope("validation");
    const module = device.createShaderModule({ code: wgsl });
    const pipeline = device.createComputePipeline({ layout: this.#layout(bindings).pipeline, compute: { module, entryPoint: "main" } });
    this.#watch(device.popErrorScope(), (error) => error && shaderError(module, wgsl, what, error.message));
    return pipeline;
  }

  /** Finds where a call's buffers lie now, and the pipeline and bind group for that. */
  #bind(dispatch: Dispatch, blockOf: (place: Exclude<Place, { kind: "arena" }>) => GpuBlock, regionBytes: number): Bound {
    let key = String(this.#arena.generation);
    for (const i of dispatch.outside) {
      const { id, offset } = blockOf(dispatch.places[i] as Exclude<Place, { kind: "arena" }>);
      key += `,${id}:${offset}`;
    }
    const known = dispatch.groups.get(key);
    if (known !== undefined) return known;
    const blocks = dispatch.places.map((place, i): { buffer: GPUBuffer; id: number; offset: number; bytes: number } => {
      // Whole groups of four words, as wide loads need; blocks are padded to that.
      const bytes = Math.max(16, Math.ceil(dispatch.bytes[i]! / 16) * 16);
      if (place.kind !== "arena") return { ...blockOf(place), bytes };
      const region = Math.floor(place.offset / regionBytes);
      return { buffer: this.#arena.regions[region]!, id: -1 - region, offset: place.offset - region * regionBytes, bytes };
    });
    let bindings: BufferBinding[] = numbered(blocks.map(({ id, offset }) => `${id}:${offset}`)).map((binding) => ({ binding, word: 0 }));
    let ranges = rangesOf(bindings, blocks);
    const most = this.#device.limits.maxStorageBuffersPerShaderStage;
    if (ranges.length > most) {
      bindings = joinNeighbours(blocks, most);
      ranges = rangesOf(bindings, blocks);
      for (const { size } of ranges) this.#checkSize(size, "what a kernel reads together");
    }
    this.#pipeline(dispatch, bindings);
    const pipeline = dispatch.pipelines.get(patternOf(bindings))!;
    const entries = ranges.map((resource, binding) => ({ binding, resource }));
    const bound = { pipeline, group: this.#device.createBindGroup({ layout: this.#layout(ranges.length).group, entries }) };
    if (dispatch.groups.size >= MOST_BIND_GROUPS) dispatch.groups.delete(dispatch.groups.keys().next().value!);
    dispatch.groups.set(key, bound);
    return bound;
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

  async #readAll(): Promise<void> {
    const reads = this.#reads;
    this.#reads = [];
    let staging: GPUBuffer | null = null;
    try {
      this.#check();
      let size = 0;
      const offsets = reads.map(({ buffer }) => {
        const offset = size;
        size += Math.max(4, Math.ceil((buffer.count * BYTES[buffer.dtype]) / 4) * 4);
        return offset;
      });
      const { buffer: target, problem } = this.#tryBuffer(size, USAGE.mapRead | USAGE.copyTarget);
      staging = target;
      // Without memory for the copy only the reading is given up, so what follows from that counts as no failure.
      this.#device.pushErrorScope("validation");
      this.#submit((encoder) => {
        reads.forEach(({ buffer: { block, count, dtype } }, i) => {
          const bytes = Math.ceil((count * BYTES[dtype]) / 4) * 4;
          if (bytes > 0) encoder.copyBufferToBuffer(block.buffer, block.offset, target, offsets[i]!, bytes);
        });
      });
      let cause: unknown;
      const mapped = target.mapAsync(MAP_READ).catch((error: unknown) => {
        cause = error;
      });
      this.#watch(Promise.all([problem, this.#device.popErrorScope()]), ([tooLarge, error]) =>
        error && !tooLarge ? new InvariantError(`webgpu: ${error.message}`) : null,
      );
      await this.#wait(mapped);
      await this.#wait(Promise.all(this.#watched));
      const tooLarge = await this.#wait(problem.catch(() => null));
      if (tooLarge) throw tooLarge;
      // The news of a loss may come a little after the failed reading.
      if (cause) await this.#wait(new Promise((resolve) => setTimeout(resolve, 1000)));
      this.#check();
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

  #allocate(dtype: DType, count: number): WebGpuBuffer {
    return { device: this, dtype, count, released: "no", block: this.#heap.allocate(count * BYTES[dtype]) };
  }

  #release(buffer: WebGpuBuffer, how: "disposed" | "donated"): void {
    invariant(buffer.released === "no", "a buffer was freed twice");
    buffer.released = how;
    this.#heap.release(buffer.block);
  }
}

function dispatchIn(pass: GPUComputePassEncoder, bound: Bound): void {
  pass.setPipeline(bound.pipeline.pipeline);
  pass.setBindGroup(0, bound.group);
  pass.dispatchWorkgroups(...bound.pipeline.workgroups);
}

/** Numbers for names, in order of appearance. */
function numbered(names: readonly string[]): number[] {
  const numbers = new Map<string, number>();
  return names.map((name) => {
    const number = numbers.get(name) ?? numbers.size;
    numbers.set(name, number);
    return number;
  });
}

function patternOf(bindings: readonly BufferBinding[]): string {
  return bindings.map(({ binding, word }) => `${binding}+${word}`).join();
}

/** The name of the place where a buffer will probably be. */
function expectedPlace(place: Place, reused: readonly number[], constants: readonly unknown[]): string {
  switch (place.kind) {
    case "arena":
      return `arena ${place.offset}`;
    case "constant":
      return `constant ${constants.indexOf(place.node)}`;
    case "input":
      return `input ${place.index}`;
    case "output":
      return reused[place.index]! >= 0 ? `input ${reused[place.index]}` : `output ${place.index}`;
  }
}

/** Shares bindings between buffers that lie near one another, until there are `most` bindings. */
function joinNeighbours(blocks: readonly { readonly id: number; readonly offset: number; readonly bytes: number }[], most: number): BufferBinding[] {
  const spans = [...new Map(blocks.map(({ id, offset, bytes }) => [`${id}:${offset}`, { id, start: offset, end: offset + bytes }])).values()];
  spans.sort((a, b) => a.id - b.id || a.start - b.start);
  while (spans.length > most) {
    const widths = spans.slice(1).map((next, i) => (next.id === spans[i]!.id ? next.end - spans[i]!.start : Number.POSITIVE_INFINITY));
    const at = widths.indexOf(Math.min(...widths));
    invariant(widths[at] !== Number.POSITIVE_INFINITY, `a kernel needs ${spans.length} bindings, the adapter has ${most}`);
    const next = spans.splice(at + 1, 1)[0]!;
    spans[at] = { ...spans[at]!, end: Math.max(spans[at]!.end, next.end) };
  }
  return blocks.map(({ id, offset }) => {
    const binding = spans.findIndex((span) => span.id === id && span.start <= offset && offset < span.end);
    return { binding, word: (offset - spans[binding]!.start) / 4 };
  });
}

/** The part of a GPU buffer that each binding covers. */
function rangesOf(
  bindings: readonly BufferBinding[],
  blocks: readonly { readonly buffer: GPUBuffer; readonly offset: number; readonly bytes: number }[],
): { buffer: GPUBuffer; offset: number; size: number }[] {
  const ranges: { buffer: GPUBuffer; offset: number; size: number }[] = [];
  bindings.forEach(({ binding, word }, i) => {
    const { buffer, offset, bytes } = blocks[i]!;
    const size = Math.max(ranges[binding]?.size ?? 0, 4 * word + bytes);
    ranges[binding] = { buffer, offset: offset - 4 * word, size };
  });
  return ranges;
}

/** What the shader compiler said, with the line it said it of. */
async function shaderError(module: GPUShaderModule, wgsl: string, what: string, message: string): Promise<InvariantError> {
  const { messages } = await module.getCompilationInfo();
  const first = messages.find(({ type }) => type === "error");
  if (!first) return new InvariantError(`webgpu: ${what}: ${message}`);
  return new InvariantError(`webgpu: ${what}: line ${first.lineNum}: ${first.message}: ${wgsl.split("\n")[first.lineNum - 1]?.trim()}`);
}
