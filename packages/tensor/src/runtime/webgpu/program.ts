/** @file A compiled program on a GPU: dispatches of compute kernels, which find their buffers, pipelines and bind groups when they are run. */
import { invariant } from "../../base/errors.ts";
import { sizeOf } from "../../base/shape.ts";
import type { BufferBinding } from "../../codegen/webgpu/program.ts";
import type { Node } from "../../ir/graph.ts";
import { describeKernel, kernelFlops } from "../../ir/print.ts";
import { GPU as GPU_TARGET } from "../../ir/target.ts";
import { type CompiledGraph, compileGraph } from "../../passes/pipeline.ts";
import { byteLength, type Place } from "../../passes/plan-memory.ts";
import type { Device, DeviceBuffer, Executable, KernelTime, Program, ProgramStats } from "../backend.ts";
import { expectedPlace, joinNeighbours, numbered, patternOf, rangesOf } from "./bindings.ts";
import type { GpuMemory, WebGpuBuffer } from "./buffers.ts";
import type { GpuBlock } from "./memory.ts";
import type { Pipeline, Pipelines } from "./pipelines.ts";
import type { StoredKernel } from "./proof.ts";
import { Timestamps } from "./timestamps.ts";
import { shapeKey } from "./tuning.ts";

/** Bind groups that a kernel call keeps: a step's inputs come to lie in a few places in turn. */
const MOST_BIND_GROUPS = 16;

/** What a program needs of its device. */
export interface ProgramHost {
  readonly device: Device;
  readonly gpu: GPUDevice;
  readonly memory: GpuMemory;
  readonly pipelines: Pipelines;
  /** Throws where the device cannot be used any more. */
  check(): void;
  submit(encode: (encoder: GPUCommandEncoder) => void): void;
}

/** Without chains nothing is local to a thread. */
type GpuPlace = Exclude<Place, { kind: "local" }>;
type OutsidePlace = Exclude<GpuPlace, { kind: "arena" }>;

/** What a kernel call needs at run time; `half` says which buffers are float16 in memory. */
interface Dispatch extends StoredKernel {
  readonly places: readonly GpuPlace[];
  /** By which buffers lie in one place. */
  readonly pipelines: Map<string, Pipeline>;
  /** Which buffers lie outside of the arena. */
  readonly outside: readonly number[];
  /** By where those lie, and which arena it was. */
  readonly groups: Map<string, Bound>;
}

/** A kernel ready to run. */
type Bound = { readonly pipeline: Pipeline; readonly group: GPUBindGroup };

export class GpuProgram implements Executable {
  readonly stats: ProgramStats;
  readonly profile?: NonNullable<Executable["profile"]>;
  readonly #host: ProgramHost;
  readonly #program: Program;
  readonly #compiled: CompiledGraph;
  readonly #regionBytes: number;
  readonly #dispatches: readonly Dispatch[];
  readonly #constants: ReadonlyMap<Node, GpuBlock>;
  readonly #forget: () => void;

  /** `forget` is called when the program is disposed of. */
  constructor(host: ProgramHost, program: Program, forget: () => void) {
    const started = performance.now();
    this.#host = host;
    this.#program = program;
    this.#forget = forget;
    const { limits, features } = host.gpu;
    const half = host.device.precision === "float16";
    this.#regionBytes = limits.maxBufferSize;
    const target = { ...GPU_TARGET, regionBytes: this.#regionBytes, winograd: !half, half, batchInvariant: program.batchInvariant };
    this.#compiled = compileGraph(program.inputs, program.outputs, program.donated, target);
    const { calls, plan, half: halves } = this.#compiled;
    for (const { buffers } of calls) for (const node of buffers) host.memory.checkSize(byteLength(node, halves), "a value of the program");
    this.#constants = new Map([...program.constants].map(([node, buffer]) => [node, (buffer as WebGpuBuffer).block]));
    this.#dispatches = calls.map(({ kernel, buffers }): Dispatch => {
      const places = buffers.map((node) => {
        const place = plan.places.get(node);
        invariant(place !== undefined && place.kind !== "local", "a kernel uses a value without a place");
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
    host.memory.reserveArena(plan.arenaBytes);
    const codeBytes = this.#makeExpectedPipelines(limits.maxStorageBuffersPerShaderStage);
    this.stats = { kernels: calls.length, arenaBytes: plan.arenaBytes, codeBytes, compileMs: performance.now() - started };
    if (features.has("timestamp-query")) this.profile = (inputs) => this.#profile(inputs);
  }

  run(inputs: readonly DeviceBuffer[]): DeviceBuffer[] {
    return this.#perform(inputs, (encoder, bound) => {
      const pass = encoder.beginComputePass();
      for (const each of bound) dispatchIn(pass, each);
      pass.end();
    });
  }

  dispose(): void {
    this.#forget();
    for (const { groups, pipelines } of this.#dispatches) {
      groups.clear();
      pipelines.clear();
    }
  }

  /** Has contractions take up tiles that turned out to be faster. */
  retune(): void {
    for (const dispatch of this.#dispatches) {
      if (shapeKey(dispatch) === null) continue;
      dispatch.pipelines.clear();
      dispatch.groups.clear();
    }
  }

  #profile(inputs: readonly DeviceBuffer[]): ReturnType<NonNullable<Executable["profile"]>> {
    const { calls, half } = this.#compiled;
    const timestamps = new Timestamps(this.#host.gpu, calls.length);
    const results = this.#perform(inputs, (encoder, bound) => {
      bound.forEach((each, i) => {
        const pass = encoder.beginComputePass({ timestampWrites: timestamps.writes(i) });
        dispatchIn(pass, each);
        pass.end();
      });
      timestamps.resolve(encoder);
    });
    const times = timestamps.read().then((ms) =>
      calls.map(({ kernel, buffers }, i): KernelTime => {
        const bytes = buffers.reduce((n, node) => n + byteLength(node, half), 0);
        return { kernel: describeKernel(kernel), ms: ms[i]!, flops: kernelFlops(kernel), bytes };
      }),
    );
    return { results, times };
  }

  /** Allocates results, has every kernel encoded with its pipeline and bind group, and submits. */
  #perform(inputs: readonly DeviceBuffer[], encode: (encoder: GPUCommandEncoder, bound: readonly Bound[]) => void): DeviceBuffer[] {
    const { device, memory, check, submit } = this.#host;
    const { plan, outputs } = this.#compiled;
    check();
    const results = outputs.map((node, i): WebGpuBuffer => {
      const source = plan.reused[i]!;
      if (source < 0) return memory.allocate(device, node.dtype, sizeOf(node.shape));
      return { device, dtype: node.dtype, count: sizeOf(node.shape), released: "no", block: (inputs[source] as WebGpuBuffer).block };
    });
    const blockOf = (place: OutsidePlace): GpuBlock => {
      if (place.kind === "input") return (inputs[place.index] as WebGpuBuffer).block;
      return place.kind === "output" ? results[place.index]!.block : this.#constants.get(place.node)!;
    };
    try {
      const bound = this.#dispatches.map((dispatch) => this.#bind(dispatch, blockOf));
      submit((encoder) => encode(encoder, bound));
    } catch (error) {
      results.forEach((buffer, i) => {
        if (plan.reused[i]! < 0) memory.release(buffer, "disposed");
      });
      throw error;
    }
    for (const source of plan.reused) if (source >= 0) inputs[source]!.released = "donated";
    inputs.forEach((buffer, i) => {
      if (this.#program.donated[i] && buffer.released === "no") memory.release(buffer as WebGpuBuffer, "donated");
    });
    return results;
  }

  /** Makes the pipelines that will probably be needed: buffers from outside are taken to be different ones, and `run` finds out. Returns the bytes of
   * their code. */
  #makeExpectedPipelines(mostBindings: number): number {
    const { reused } = this.#compiled.plan;
    const constants = [...this.#program.constants.keys()];
    let codeBytes = 0;
    for (const dispatch of this.#dispatches) {
      const bindings = numbered(dispatch.places.map((place) => expectedPlace(place, reused, constants)));
      if (new Set(bindings).size > mostBindings) continue;
      codeBytes += this.#pipeline(
        dispatch,
        bindings.map((binding) => ({ binding, word: 0 })),
      );
    }
    return codeBytes;
  }

  /** Makes the pipeline for a way of sharing bindings, if it is new; returns the size of its code. */
  #pipeline(dispatch: Dispatch, bindings: readonly BufferBinding[]): number {
    const key = patternOf(bindings);
    if (dispatch.pipelines.has(key)) return 0;
    const { codeBytes, ...pipeline } = this.#host.pipelines.make(dispatch, bindings);
    dispatch.pipelines.set(key, pipeline);
    return codeBytes;
  }

  /** Finds where a call's buffers lie now, and the pipeline and bind group for that. */
  #bind(dispatch: Dispatch, blockOf: (place: OutsidePlace) => GpuBlock): Bound {
    const { gpu, memory, pipelines } = this.#host;
    let key = String(memory.generation);
    for (const i of dispatch.outside) {
      const { id, offset } = blockOf(dispatch.places[i] as OutsidePlace);
      key += `,${id}:${offset}`;
    }
    const known = dispatch.groups.get(key);
    if (known !== undefined) return known;
    const blocks = dispatch.places.map((place, i): { buffer: GPUBuffer; id: number; offset: number; bytes: number } => {
      // Whole groups of four words, as wide loads need; blocks are padded to that.
      const bytes = Math.max(16, Math.ceil(dispatch.bytes[i]! / 16) * 16);
      if (place.kind !== "arena") return { ...blockOf(place), bytes };
      const region = Math.floor(place.offset / this.#regionBytes);
      return { buffer: memory.region(region), id: -1 - region, offset: place.offset - region * this.#regionBytes, bytes };
    });
    let bindings: BufferBinding[] = numbered(blocks.map(({ id, offset }) => `${id}:${offset}`)).map((binding) => ({ binding, word: 0 }));
    let ranges = rangesOf(bindings, blocks);
    const most = gpu.limits.maxStorageBuffersPerShaderStage;
    if (ranges.length > most) {
      bindings = joinNeighbours(blocks, most);
      ranges = rangesOf(bindings, blocks);
      for (const { size } of ranges) memory.checkSize(size, "what a kernel reads together");
    }
    this.#pipeline(dispatch, bindings);
    const pipeline = dispatch.pipelines.get(patternOf(bindings))!;
    const entries = ranges.map((resource, binding) => ({ binding, resource }));
    const bound = { pipeline, group: gpu.createBindGroup({ layout: pipelines.layout(ranges.length).group, entries }) };
    if (dispatch.groups.size >= MOST_BIND_GROUPS) dispatch.groups.delete(dispatch.groups.keys().next().value!);
    dispatch.groups.set(key, bound);
    return bound;
  }
}

function dispatchIn(pass: GPUComputePassEncoder, bound: Bound): void {
  pass.setPipeline(bound.pipeline.pipeline);
  pass.setBindGroup(0, bound.group);
  pass.dispatchWorkgroups(...bound.pipeline.workgroups);
}
