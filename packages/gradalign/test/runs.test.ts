/** @file Real runs on a small made-up data set: train, resume, evaluate, report, export, compare. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeSafetensors } from "@gradalign/robustness";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Captured, gradalign, jsonLines } from "./support/captured.ts";
import { writeRecordFiles } from "./support/record-files.ts";

const folder = mkdtempSync(join(tmpdir(), "gradalign-runs-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const data = join(folder, "images");
const run = join(folder, "run");
const attack = ["--threads", "1", "--final-attack", "pgd-3-2"];
const small = ["--dataset", data, "--model", "cnn", "--batch-size", "32", "--eval-every", "8", "--eval-examples", "32", ...attack];
let trained: Captured;

beforeAll(async () => {
  writeRecordFiles(data, 256, 64);
  const config = join(folder, "config.yaml");
  writeFileSync(config, "method: fgsm-gradalign\nepsilon: 10/255\nepochs: 7\nseed: 1\n");
  trained = await gradalign("train", ...small, "--config", config, "--epochs", "2", "--out", run, "--json");
});

describe("train", () => {
  test("writes only JSON lines with --json", () => {
    expect(trained.stderr).toBe("");
    expect(trained.code).toBe(0);
    const types = jsonLines(trained.stdout)
      .map((event) => event.type)
      .filter((type) => type !== "attacking");
    expect(types[0]).toBe("run");
    expect(types.filter((type) => type === "evaluation")).toHaveLength(3);
    expect(types.slice(-4)).toEqual(["robustness", "robustness", "report", "outcome"]);
    expect(jsonLines(trained.stdout)[1]).toEqual({ type: "data", train: 256, test: 64, classes: 10, classesFrom: "labels" });
  });

  test("flags win over the config file, the recipe fills in the rest", () => {
    const config = JSON.parse(readFileSync(join(run, "config.json"), "utf8")) as Record<string, unknown>;
    expect(config).toMatchObject({ dataset: data, epochs: 2, seed: 1, epsilon: 10 / 255, batchSize: 32, schedule: { name: "cyclic", peak: 0.003 } });
    expect(config.method).toMatchObject({ name: "fgsm-gradalign", lambda: expect.closeTo(0.356, 3) });
  });

  test("leaves metrics, checkpoints and a report", () => {
    const metrics = jsonLines(readFileSync(join(run, "metrics.jsonl"), "utf8"));
    expect(metrics.map((evaluation) => evaluation.iteration)).toEqual([0, 8, 16]);
    expect(readdirSync(join(run, "checkpoints"))).toEqual(expect.arrayContaining(["best.json", "last.json"]));
    const report = readFileSync(join(run, "report.html"), "utf8");
    for (const part of ['id="accuracy"', 'id="filter-norms"', ">w4<", "PGD-3-2"]) expect(report).toContain(part);
  });

  test("shows plain lines on a pipe", async () => {
    const { code, stdout } = await gradalign("train", ...small, "--method", "fgsm", "--epochs", "1", "--out", join(folder, "plain"));
    expect(code).toBe(0);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what must not be there.
    expect(stdout).not.toMatch(/[\x1b\r]/);
    expect(stdout).toMatch(/^cnn with 4 filters, fgsm, ε = 8\/255, 1 epoch, seed 0\n/);
    expect(stdout).toMatch(/\n +iteration +epoch|\niteration +epoch/);
    expect(stdout).toMatch(/\nlast \(iteration 8\): clean .*, PGD-3-2 .*, first 64 test images\n/);
    expect(stdout).toContain("\n256 training and 64 test images of 10 classes, counted from the labels\n");
    // So few steps teach nothing, which must not stand in the report alone.
    expect(stdout).toMatch(/\nreport: .*report\.html\nThe model learned nothing: clean accuracy is .*; the commonest class alone gives 12\.5%\n$/);
  });
});

describe("resume", () => {
  test("settings that differ from the run's are refused", async () => {
    const { code, stderr } = await gradalign("train", "--resume", run, "--seed", "2");
    expect(stderr).toContain("--seed (=2) must be the run's 1 with --resume; leave it out, or start a new run with --out");
    expect(code).toBe(2);
  });

  test("of a finished run repeats nothing", async () => {
    const before = readFileSync(join(run, "metrics.jsonl"), "utf8");
    const { code, stdout } = await gradalign("train", "--resume", run, "--seed", "1", "--final-attack", "pgd-3-2", "--json");
    expect(code).toBe(0);
    expect(jsonLines(stdout).some((event) => event.type === "attacking" || event.type === "evaluation")).toBe(false);
    expect(readFileSync(join(run, "metrics.jsonl"), "utf8")).toBe(before);
  });
});

test("eval reports the attack and adds it to the run", async () => {
  const { code, stdout } = await gradalign("eval", run, "--which", "best", "--attack", "fgsm", "--n", "32", "--epsilon", "4", "--json");
  expect(code).toBe(0);
  const record = JSON.parse(stdout) as Record<string, unknown>;
  expect(record).toMatchObject({ which: "best", attack: "fgsm", n: 32, epsilon: 4 / 255, seed: 1 });
  expect(jsonLines(readFileSync(join(run, "robustness.jsonl"), "utf8")).at(-1)).toEqual(record);
});

test("eval takes a checkpoint's file", async () => {
  const { code, stdout } = await gradalign("eval", join(run, "checkpoints", "best.json"), "--attack", "none");
  expect(code).toBe(0);
  expect(stdout).toMatch(/^best \(iteration \d+\): clean [\d.]+ %, first 64 test images/);
});

test("export writes PyTorch's names and layouts", async () => {
  const file = join(folder, "model.safetensors");
  const { code } = await gradalign("export", run, "--format", "safetensors", "--out", file);
  expect(code).toBe(0);
  const { tensors } = decodeSafetensors(readFileSync(file));
  const shapes = Object.fromEntries([...tensors].map(([name, tensor]) => [name, tensor.shape]));
  expect(shapes).toEqual({ "_model.0.weight": [4, 3, 3, 3], "_model.0.bias": [4], "_model.3.weight": [10, 4096], "_model.3.bias": [10] });
});

test("export writes an ONNX graph that import can use", async () => {
  const file = join(folder, "model.onnx");
  expect((await gradalign("export", run, "--format", "onnx", "--out", file)).code).toBe(0);
  const { stdout } = await gradalign("import", file);
  expect(stdout).toContain("opset: 17\n");
  expect(stdout).toContain(
    `operators: Conv; Flatten; Gemm; Relu\nusable: 10 classes\nevaluate: gradalign eval ${file}\nmetadata: gradalign.architecture: cnn:filters=4;`,
  );
});

test("export writes a folder for the hub with the recorded figures, or nothing", async () => {
  const out = join(folder, "hub");
  expect((await gradalign("export", run, "--which", "best", "--format", "huggingface", "--out", out)).code).toBe(0);
  expect(readdirSync(out).sort()).toEqual(["README.md", "config.json", "model.safetensors"]);
  expect(readFileSync(join(out, "README.md"), "utf8")).toMatch(/^\| FGSM \| 4\/255 \| 32 \| 1 \| /m);
  const { code, stderr } = await gradalign("export", run, "--format", "huggingface", "--out", out);
  expect([code, stderr]).toEqual([2, expect.stringContaining("must be empty or not there")]);
});

test("report writes again, and compares", async () => {
  const file = join(folder, "comparison.html");
  const { code, stdout } = await gradalign("report", run, join(folder, "plain"), "--out", file);
  expect(code).toBe(0);
  expect(stdout).toBe(`${file}\n`);
  expect(readFileSync(file, "utf8")).toContain("Runs compared");
});

test("demo trains both methods and ends with a table and one report", async () => {
  const out = join(folder, "demo");
  const size = ["--train-size", "128", "--epochs", "1", "--eval-examples", "32", "--threads", "1"];
  const flags = ["--dataset", data, ...size, "--final-attack", "pgd-2", "--out", out];
  const { code, stdout, stderr } = await gradalign("demo", ...flags);
  expect(stderr).toBe("");
  expect(code).toBe(0);
  expect(stdout).toMatch(/\nmethod +clean +FGSM +PGD-2 +gradient alignment +catastrophic overfitting\nfgsm .* diverged\nfgsm-gradalign .* diverged\n/);
  expect(stdout).toContain(`report: ${join(out, "report.html")}\n`);
  expect(existsSync(join(out, "fgsm", "config.json"))).toBe(true);
  const again = await gradalign("demo", "--resume", out, "--json");
  expect(again.code).toBe(0);
  expect(jsonLines(again.stdout).at(-1)).toMatchObject({
    type: "summary",
    interrupted: false,
    runs: [{ method: "fgsm" }, { method: "fgsm-gradalign" }],
  });
});
