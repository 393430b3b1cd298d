/** @file A device that computes nothing: it plans programs as another device would, and counts the memory that they would need. What is read from it
 * is zeros. So the memory of any computation is found by doing it here. */
import { BYTES, type DType, type HostArray, hostArray } from "../base/dtype.ts";
import { sizeOf } from "../base/shape.ts";
import { encodeProgram } from "../codegen/wasm/program.ts";
import { GPU, type Target, WIDE_CPU } from "../ir/target.ts";
import type { KernelCall } from "../passes/lower.ts";
import { compileGraph } from "../passes/pipeline.ts";
import type { MemoryPlan } from "../passes/plan-memory.ts";
import type { Device, DeviceBuffer, Executable, Program } from "./backend.ts";

/** A device like the one given, for finding out how much memory a computation needs: `memory().peakBytes` after it. */
export function planningDevice(like: Pick<Device, "backend" | "threads" | "precision">): Device {
  const { backend, threads, precision } = like;
  const half = precision === "float16";
  const target: Target = backend === "webgpu" ? { ...GPU, winograd: !half, half } : WIDE_CPU;
  let [live, arena, peak] = [0, 0, 0];
  const bytesOf = ({ dtype, count }: Pick<DeviceBuffer, "dtype" | "count">): number => Math.ceil((count * BYTES[dtype]) / target.alignment) * target.alignment;
  const count = (bytes: number): void => {
    live += bytes;
    peak = Math.max(peak, live + arena);
  };
  const allocate = (dtype: DType, size: number): DeviceBuffer => {
    const buffer: DeviceBuffer = { device, dtype, count: size, released: "no" };
    count(bytesOf(buffer));
    return buffer;
  };
  const release = (buffer: DeviceBuffer, how: "disposed" | "donated"): void => {
    buffer.released = how;
    count(-bytesOf(buffer));
  };
  const device: Device = {
    backend,
    threads,
    ...(precision ? { precision } : {}),
    compile({ inputs, outputs, donated, batchInvariant }: Program): Executable {
      const started = performance.now();
      const { calls, plan } = compileGraph(inputs, outputs, donated, { ...target, batchInvariant });
      const arenaBytes = backend === "webgpu" ? plan.arenaBytes : wasmArena(calls, plan, threads);
      arena = Math.max(arena, arenaBytes);
      count(0);
      return {
        stats: { kernels: calls.length, arenaBytes, codeBytes: 0, compileMs: performance.now() - started },
        run(given) {
          const results = outputs.map(({ dtype, shape }, i) => {
            if ((plan.reused[i] as number) < 0) return allocate(dtype, sizeOf(shape));
            return { device, dtype, count: sizeOf(shape), released: "no" } as DeviceBuffer;
          });
          for (const source of plan.reused) if (source >= 0) (given[source] as DeviceBuffer).released = "donated";
          for (const [i, buffer] of given.entries()) if (donated[i] && buffer.released === "no") release(buffer, "donated");
          return results;
        },
        dispose() {},
      };
    },
    upload: (dtype, data) => allocate(dtype, data.length),
    download: ({ dtype, count: size }): HostArray => hostArray(dtype, size),
    read: async (buffer) => device.download(buffer),
    async settle() {},
    free: (buffer) => release(buffer, "disposed"),
    memory: () => ({ liveBytes: live, peakBytes: peak }),
    close() {},
  };
  return device;
}

/** With what each thread needs for itself, which is known once there is code. */
function wasmArena(calls: readonly KernelCall[], { arenaBytes, localBytes }: MemoryPlan, threads: number): number {
  const memory = { shared: threads > 1, initialPages: 64, maximumPages: 65536 };
  const buffers = calls.map((call) => ({ ...call, buffers: call.buffers.map((_, slot) => ({ kind: "slot", slot }) as const) }));
  return encodeProgram(buffers, { memory, threads, arenaBytes, localBytes, relaxed: true, wide: true }).arenaBytes;
}
