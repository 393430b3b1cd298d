/** @file ONNX graphs by both of torch's exporters: PyTorch's logits and input gradients, training, and what is refused. */
import { encodeOnnx, type OnnxAttribute, type OnnxContent, type OnnxNode, openWeights, readOnnx, type StoredTensor } from "@gradalign/formats";
import { grad, jit, mul, sub, type Tensor, tensor, type Value } from "@gradalign/tensor";
import { describe, expect, test } from "vitest";
import { loadWeights } from "../../src/interop/load-weights.ts";
import { createModel } from "../../src/models/index.ts";
import { crossEntropy } from "../../src/nn/cross-entropy.ts";
import type { Params } from "../../src/nn/params.ts";
import { exportOnnx } from "../../src/onnx/export.ts";
import { onnxFunction, onnxModel } from "../../src/onnx/model.ts";
import { mapParams } from "../../src/optim/optimizer.ts";
import { checkpoint, openComparison } from "../support/answers.ts";

const compare = openComparison();

describe("logits and input gradients", () => {
  test.each(["lenet-opset9", "lenet-opset13", "lenet-fixed", "lenet-dynamo", "mobile-opset12", "mobile-dynamo", "preact-dynamo"])("%s", async (name) => {
    const { classes, notes, ...model } = await onnxModel(readOnnx(checkpoint(`${name}.onnx`)));
    compare(name, model);
    expect(classes).toBe(10);
    expect(notes).toEqual(name === "lenet-opset13" ? ["the Softmax at the end was taken off: logits are what it was given"] : []);
  });
});

describe("an exported network", () => {
  test.each([
    ["preact-resnet18.pth", { name: "preact-resnet18", width: 2 }],
    ["resnet18-imagenet.pth", { name: "resnet18", width: 2, stem: "imagenet" }],
    ["dm-preact-resnet.pth", { name: "dm-preact-resnet", width: 2 }],
  ] as const)("%s is read again as the same one, normalisation inside", async (file, config) => {
    const model = createModel(config);
    const { params, state, normalization } = loadWeights(model, openWeights(checkpoint(file)).tensors);
    const bytes = exportOnnx(model, params, state, { ...normalization, metadata: { epsilon: "8/255" } });
    const onnx = readOnnx(bytes);
    expect([onnx.opset, onnx.irVersion, onnx.metadata, onnx.inputs[0]?.shape]).toEqual([17, 8, { epsilon: "8/255" }, ["batch", 3, 32, 32]]);
    const again = await onnxModel(onnx);
    expect(Object.keys(again.params).sort()).toEqual(Object.keys(params).sort());
    expect(Object.keys(again.state).sort()).toEqual(Object.keys(state).sort());
    compare(file.replace(".pth", ""), again);
  });
});

describe("a graph", () => {
  const node = (op: string, inputs: string[], outputs: string[], attributes: OnnxNode["attributes"] = new Map(), domain = ""): OnnxNode => ({
    op,
    domain,
    name: "",
    inputs,
    outputs,
    attributes,
  });
  const graph = (nodes: OnnxNode[], rest: Partial<OnnxContent> = {}) =>
    readOnnx(
      encodeOnnx({
        irVersion: 8,
        opset: 17,
        producer: "",
        name: "g",
        nodes,
        initializers: new Map([["w", { dtype: "float32", shape: [12, 3], data: new Float32Array(36).fill(0.1) }]]),
        inputs: [{ name: "x", dtype: "float32", shape: [null, 3, 2, 2] }],
        outputs: [{ name: "y", dtype: "float32", shape: null }],
        ...rest,
      }),
    );
  const refused = (nodes: OnnxNode[], rest?: Partial<OnnxContent>, shape?: [number, number, number]) =>
    onnxModel(graph(nodes, rest), shape ? { shape } : {}).then(
      () => "taken",
      (error: Error) => `${(error as { code?: string }).code}: ${error.message}`,
    );
  const flat = node("Flatten", ["x"], ["f"]);
  const last = node("MatMul", ["f", "w"], ["y"]);

  test("trains: its weights are parameters, what it does to images first is not", async () => {
    const mean = { dtype: "float32", shape: [1, 3, 1, 1], data: Float32Array.of(0.5, 0.5, 0.5) } as const;
    const w = { dtype: "float32", shape: [12, 3], data: Float32Array.from({ length: 36 }, (_, i) => Math.sin(i)) } as const;
    const initializers = new Map<string, StoredTensor>([
      ["w", w],
      ["mean", mean],
    ]);
    const { model, params } = await onnxModel(graph([node("Sub", ["x", "mean"], ["c"]), node("Flatten", ["c"], ["f"]), last], { initializers }));
    expect(Object.keys(params)).toEqual(["w"]);
    const x = tensor(
      Float32Array.from({ length: 24 }, (_, i) => (i % 5) / 4),
      [2, 3, 2, 2],
    );
    const labels = tensor(Int32Array.of(0, 2));
    const loss = (p: Params): Value => crossEntropy(model.apply(p, {}, x, { train: true }).logits, labels);
    const step = jit((p: Params) => ({ before: loss(p), after: loss(mapParams((v, g) => sub(v, mul(0.1, g)), p, grad(loss)(p))) }));
    const { before, after } = step(params);
    expect(after.item()).toBeLessThan(before.item());
  });

  test("computes its operators as ONNX says", async () => {
    const of = async (nodes: OnnxNode[], opset: number, constants: Readonly<Record<string, readonly number[]>> = {}): Promise<number[]> => {
      const initializers = new Map(
        Object.entries(constants).map(([name, values]): [string, StoredTensor] => [
          name,
          { dtype: "int64", shape: [values.length], data: BigInt64Array.from(values, BigInt) },
        ]),
      );
      const run = await onnxFunction(graph(nodes, { opset, initializers }));
      const x = tensor(Float32Array.of(-3, -1, 0, 0.5, 1.5, 2), [2, 3]);
      return [...(jit(run)({ x })["y"] as Tensor).data()].map((value) => Math.round(value * 1e4) / 1e4);
    };
    const ints = (...value: number[]): OnnxAttribute => ({ kind: "ints", value });
    const float = (value: number): OnnxAttribute => ({ kind: "float", value });
    const one = (op: string, inputs: string[], attributes: Readonly<Record<string, OnnxAttribute>> = {}): OnnxNode[] => [
      node(op, ["x", ...inputs], ["y"], new Map(Object.entries(attributes))),
    ];
    // Bounds, axes and splits that were attributes are inputs since some opset; a softmax over all later axes is over one since 13.
    expect(await of(one("Clip", [], { min: float(-1), max: float(1) }), 9)).toEqual([-1, -1, 0, 0.5, 1, 1]);
    expect(await of(one("HardSwish", []), 14)).toEqual([-0, -0.3333, 0, 0.2917, 1.125, 1.6667]);
    expect(await of(one("Round", []), 17)).toEqual([-3, -1, 0, 0, 2, 2]);
    expect(await of(one("Softmax", [], { axis: { kind: "int", value: 0 } }), 9)).toEqual([0.0033, 0.0246, 0.0669, 0.1104, 0.3, 0.4947]);
    expect(await of(one("Softmax", [], { axis: { kind: "int", value: 0 } }), 13)).toEqual([0.0293, 0.0759, 0.1192, 0.9707, 0.9241, 0.8808]);
    expect(await of(one("ReduceMean", [], { axes: ints(1), keepdims: { kind: "int", value: 0 } }), 17)).toEqual([-1.3333, 1.3333]);
    expect(await of(one("ReduceMean", ["a"], { keepdims: { kind: "int", value: 0 } }), 18, { a: [-1] })).toEqual([-1.3333, 1.3333]);
    expect(await of(one("Slice", ["s", "e", "a", "b"]), 13, { s: [-1], e: [-100], a: [1], b: [-2] })).toEqual([0, -3, 2, 0.5]);
    expect(await of(one("Pad", ["p"], { mode: { kind: "string", value: "reflect" } }), 13, { p: [0, 1, 0, 0] })).toEqual([-1, -3, -1, 0, 1.5, 0.5, 1.5, 2]);
    expect(await of(one("Gather", ["i"], { axis: { kind: "int", value: 1 } }), 13, { i: [-1, 0] })).toEqual([0, -3, 2, 0.5]);
    expect(await of(one("Expand", ["s"]), 13, { s: [2, 2, 3] })).toEqual([-3, -1, 0, 0.5, 1.5, 2, -3, -1, 0, 0.5, 1.5, 2]);
  });

  test("is refused for what it has that is not supported, by name", async () => {
    expect(await refused([flat, node("GridSample", ["f"], ["g"]), node("Fancy", ["g"], ["y"], new Map(), "com.example")])).toBe(
      "FormatError: onnx: operators that are not supported: com.example.Fancy, GridSample",
    );
    expect(await refused([flat, last], { opset: 8 })).toMatch("opset 8 is older than 9");
    expect(await refused([node("Softmax", ["zz"], ["y"])])).toMatch('no operator computes the output "zz"');
    expect(await refused([node("MatMul", ["gone", "w"], ["y"])])).toMatch('MatMul "" uses "gone", which nothing before it computes');
    expect(await refused([flat, node("Reshape", ["f", "f"], ["y"])])).toMatch("its input 1 depends on the images");
    expect(await refused([flat])).toMatch("no operator computes the output");
    expect(await refused([node("Identity", ["x"], ["y"])])).toMatch("the output for two images has shape [2, 3, 2, 2], expected [2, classes]");
    expect(await refused([flat, last], { inputs: [{ name: "x", dtype: "float32", shape: ["n", 3, "h", "w"] }] })).toMatch("give it, e.g. [3, 32, 32]");
    expect(await refused([flat, last], {}, [3, 4, 4])).toMatch("the graph takes images of [3, 2, 2], not [3, 4, 4]");
  });
});
