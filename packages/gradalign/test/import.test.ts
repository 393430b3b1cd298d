/** @file `gradalign import`: what it says of each format, as text and as JSON, and of what is no model. */
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
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
  expect(stdout.split("\n").slice(0, 5)).toEqual([
    "format: pytorch-legacy",
    "networks: resnet18, width 2, stem cifar, 10 classes",
    "wrappers: state_dict",
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

test("an ONNX graph's opset, operators and whether it can be used", async () => {
  const { stdout } = await gradalign("import", checkpoint("lenet-opset13.onnx"));
  expect(stdout).toContain("opset: 13\nIR version: 7\nproducer: pytorch\ninputs: x float32 [batch, 1, 19, 19]\n");
  expect(stdout).toContain("usable: 10 classes; the Softmax at the end was taken off");
});

test("what is no model is refused by what it is", async () => {
  const page = join(folder, "page.pth");
  writeFileSync(page, "<!DOCTYPE html><title>Sign in</title>");
  for (const [path, message] of [
    [page, "error: an HTML page, not a model"],
    [fixture("formats/test/fixtures/torch-2.13-zip-foreign.pth"), "error: the pickle asks for __main__.Foreign, torch.nn.modules.activation.ReLU"],
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
