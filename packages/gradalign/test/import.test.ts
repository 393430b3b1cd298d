/** @file `gradalign import`: what it says of each format, as text and as JSON, and of what is no model. */
import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { filesBeside } from "@gradalign/robustness/node";
import { afterAll, expect, test } from "vitest";
import { gradalign } from "./support/captured.ts";

const folder = mkdtempSync(join(tmpdir(), "gradalign-import-"));
afterAll(() => rmSync(folder, { recursive: true }));
const fixture = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const checkpoint = (name: string): string => fixture(`robustness/test/fixtures/checkpoints/${name}`);

test("a checkpoint's format, networks, wrappers and tensors", async () => {
  const { code, stdout } = await gradalign("import", checkpoint("resnet18.pth"));
  expect(code).toBe(0);
  expect(stdout.split("\n").slice(0, 6)).toEqual([
    "format: pytorch-legacy",
    "networks: resnet18:width=2,stem=cifar (10 classes)",
    "wrappers: state_dict",
    `evaluate: gradalign eval ${checkpoint("resnet18.pth")}`,
    "122 tensors, 11,740 elements",
    "",
  ]);
  expect(stdout).toMatch(/^layer2\.0\.shortcut\.0\.weight +float32 +4 x 2 x 1 x 1$/m);
  const { stdout: json } = await gradalign("import", fixture("formats/test/fixtures/torch-2.13-zip-wrapped.pth"), "--part", "best", "--json");
  expect(JSON.parse(json)).toMatchObject({
    format: "pytorch-zip",
    facts: { networks: [], wrappers: ["best", "state_dict"] },
    parameters: 4,
    tensors: [{ name: "conv.weight", dtype: "float32", shape: [2, 2] }],
  });
});

test("several networks with the same tensors, normalisation, and how to evaluate", async () => {
  const final = checkpoint("preact-resnet18-final.pth");
  const { stdout } = await gradalign("import", final);
  expect(stdout).toContain(
    `evaluate: gradalign eval ${final} --arch preact-resnet18-final-norm:width=2; gradalign eval ${final} --arch preact-resnet18-v2:width=2`,
  );
  expect((await gradalign("import", checkpoint("dm-wide-resnet.pth"))).stdout).toContain("normalization: the tensors mean and std\n");
});

test("convert writes safetensors and ONNX, tells what it did, and writes nothing where it cannot", async () => {
  const [weights, graph] = [join(folder, "converted.safetensors"), join(folder, "converted.onnx")];
  const { code, stdout, stderr } = await gradalign("convert", checkpoint("resnet18.pth"), "--out", weights);
  expect([code, stdout]).toEqual([0, expect.stringMatching(/converted\.safetensors: safetensors, [\d.]+ kB\n$/)]);
  expect(stderr).toContain("taken for resnet18:width=2,stem=cifar, the only built-in network with these tensors");
  expect((await gradalign("convert", weights, "--mean", "0.5", "--std", "0.25", "--out", graph)).code).toBe(0);
  expect((await gradalign("import", graph)).stdout).toMatch(/operators: 8 Add; .*; Div; .*; Sub\n/);
  const none = join(folder, "none.onnx");
  for (const [argv, message] of [
    [[checkpoint("preact-resnet18-final.pth"), "--out", none], "choose one with --arch"],
    [[checkpoint("resnet18.pth"), "--arch", "resnet50", "--out", none], "the weights do not fit resnet50"],
    [[checkpoint("resnet18.pth"), "--out", join(folder, "none.pth")], "must end in .safetensors or .onnx"],
    [[checkpoint("resnet18.pth"), "--std", "0", "--out", none], '--std (="0") must be numbers above 0'],
    [[checkpoint("resnet18.pth"), "--shape", "3,32", "--out", none], '--shape (="3,32") must be channels,height,width'],
  ] as const) {
    const refused = await gradalign("convert", ...argv);
    expect([refused.code, refused.stderr]).toEqual([expect.any(Number), expect.stringContaining(message)]);
    expect(refused.code).not.toBe(0);
  }
  expect(readdirSync(folder).filter((name) => name.startsWith("none"))).toEqual([]);
});

test("an ONNX graph's opset, operators and whether it can be used", async () => {
  const { stdout } = await gradalign("import", checkpoint("lenet-opset13.onnx"));
  expect(stdout).toContain("opset: 13\nIR version: 7\nproducer: pytorch\ninputs: x float32 [batch, 1, 19, 19]\n");
  expect(stdout).toContain("usable: 10 classes; the Softmax at the end was taken off");
});

test("what is no model is refused by what it is", async () => {
  const page = join(folder, "page.pth");
  writeFileSync(page, "<!DOCTYPE html><title>Sign in</title>");
  for (const [path, message] of [
    [page, `error: ${page}: an HTML page, not a model`],
    [fixture("formats/test/fixtures/torch-2.13-zip-foreign.pth"), "-foreign.pth: the pickle asks for __main__.Foreign, torch.nn.modules.activation.ReLU"],
    [folder, "it is a folder, not a regular file"],
    [join(folder, "missing.pth"), "it does not exist"],
  ] as const) {
    const { code, stderr } = await gradalign("import", path);
    expect([code, stderr]).toEqual([1, expect.stringContaining(message)]);
  }
});

test("files beside a model are read, files elsewhere are not, by whatever name", () => {
  writeFileSync(join(folder, "weights.bin"), "abc");
  symlinkSync("/etc/hostname", join(folder, "link"));
  const open = filesBeside(join(folder, "model.onnx"));
  expect(new TextDecoder().decode(open("weights.bin").read(1, 3))).toBe("bc");
  expect(() => open("link")).toThrow('the weights in "link" are not inside the model\'s folder: refused');
  expect(() => open("none")).toThrow("it does not exist");
});
