/** @file A device that computes nothing and writes down what would be run: the kernels planned for every target, and their code. */
import { createHash } from "node:crypto";
import loadWabt from "wabt";
import { type DType, type HostArray, hostArray } from "../../src/base/dtype.ts";
import { sizeOf } from "../../src/base/shape.ts";
import { encodeProgram } from "../../src/codegen/wasm/program.ts";
import type { BufferRef } from "../../src/codegen/wasm/units.ts";
import { generateKernel } from "../../src/codegen/webgpu/program.ts";
import type { Node } from "../../src/ir/graph.ts";
import type { Kernel } from "../../src/ir/kernel.ts";
import { describeKernel } from "../../src/ir/print.ts";
import { printKernel } from "../../src/ir/print-kernel.ts";
import { CPU, GPU, type Target, WIDE_CPU } from "../../src/ir/target.ts";
import type { KernelCall } from "../../src/passes/lower.ts";
import { type CompiledGraph, compileGraph } from "../../src/passes/pipeline.ts";
import type { Device, DeviceBuffer, Executable, Program } from "../../src/runtime/backend.ts";

const wabt = await loadWabt();

/** How much is written of a kernel: a line, all of it, or also its code. */
export type Detail = "brief" | "whole" | "code";

/** The targets, each with the code of a kernel as text or bytes. Relaxed SIMD: what most machines run. */
const TARGETS: Readonly<Record<string, { readonly target: Target; code(call: KernelCall): string | Uint8Array }>> = {
  wasm: { target: CPU, code: ({ kernel, buffers }) => wasmCode(kernel, buffers.length, false) },
  "wasm, wide": { target: WIDE_CPU, code: ({ kernel, buffers }) => wasmCode(kernel, buffers.length, true) },
  webgpu: {
    target: GPU,
    code: ({ kernel, buffers }) =>
      generateKernel(
        kernel,
        buffers.map((_, binding) => ({ binding, word: 0 })),
      ).wgsl,
  },
};

function wasmCode(kernel: Kernel, buffers: number, wide: boolean): Uint8Array {
  const slots = Array.from({ length: buffers }, (_, slot): BufferRef => ({ kind: "slot", slot }));
  // One thread: with more, the module would also hold the barrier.
  const memory = { shared: false, initialPages: 64, maximumPages: 65536 };
  return encodeProgram([{ kernel, buffers: slots }], { memory, threads: 1, arenaBytes: 0, relaxed: true, wide }).bytes;
}

const hash = (content: string | Uint8Array): string => createHash("sha256").update(content).digest("hex").slice(0, 10);

/** The plan of a program for one target. Kernels of equal text are written once, as k0, k1 …; a line of the schedule is a call. */
function printPlan(name: string, { calls, plan, half }: CompiledGraph, program: Program, detail: Detail): string {
  const constants = [...program.constants.keys()];
  const kernels = new Map<string, { readonly id: number; readonly lines: string }>();
  const place = (node: Node): string => {
    const found = plan.places.get(node);
    if (!found) return "nowhere";
    const where = found.kind === "arena" || found.kind === "local" ? found.offset : found.kind === "constant" ? constants.indexOf(found.node) : found.index;
    return `${found.kind} ${where}${half.has(node) ? " as float16" : ""}`;
  };
  /** A chain stands in brackets, behind the number of its parts. */
  const bracketed = (i: number, text: string): string => {
    const [before, { chain }, after] = [calls[i - 1]?.chain, calls[i]!, calls[i + 1]?.chain];
    return `${chain && chain !== before ? `${chain.parts}(` : ""}${text}${chain && chain !== after ? ")" : ""}`;
  };
  const schedule = calls.map((call, i) => {
    const text = printKernel(call.kernel);
    let known = kernels.get(text);
    if (!known) {
      const id = kernels.size;
      const code = TARGETS[name]!.code(call);
      const title = `k${id}: code ${hash(code)}, ${describeKernel(call.kernel)}`;
      const whole = `${title}\n${indented(text)}`;
      known = { id, lines: detail === "brief" ? `${title}, text ${hash(text)}` : detail === "whole" ? whole : `${whole}\n${indented(codeText(code))}` };
      kernels.set(text, known);
    }
    return { kernel: `k${known.id}`, places: call.buffers.map(place).join(", "), bracketed: (text: string) => bracketed(i, text) };
  });
  const order =
    detail !== "brief"
      ? schedule.map(({ kernel, places, bracketed: inChain }) => inChain(`${kernel}(${places})`))
      : [`places ${hash(schedule.map(({ places }) => places).join("\n"))}`, ...lines(schedule.map(({ kernel, bracketed: inChain }) => inChain(kernel)))];
  const reused = plan.reused.flatMap((input, output) => (input < 0 ? [] : [`output ${output} takes input ${input}`]));
  return [
    `== ${name}: ${calls.length} calls of ${kernels.size} kernels, arena of ${plan.arenaBytes} bytes${reused.length > 0 ? `, ${reused.join(", ")}` : ""}`,
    ...order,
    ...[...kernels.values()].map(({ lines }) => lines),
  ].join("\n");
}

const indented = (text: string): string => text.trimEnd().replaceAll(/^(?=.)/gm, "  ");

/** Longer code is told by its hash only. */
const MOST_CODE = 20_000;

/** WGSL as it is, and WebAssembly as text. */
function codeText(code: string | Uint8Array): string {
  if (typeof code === "string") return code;
  const module = wabt.readWasm(code, { simd: true, relaxed_simd: true });
  try {
    const text = module.toText({ foldExprs: false, inlineExport: true });
    return text.length > MOST_CODE ? `(${text.length} characters)` : text;
  } finally {
    module.destroy();
  }
}

/** Words in lines of at most 120 characters. */
function lines(words: readonly string[]): string[] {
  return words.join(" ").match(/.{1,119}(?: |$)/g) ?? [];
}

/** A device whose results are zeros; `plans` has one text per program it compiled. */
export class Recorder implements Device {
  readonly backend = "recorder";
  readonly threads = 2;
  readonly plans: string[] = [];
  readonly #detail: Detail;

  constructor(detail: Detail) {
    this.#detail = detail;
  }

  compile(program: Program): Executable {
    const { inputs, outputs, donated } = program;
    const type = (node: Node): string => `${node.dtype}[${node.shape.join(", ")}]`;
    const head = `(${inputs.map((node, i) => `${type(node)}${donated[i] ? " donated" : ""}`).join(", ")}) -> (${outputs.map(type).join(", ")})`;
    const plans = Object.entries(TARGETS).map(([name, { target }]) => printPlan(name, compileGraph(inputs, outputs, donated, target), program, this.#detail));
    this.plans.push([head, ...plans, ""].join("\n"));
    return {
      stats: { kernels: 0, arenaBytes: 0, codeBytes: 0, compileMs: 0 },
      run: (given) => {
        for (const [i, buffer] of given.entries()) if (donated[i]) buffer.released = "donated";
        return outputs.map((node) => this.#buffer(node.dtype, sizeOf(node.shape)));
      },
      dispose() {},
    };
  }

  #buffer(dtype: DType, count: number): DeviceBuffer {
    return { device: this, dtype, count, released: "no" };
  }

  upload(dtype: DType, data: HostArray): DeviceBuffer {
    return this.#buffer(dtype, data.length);
  }

  download({ dtype, count }: DeviceBuffer): HostArray {
    return hostArray(dtype, count);
  }

  async read(buffer: DeviceBuffer): Promise<HostArray> {
    return this.download(buffer);
  }

  async settle(): Promise<void> {}

  free(buffer: DeviceBuffer): void {
    buffer.released = "disposed";
  }

  memory(): { liveBytes: number; peakBytes: number } {
    return { liveBytes: 0, peakBytes: 0 };
  }

  close(): void {}
}
