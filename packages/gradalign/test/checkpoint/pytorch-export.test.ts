/** @file The exported file holds what PyTorch's strict loading asks for. */
import { expect, it } from "vitest";
import { decodeSafetensors } from "../../src/checkpoint/safetensors.ts";
import { exportSafetensors } from "../../src/interop/pytorch-export.ts";

const tensor = (...values: number[]) => ({ dtype: "float32" as const, shape: [values.length], data: () => Float32Array.from(values) });

it("adds a counter to each batch norm", () => {
  const params = { "conv.weight": tensor(1, 2), "bn.weight": tensor(3), "bn.bias": tensor(4) };
  const state = { "bn.running_mean": tensor(5), "bn.running_var": tensor(6), running_mean: tensor(7) };
  const { tensors, metadata } = decodeSafetensors(exportSafetensors(params, state, { batchesTracked: 1170, metadata: { method: "fgsm" } }));
  expect([...tensors.keys()].sort()).toEqual([...Object.keys(params), ...Object.keys(state), "bn.num_batches_tracked", "num_batches_tracked"].sort());
  expect(tensors.get("conv.weight")).toEqual({ dtype: "float32", shape: [2], data: Float32Array.of(1, 2) });
  expect(tensors.get("bn.num_batches_tracked")).toEqual({ dtype: "int64", shape: [], data: BigInt64Array.of(1170n) });
  expect(metadata).toEqual({ method: "fgsm", format: "pt" });
});
