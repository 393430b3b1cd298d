/** @file Kernels as compute pipelines: shaders are generated, compiled once per text, and their errors are told. */
import { InvariantError } from "../../base/errors.ts";
import { type AnyTile, type BufferBinding, generateKernel, matrixTilesOf } from "../../codegen/webgpu/program.ts";
import type { Kernel } from "../../ir/kernel.ts";
import { describeKernel } from "../../ir/print.ts";
import type { Failures } from "./failures.ts";
import type { StoredKernel } from "./proof.ts";
import type { Arithmetic, Tuning } from "./tuning.ts";

const COMPUTE_STAGE = 4;

export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly workgroups: readonly [number, number, number];
}

export class Pipelines {
  readonly #device: GPUDevice;
  readonly #failures: Failures;
  readonly #tuning: Tuning | null;
  readonly #arithmetic: Arithmetic;
  /** Invocations of a subgroup, or 0. */
  readonly #subgroup: number;
  readonly #layouts: { group: GPUBindGroupLayout; pipeline: GPUPipelineLayout }[] = [];
  readonly #pipelines = new Map<string, GPUComputePipeline>();

  constructor(device: GPUDevice, failures: Failures, tuning: Tuning | null, arithmetic: Arithmetic, subgroup: number) {
    this.#device = device;
    this.#failures = failures;
    this.#tuning = tuning;
    this.#arithmetic = arithmetic;
    this.#subgroup = subgroup;
  }

  /** The layout of so many bindings. */
  layout(count: number): { group: GPUBindGroupLayout; pipeline: GPUPipelineLayout } {
    let layout = this.#layouts[count];
    if (!layout) {
      const entries = Array.from({ length: count }, (_, binding) => ({ binding, visibility: COMPUTE_STAGE, buffer: { type: "storage" as const } }));
      const group = this.#device.createBindGroupLayout({ entries });
      layout = { group, pipeline: this.#device.createPipelineLayout({ bindGroupLayouts: [group] }) };
      this.#layouts[count] = layout;
    }
    return layout;
  }

  /** A kernel's pipeline for a way of sharing bindings, and the length of its code. */
  make({ kernel, bytes, half }: StoredKernel, bindings: readonly BufferBinding[]): Pipeline & { readonly codeBytes: number } {
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
    return { pipeline, workgroups, codeBytes: wgsl.length };
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
    const pipeline = device.createComputePipeline({ layout: this.layout(bindings).pipeline, compute: { module, entryPoint: "main" } });
    this.#failures.watch(device.popErrorScope(), (error) => error && shaderError(module, wgsl, what, error.message));
    return pipeline;
  }
}

/** What the shader compiler said, with the line it said it of. */
async function shaderError(module: GPUShaderModule, wgsl: string, what: string, message: string): Promise<InvariantError> {
  const { messages } = await module.getCompilationInfo();
  const first = messages.find(({ type }) => type === "error");
  if (!first) return new InvariantError(`webgpu: ${what}: ${message}`);
  return new InvariantError(`webgpu: ${what}: line ${first.lineNum}: ${first.message}: ${wgsl.split("\n")[first.lineNum - 1]?.trim()}`);
}
