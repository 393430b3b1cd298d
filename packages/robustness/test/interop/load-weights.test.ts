/** @file Checkpoints that PyTorch saved, of every architecture, loaded into ours: PyTorch's logits and input gradients, or a refusal that names tensors. */
import { createHash } from "node:crypto";
import { brotliDecompressSync } from "node:zlib";
import { decodeSafetensors, openWeights, readOnnx, toFloat32 } from "@gradalign/formats";
import { type Tensor, tensor } from "@gradalign/tensor";
import { describe, expect, test } from "vitest";
import { loadWeights } from "../../src/interop/load-weights.ts";
import { recognizeModels } from "../../src/interop/recognize.ts";
import { createModel, type ModelConfig } from "../../src/models/index.ts";
import { onnxModel } from "../../src/onnx/model.ts";
import { checkpoint, openComparison } from "../support/answers.ts";

const compare = openComparison();

/** Each file, and the model that its network is. */
const NETWORKS: Readonly<Record<string, ModelConfig>> = {
  "preact-resnet18.pth": { name: "preact-resnet18", width: 2 },
  "preact-resnet18-final.pth": { name: "preact-resnet18-final-norm", width: 2 },
  "preact-resnet18-v2.pth": { name: "preact-resnet18-v2", width: 2 },
  "resnet18.pth": { name: "resnet18", width: 2 },
  "resnet50.pth": { name: "resnet50", width: 1 },
  "resnet18-imagenet.pth": { name: "resnet18", width: 2, stem: "imagenet" },
  "resnet50-imagenet.pth": { name: "resnet50", width: 1, stem: "imagenet" },
  "wide-resnet.safetensors": { name: "wide-resnet", depth: 10, widen: 1 },
  "dm-wide-resnet.pth": { name: "dm-wide-resnet", depth: 10, widen: 1 },
  "dm-preact-resnet.pth": { name: "dm-preact-resnet", width: 2 },
};

describe("logits and input gradients", () => {
  test.each(Object.entries(NETWORKS))("%s", (file, config) => {
    const model = createModel(config);
    const { unused, ...loaded } = loadWeights(model, openWeights(checkpoint(file)).tensors);
    compare(file.replace(/\..*/, ""), { model, ...loaded });
    expect(unused.filter((name) => !name.endsWith("num_batches_tracked")).every((name) => name.startsWith("sub_block1."))).toBe(true);
    const recognized = recognizeModels(openWeights(checkpoint(file)).tensors).map(({ model }) => [model.name, model.config]);
    expect(recognized).toContainEqual([model.name, model.config]);
    expect(recognized.length).toBe(file.includes("-final") || file.includes("-v2") ? 2 : 1);
    expect(loaded.normalization !== undefined).toBe(/wide|dm/.test(file));
  });
});

describe("what PyTorch 1.13 and 2.13 save, in zip and in legacy form", () => {
  const saves = decodeSafetensors(brotliDecompressSync(checkpoint("saves.br"))).tensors;
  const saved = (name: string): Uint8Array => saves.get(name)?.data as Uint8Array;
  const versions = ["1.13", "2.13"];

  test.each(Object.entries(NETWORKS))("%s has the very weights that give PyTorch's answers", (file, config) => {
    const model = createModel(config);
    const elements = (bytes: Uint8Array) => {
      const { params, state, normalization, unused } = loadWeights(model, openWeights(bytes).tensors);
      const data = Object.entries({ ...params, ...state }).map(([name, value]: [string, Tensor]) => {
        // Comparing long arrays element by element is slow.
        const sum = createHash("sha256").update(value.data() as Float32Array);
        return [name, value.shape, sum.digest("hex")];
      });
      return { data, normalization, unused: [...unused].sort() };
    };
    const expected = elements(checkpoint(file));
    for (const form of versions.flatMap((version) => [`${version}-zip`, `${version}-legacy`])) {
      const bytes = saved(`torch-${form}-${file.replace(/\..*/, "")}.pth`);
      expect(openWeights(bytes).format).toBe(`pytorch-${form.slice(5)}`);
      expect(elements(bytes)).toEqual(expected);
    }
  });

  test.each(versions.flatMap((version) => [`torch-${version}-lenet`, `torch-${version}-sequential`]))("%s as ONNX", async (name) => {
    const { tensors } = openWeights(saved(`${name}-answers.pth`));
    const get = (path: string) => {
      const stored = tensors.get(path.replace(`${name}/`, ""))!.read();
      return { shape: stored.shape, data: toFloat32(stored) };
    };
    compare(name, await onnxModel(readOnnx(saved(`${name}.onnx`))), { get, tensor: (path) => tensor(get(path).data, get(path).shape) });
  });
});

describe("nothing is loaded in part", () => {
  const { tensors } = openWeights(checkpoint("preact-resnet18.pth"));
  const load = (config: ModelConfig) => loadWeights(createModel(config), tensors);

  test("missing, unexpected and misshapen tensors are named", () => {
    expect(() => load({ name: "preact-resnet18-final-norm", width: 2 })).toThrow(
      'the weights do not fit preact-resnet18-final-norm {"width":2,"classes":10,"shape":[3,32,32]}: missing: bn.weight, bn.bias, bn.running_mean, bn.running_var',
    );
    expect(() => load({ name: "preact-resnet18", width: 4 })).toThrow(
      "of another shape: conv1.weight is [2, 3, 3, 3], expected [4, 3, 3, 3], layer1.0.bn1.weight",
    );
    const more = new Map([...tensors, ["ghost", tensors.get("linear.bias")!]]);
    expect(() => loadWeights(createModel({ name: "preact-resnet18", width: 2 }), more)).toThrow("unexpected: ghost");
    expect(() => load({ name: "cnn" })).toThrow("missing: _model.0.weight, _model.0.bias, _model.3.weight, _model.3.bias; unexpected: conv1.weight");
  });
});
