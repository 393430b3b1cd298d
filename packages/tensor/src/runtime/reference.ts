/** @file The reference backend: runs a graph node by node with each operation's plain meaning, in float64. Slow; it defines
 * what the other backends must compute. */
import { type DType, type HostArray, hostArray } from "../base/dtype.ts";
import { InvariantError } from "../base/errors.ts";
import { sizeOf } from "../base/shape.ts";
import { type Node, topologicalOrder } from "../ir/graph.ts";
import { operation, type ReferenceArray } from "../ops/definition.ts";
import type { Device, DeviceBuffer, Executable, Program } from "./backend.ts";

interface ReferenceBuffer extends DeviceBuffer {
  readonly data: ReferenceArray;
}

interface ReferenceOptions {
  /** `float64` keeps full precision between operations (the default); `float32` rounds each result. */
  readonly precision?: "float64" | "float32";
}

/** Computes every node's elements. */
function evaluateGraph(roots: readonly Node[], leaves: ReadonlyMap<Node, ReferenceArray>, round: boolean): ReferenceArray[] {
  const values = new Map<Node, ReferenceArray>(leaves);
  for (const node of topologicalOrder(roots)) {
    if (values.has(node)) continue;
    const inputs = node.inputs.map((input) => values.get(input)!);
    values.set(node, toStorage(operation(node.op).reference(inputs, node), node.dtype, round));
  }
  return roots.map((root) => values.get(root)!);
}

function toStorage(values: ArrayLike<number>, dtype: DType, round: boolean): ReferenceArray {
  // Int32Array.from wraps around, as integer arithmetic does.
  if (dtype !== "float32") return values instanceof Int32Array ? values : Int32Array.from(values);
  if (round) return Float64Array.from(values, Math.fround);
  return values instanceof Float64Array ? values : Float64Array.from(values);
}

export function createReferenceDevice({ precision = "float64" }: ReferenceOptions = {}): Device {
  const wrap = (dtype: DType, data: ReferenceArray): ReferenceBuffer => ({ device, dtype, count: data.length, released: "no", data });
  const device: Device = {
    backend: "reference",
    threads: 1,
    compile(program: Program): Executable {
      const started = performance.now();
      const constants = [...program.constants].map(([node, buffer]) => [node, (buffer as ReferenceBuffer).data] as const);
      return {
        stats: { kernels: topologicalOrder(program.outputs).length, arenaBytes: 0, codeBytes: 0, compileMs: performance.now() - started },
        run(inputs) {
          const leaves = new Map<Node, ReferenceArray>(constants);
          program.inputs.forEach((node, i) => {
            leaves.set(node, (inputs[i] as ReferenceBuffer).data);
          });
          const results = evaluateGraph(program.outputs, leaves, precision === "float32");
          inputs.forEach((buffer, i) => {
            if (program.donated[i]) buffer.released = "donated";
          });
          return results.map((data, i) => {
            const { shape, dtype } = program.outputs[i]!;
            if (data.length !== sizeOf(shape)) throw new InvariantError(`${program.outputs[i]!.op}: reference result has ${data.length} elements`);
            return wrap(dtype, data);
          });
        },
        dispose() {},
      };
    },
    upload: (dtype, data) => wrap(dtype, dtype === "float32" ? Float64Array.from(data) : Int32Array.from(data)),
    download(buffer): HostArray {
      const out = hostArray(buffer.dtype, buffer.count);
      out.set((buffer as ReferenceBuffer).data);
      return out;
    },
    read: async (buffer) => device.download(buffer),
    settle: async () => {},
    free(buffer) {
      buffer.released = "disposed";
    },
    memory: () => ({ liveBytes: 0, peakBytes: 0 }),
    close() {},
  };
  return device;
}

/** Elements of a reference buffer in full precision, for tests against finite differences. */
export function referenceData(buffer: DeviceBuffer): ReferenceArray {
  return (buffer as ReferenceBuffer).data;
}
