/** @file Saved models of every form opened as victims: PyTorch's logits with the file's own normalisation, what is said, and refusals that name the file. */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cnn, createModel, describeModelFor, exportSafetensors, type ModelConfig, resolveTrainConfig, train } from "@gradalign/robustness";
import { createRun, openVictim } from "@gradalign/runs/node";
import { createDevice, type Device, evaluate, jit, randomKey, type Tensor, type Value, zeros } from "@gradalign/tensor";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tinyDataset } from "../../../robustness/test/support/tiny-dataset.ts";
import { Fixture, relativeError } from "../../../tensor/test/support/fixtures.ts";

const FOLDER = new URL("../../../robustness/test/fixtures/checkpoints/", import.meta.url);
const checkpoint = (name: string): string => fileURLToPath(new URL(name, FOLDER));
const answers = await Fixture.read(new URL("answers.safetensors", FOLDER));
const folder = mkdtempSync(join(tmpdir(), "gradalign-open-"));
let device: Device;
beforeAll(async () => {
  device = await createDevice({ threads: 1 });
});
afterAll(() => {
  device.close();
  rmSync(folder, { recursive: true });
});

/** A model with its first weights. */
function fresh(config: ModelConfig) {
  const model = createModel(config);
  const { params, state } = model.init(randomKey(0));
  return { model, params: evaluate(params, device) as Record<string, Tensor>, state: evaluate(state, device) as Record<string, Tensor> };
}

describe("a victim gives PyTorch's logits", () => {
  test.each([
    [
      "wide-resnet.safetensors",
      { name: "wide-resnet", depth: 10, widen: 1 },
      ["taken for wide-resnet:depth=10,widen=1", "no forward pass uses", "stored as float16"],
    ],
    ["dm-preact-resnet.pth", { name: "dm-preact-resnet", depth: 18, width: 2, activation: "swish" }, ["taken for dm-preact-resnet", "under state_dict"]],
    ["resnet18.pth", { name: "resnet18", width: 2, stem: "cifar" }, ["taken for resnet18:width=2,stem=cifar", "under state_dict", "images are not normalised"]],
    ["lenet-opset13.onnx", null, ["the Softmax at the end was taken off", "images are not normalised (outside the graph)"]],
  ])("%s", async (file, architecture, said) => {
    const { victim, judged, notes } = await openVictim(checkpoint(file));
    const compute = jit((x: Value) => victim.logits(victim.tensors, x, zeros([x.shape[0] as number, 2], "int32")), { device });
    const name = file.replace(/\..*/, "");
    expect(relativeError(compute(answers.tensor(`${name}/x`)).data(), answers.get(`${name}/logits`).data)).toBeLessThan(1e-4);
    compute.dispose();
    expect(judged).toMatchObject({
      file,
      architecture,
      sha256: createHash("sha256")
        .update(readFileSync(checkpoint(file)))
        .digest("hex"),
    });
    expect(judged.format).toBe(file.endsWith("onnx") ? "onnx" : file.endsWith("pth") ? "pytorch" : "safetensors");
    for (const text of said) expect(notes.join("\n")).toContain(text);
    if (!/resnet18|lenet/.test(file)) expect(judged.normalization?.std.map((value) => Math.round(value * 1e3))).toEqual([247, 244, 262]);
  });
});

describe("the network", () => {
  test("is chosen by --arch where several fit; options left out are the file's", async () => {
    const path = checkpoint("preact-resnet18-final.pth");
    await expect(openVictim(path)).rejects.toThrow(
      `${path}: its tensors fit preact-resnet18-final-norm:width=2 and preact-resnet18-v2:width=2, which compute differently with them; choose one with --arch`,
    );
    const { judged } = await openVictim(path, { arch: "preact-resnet18-final-norm" });
    expect(judged.architecture).toEqual({ name: "preact-resnet18-final-norm", width: 2 });
    await expect(openVictim(path, { arch: "preact-resnet18:width=4" })).rejects.toThrow(`${path}: the weights do not fit preact-resnet18 {"width":4`);
    await expect(openVictim(path, { arch: "preact-resnet18:depth=4" })).rejects.toThrow(
      '--arch: depth (="4") is not an option of preact-resnet18, which has width',
    );
    await expect(openVictim(path, { arch: "preact-resnet18-final-norm", mean: [0.5, 0.4] })).rejects.toThrow(
      '--mean (="0.5,0.4") must be one number, or one for each of 3 channels, got 2',
    );
    await expect(openVictim(path, { arch: "resnet" })).rejects.toThrow('--arch (="resnet") must begin with one of cnn, preact-resnet18');
  });

  test("of a file that was exported from here is known, with its normalisation", async () => {
    const { model, params, state } = fresh({ name: "preact-resnet18-v2", width: 1 });
    const metadata = describeModelFor(model, { mean: [0.5, 0.4, 0.3], std: [0.25, 0.2, 0.2] });
    const path = join(folder, "ours.safetensors");
    writeFileSync(path, exportSafetensors(params, state, { metadata }));
    const { judged, notes } = await openVictim(path);
    expect(judged.architecture).toEqual({ name: "preact-resnet18-v2", width: 1 });
    expect(notes).toEqual(["images are normalised with the file's mean 0.5, 0.4, 0.3, std 0.25, 0.2, 0.2"]);
    const given = await openVictim(path, { mean: [0.5], std: [0.5] });
    expect(given.judged.normalization).toEqual({ mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] });
    expect(given.notes[0]).toContain("normalised with what was given, not with the file's mean 0.5, 0.4, 0.3");
    for (const [key, text] of Object.entries({ architecture: "resnet18:stem=none", classes: '"ten"', shape: "[3", normalization: '{"mean":[]}' })) {
      writeFileSync(path, exportSafetensors(params, state, { metadata: { ...metadata, [`gradalign.${key}`]: text } }));
      await expect(openVictim(path)).rejects.toThrow(/ours\.safetensors: its metadata/);
    }
  });

  test("takes the size of the images that are given", async () => {
    const model = cnn({ filters: 2, shape: [1, 8, 8] });
    const { params } = model.init(randomKey(0));
    const path = join(folder, "cnn.safetensors");
    writeFileSync(path, exportSafetensors(evaluate(params, device) as Record<string, Tensor>, {}));
    expect((await openVictim(path, { shape: [1, 8, 8] })).victim.shape).toEqual([1, 8, 8]);
    await expect(openVictim(path)).rejects.toThrow(`${path}: no built-in network has exactly its 4 tensors at 32 x 32 pixels`);
    await expect(openVictim(path, { shape: [3, 8, 8] })).rejects.toThrow("takes images of [1, 8, 8], not of [3, 8, 8]");
  });
});

test("a run's checkpoint, with its iteration and the checksum of its tensors", async () => {
  const data = tinyDataset();
  const config = resolveTrainConfig({ dataset: data, model: { name: "cnn", filters: 1 }, method: "fgsm", epochs: 1, batchSize: 4, evalExamples: 4 });
  const path = join(folder, "run");
  await train(config, data, { device, checkpoints: createRun(path, config).sink });
  const { judged, saved, notes } = await openVictim(path);
  const manifest = JSON.parse(readFileSync(join(path, "checkpoints", "last.json"), "utf8")) as { sha256: string; tensors: string };
  expect(judged).toMatchObject({ file: "run", format: "run", sha256: manifest.sha256, checkpoint: { which: "last", iteration: 4 }, normalization: null });
  expect(saved?.run.config.model.name).toBe("cnn");
  expect(notes).toEqual([]);
  expect((await openVictim(join(path, "checkpoints", manifest.tensors))).judged.sha256).toBe(manifest.sha256);
  await expect(openVictim(path, { arch: "cnn" })).rejects.toThrow('--arch (="cnn") must be left out');
});

test("what cannot be opened is refused with the file's name and a remedy", async () => {
  await expect(openVictim(join(folder, "none.pth"))).rejects.toThrow(
    "must be a run folder or a model's file (.pth, .pt, .safetensors, .onnx); nothing is there",
  );
  const page = join(folder, "page.pth");
  writeFileSync(page, "<!DOCTYPE html>");
  await expect(openVictim(page)).rejects.toThrow(`${page}: an HTML page, not a model`);
  await expect(openVictim(checkpoint("resnet18.pth"), { which: "best" })).rejects.toThrow("is no run; --part names a part of a .pth file");
  await expect(openVictim(checkpoint("lenet-opset13.onnx"), { arch: "cnn" })).rejects.toThrow("is an ONNX graph, which says what it computes");
});
