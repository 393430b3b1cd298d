/** @file The exported file holds what PyTorch's strict loading asks for. */

import { decodeSafetensors } from "@gradalign/formats";
import { evaluate, randomKey } from "@gradalign/tensor";
import { describe, expect, it } from "vitest";
import { exportSafetensors } from "../../src/interop/pytorch-export.ts";
import { cnn } from "../../src/models/cnn.ts";
import type { Model } from "../../src/models/model.ts";
import { preactResnet18 } from "../../src/models/preact-resnet18.ts";

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

describe("aliases for the authors' classes", () => {
  const exported = (model: Model, aliases: "authors" | "none") => {
    const { params, state } = evaluate(model.init(randomKey(0)));
    return decodeSafetensors(exportSafetensors(params, state, { aliases })).tensors;
  };
  // The names that their PreActResNet18 and CNN list beside those of the layers themselves.
  const names = {
    cnn: ["model_preact_hl1.0.bias", "model_preact_hl1.0.weight"],
    resnet: [
      "model_preact_hl1.1.weight",
      "model_preact_hl1.2.bias",
      "model_preact_hl1.2.num_batches_tracked",
      "model_preact_hl1.2.running_mean",
      "model_preact_hl1.2.running_var",
      "model_preact_hl1.2.weight",
    ],
  };

  it.each([
    { model: cnn(), added: names.cnn, same: ["model_preact_hl1.0.weight", "_model.0.weight"] },
    { model: preactResnet18({ width: 2 }), added: names.resnet, same: ["model_preact_hl1.2.running_var", "layer1.0.bn1.running_var"] },
  ] as const)("of $model.name", ({ model, added, same }) => {
    const [plain, all] = [exported(model, "none"), exported(model, "authors")];
    expect([...all.keys()].filter((name) => !plain.has(name)).sort()).toEqual(added);
    expect(all.get(same[0])).toEqual(all.get(same[1]));
    for (const [name, stored] of plain) expect(all.get(name)).toEqual(stored);
  });
});
