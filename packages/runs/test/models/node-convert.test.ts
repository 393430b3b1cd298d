/** @file Models in other formats: they open again, without being told anything, as the same function of images; what is left out is told. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { decodeSafetensors, encodeSafetensors, openWeights, readOnnx } from "@gradalign/formats";
import { resolveTrainConfig, train } from "@gradalign/robustness";
import { writeFolderAtomic } from "@gradalign/robustness/node";
import { savedFolder, savedOnnx, savedSafetensors } from "@gradalign/runs";
import { convertModel, createRun, loadSavedModel, type OpenedVictim, openVictim, type SavedModel } from "@gradalign/runs/node";
import { createDevice, type Device, evaluate, randomKey, type Tensor, uniform, zeros } from "@gradalign/tensor";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tinyDataset } from "../../../robustness/test/support/tiny-dataset.ts";

const checkpoint = (name: string): string => fileURLToPath(new URL(`../../../robustness/test/fixtures/checkpoints/${name}`, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "gradalign-convert-"));
const run = join(folder, "run");
const data = tinyDataset();
const code = { version: "9.9.9", commit: "0123456789ab" };
let device: Device;
let saved: SavedModel;
beforeAll(async () => {
  device = await createDevice({ threads: 1 });
  const size = { epochs: 1, batchSize: 4, evalExamples: 4, epsilon: 8 / 255, seed: 7 };
  const config = resolveTrainConfig({ dataset: data, model: { name: "cnn", filters: 2 }, method: "fgsm", ...size });
  await train(config, data, { device, checkpoints: createRun(run, config).sink });
  saved = loadSavedModel(run, undefined, () => {});
});
afterAll(() => {
  device.close();
  rmSync(folder, { recursive: true });
});

/** Logits of four random images. */
function logitsOf({ victim }: OpenedVictim): Float32Array {
  const x = uniform(randomKey(3), [4, ...victim.shape], 0, 1);
  return (evaluate(victim.logits(victim.tensors, x, zeros([4, 2], "int32")), device) as Tensor).data() as Float32Array;
}
const difference = (a: Float32Array, b: Float32Array): number => Math.max(...a.map((value, i) => Math.abs(value - (b[i] as number))));

describe("a run's model", () => {
  test("as safetensors, ONNX and a folder opens as the same network, with what the run knows of it", async () => {
    const files = { "model.safetensors": savedSafetensors(saved, code), "model.onnx": savedOnnx(saved, code) };
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
    writeFolderAtomic(join(folder, "hub"), savedFolder(saved, code, []));
    const expected = await openVictim(run);
    for (const name of ["model.safetensors", "model.onnx", "hub"]) {
      const again = await openVictim(join(folder, name));
      expect(difference(logitsOf(again), logitsOf(expected)), name).toBeLessThan(1e-6);
      expect(again.notes).toEqual(name.endsWith("onnx") ? [] : ["trained, so the file says, at epsilon 8/255 in l-infinity"]);
      expect(again.judged.architecture).toEqual(name.endsWith("onnx") ? null : { name: "cnn", filters: 2 });
    }
    const { metadata } = decodeSafetensors(files["model.safetensors"]);
    expect(metadata).toEqual(readOnnxMetadata(files["model.onnx"]));
    expect(metadata).toMatchObject({
      "gradalign.architecture": "cnn:filters=2",
      "gradalign.epsilon": "8/255",
      "gradalign.seed": "7",
      "gradalign.checkpoint": "last",
      "gradalign.iteration": "4",
      "gradalign.sha256": saved.snapshot.sha256,
      "gradalign.version": "9.9.9",
      "gradalign.commit": "0123456789ab",
    });
    expect(JSON.parse(metadata["gradalign.settings"] as string)).toEqual(JSON.parse(JSON.stringify(saved.run.config)));
  });

  test("has a card whose figures are those recorded of this checkpoint, and no others", () => {
    const record = { which: "last", iteration: 4, attack: "pgd-50-10", epsilon: 8 / 255, n: 8, seed: 7, cleanAccuracy: 0.625, robustAccuracy: 0.375 };
    const rest = { confidence95: [0.1, 0.7], meanLoss: 2, seconds: 1 } as const;
    const card = String(
      savedFolder(saved, code, [
        { ...record, ...rest },
        { ...record, ...rest, iteration: 3, robustAccuracy: 0.111 },
        { ...record, ...rest, which: "best", robustAccuracy: 0.222 },
      ])["README.md"],
    );
    expect(card).toContain("| PGD-50-10 | 8/255 | 8 | 7 | 62.5 % | 37.5 % | 10.0 % to 70.0 % |");
    expect(card).not.toMatch(/11\.1 %|22\.2 %|0\.111|0\.222/);
    const front = /^---\n([\s\S]*?)\n---\n/.exec(card)?.[1] as string;
    const index = front.split("\n").find((line) => line.startsWith("model-index: ")) as string;
    expect(JSON.parse(index.slice("model-index: ".length))[0].results[0].metrics.map(({ value }: { value: number }) => value)).toEqual([0.625, 0.375]);
    const without = String(savedFolder(saved, code, [])["README.md"]);
    expect(without).toContain("None was recorded for this checkpoint.");
    expect(without).not.toContain("model-index");
  });

  test("is written as a whole folder or not at all", () => {
    const out = join(folder, "whole");
    expect(() => writeFolderAtomic(out, { "a.txt": "a", "none/b.txt": "b" })).toThrow("cannot write");
    expect(readdirSync(folder).filter((name) => name.includes("whole"))).toEqual([]);
    writeFolderAtomic(out, { "a.txt": "a" });
    expect(() => writeFolderAtomic(out, { "b.txt": "b" })).toThrow(`"${out}" must be empty or not there`);
    expect(readdirSync(out)).toEqual(["a.txt"]);
  });
});

function readOnnxMetadata(bytes: Uint8Array): Record<string, string> {
  return { ...readOnnx(bytes).metadata, format: "pt" };
}

describe("a file in another format", () => {
  const convert = async (file: string, to: "safetensors" | "onnx", options = {}) => {
    const { content, notes } = await convertModel(file, to, options);
    const path = join(folder, `converted.${to}`);
    writeFileSync(path, content);
    return { path, content, notes: notes.join("\n") };
  };

  test.each(["dm-preact-resnet.pth", "preact-resnet18-v2.pth", "wide-resnet.safetensors"])(
    "%s as safetensors and as ONNX, and that one's weights",
    async (name) => {
      const file = checkpoint(name);
      const options = name.includes("-v2") ? { arch: "preact-resnet18-v2", mean: [0.5], std: [0.25] } : {};
      const expected = logitsOf(await openVictim(file, options));
      const stored = openWeights(readFileSync(file)).tensors;
      const weights = await convert(file, "safetensors", options);
      expect([...decodeSafetensors(weights.content).tensors].map(([key, { dtype }]) => [key, dtype]).sort()).toEqual(
        [...stored].map(([key, { dtype }]) => [key, dtype]).sort(),
      );
      const again = await openVictim(weights.path);
      expect(difference(logitsOf(again), expected)).toBe(0);
      const graph = await convert(file, "onnx", options);
      expect(readOnnx(graph.content)).toMatchObject({ opset: 17, irVersion: 8 });
      expect(graph.notes).toMatch(/left out: \d+ counters of batches/);
      if (name.startsWith("wide")) expect(graph.notes).toContain("no forward pass uses");
      expect(difference(logitsOf(await openVictim(graph.path)), expected)).toBeLessThan(1e-5);
      const back = await convert(graph.path, "safetensors");
      expect(back.notes).toMatch(/^left out: the graph of \d+ operators/);
      const opened = await openVictim(back.path);
      expect(difference(logitsOf(opened), expected)).toBeLessThan(1e-5);
      expect(opened.judged.architecture).toEqual(again.judged.architecture);
    },
  );

  test("is told what could not be taken along, or is refused with the file's name", async () => {
    const wrapped = fileURLToPath(new URL("../../../formats/test/fixtures/torch-2.13-zip-wrapped.pth", import.meta.url));
    const { notes, content } = await convert(wrapped, "safetensors");
    expect(notes).toContain("the weights are those under last › state_dict; not used: epoch (3)");
    expect(notes).toContain("taken off names: module., model.");
    expect(notes).toContain("the file does not say which network it is of: no built-in network has exactly its 3 tensors");
    expect([...decodeSafetensors(content).tensors.keys()].sort()).toEqual(["conv.bias", "conv.weight", "mu"]);
    await expect(convertModel(wrapped, "onnx")).rejects.toThrow(`${wrapped}: no built-in network has exactly its 3 tensors`);
    await expect(convertModel(wrapped, "safetensors", { mean: [0.5] })).rejects.toThrow("no built-in network");
    await expect(convertModel(wrapped, "safetensors", { arch: "cnn" })).rejects.toThrow(`${wrapped}: the weights do not fit cnn`);
    await expect(convertModel(checkpoint("lenet-opset13.onnx"), "onnx")).rejects.toThrow("lenet-opset13.onnx: an ONNX model already");
    const damaged = join(folder, "damaged.safetensors");
    writeFileSync(damaged, encodeSafetensors({}).subarray(0, 9));
    await expect(convertModel(damaged, "safetensors")).rejects.toThrow(`${damaged}: `);
  });
});
