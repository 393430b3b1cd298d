/** @file Real runs on a small made-up data set: train, resume, evaluate, report, export, compare. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeSafetensors } from "@gradalign/robustness";
import type { EvaluationRecord } from "@gradalign/runs";
import { readEvaluation } from "@gradalign/runs/node";
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
    expect(stdout).toMatch(/^(without machine code, Node .*\n)?cnn with 4 filters, fgsm, ε = 8\/255, 1 epoch, seed 0\n/);
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

describe("eval", () => {
  const fgsm = ["eval", run, "--which", "best", "--attack", "fgsm", "--n", "32", "--epsilon", "4"];
  const noted = () => jsonLines(readFileSync(join(run, "robustness.jsonl"), "utf8"));

  test("prints the record, which its folder keeps, and adds it to the run once; what is finished is shown again", async () => {
    const { code, stdout } = await gradalign(...fgsm, "--json");
    expect(code).toBe(0);
    const record = JSON.parse(stdout) as EvaluationRecord;
    expect(record).toMatchObject({
      model: { file: "run", format: "run", architecture: { name: "cnn" }, checkpoint: { which: "best" } },
      data: { name: "images", count: 32 },
      threat: { norm: "linf", epsilon: { numerator: 4, denominator: 255 } },
      ...{ attack: "fgsm", selection: "highest-loss", seed: 1 },
      stages: [{ attack: "fgsm", attacked: 32 }],
    });
    const { cleanAccuracy, robustAccuracy, confidence95, seconds } = record;
    expect(noted().at(-1)).toMatchObject({
      which: "best",
      attack: "fgsm",
      n: 32,
      epsilon: 4 / 255,
      seed: 1,
      cleanAccuracy,
      robustAccuracy,
      confidence95,
      seconds,
    });
    const [name] = readdirSync(join(run, "evaluations"));
    expect(name).toBe(`run-best-fgsm-linf-4-255-${record.id.slice(0, 8)}`);
    expect(readEvaluation(join(run, "evaluations", name as string))).toEqual(record);
    const before = noted().length;
    const again = await gradalign(...fgsm);
    expect(again.stderr).toBe(`this evaluation was finished on ${record.written}; nothing was computed\n`);
    expect(again.stdout).toMatch(/^run, best \(iteration \d+\): images, first 32 test images\n/);
    expect(noted()).toHaveLength(before);
    // So few images are too few for a claim, which is told, and with --strict an error.
    expect(record.warnings.map(({ id }) => id)).toContain("wide-interval");
    expect(record.checkPasses.forward).toBeGreaterThan(0);
    expect(again.code).toBe(0);
    for (const { id, seen } of record.warnings) expect(again.stdout).toContain(`\nwarning ${id}: ${seen}\n`);
    const strict = await gradalign(...fgsm, "--strict");
    expect(strict).toEqual({ ...again, code: 1 });
  });

  test("towards a class is no number of the run's, whose tables are of any wrong one", async () => {
    const before = noted().length;
    const { stdout } = await gradalign("eval", run, "--attack", "pgd-t-2", "--targeted", "next", "--n", "8", "--json");
    const record = JSON.parse(stdout) as EvaluationRecord;
    expect([record.targets, record.selection, noted().length]).toEqual(["next", "success", before]);
    expect(readdirSync(join(run, "evaluations"))).toContain(`run-last-pgd-t-2-next-linf-${record.threat.epsilon.numerator}-255-${record.id.slice(0, 8)}`);
  });

  test("counts as the attack at the end of the training does", async () => {
    const { stdout } = await gradalign("eval", run, "--attack", "pgd-3-2", "--n", "64", "--no-note", "--out", join(folder, "apart"), "--json");
    const { cleanAccuracy, robustAccuracy } = JSON.parse(stdout) as EvaluationRecord;
    expect(noted().find(({ which, attack: id, n }) => which === "last" && id === "pgd-3-2" && n === 64)).toMatchObject({ cleanAccuracy, robustAccuracy });
  });

  test("takes a checkpoint's file, and a file of weights", async () => {
    const { code, stdout } = await gradalign("eval", join(run, "checkpoints", "best.json"), "--attack", "none");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^run, best \(iteration \d+\): images, first 64 test images\n/);
    const [weights, broken, out] = ["weights.safetensors", "broken.safetensors", "of-weights"].map((name) => join(folder, name)) as [string, string, string];
    await gradalign("export", run, "--out", weights);
    const flags = ["--dataset", data, "--attack", "apgd-ce", "--n", "16", "--threads", "1", "--out", out, "--save-adversarials", broken];
    const found = await gradalign("eval", weights, ...flags);
    expect(found.stdout).toMatch(/^weights\.safetensors: images, first 16 test images\nattack +images +broken +accuracy +forward +backward +time\n/);
    const record = readEvaluation(out);
    expect(record).toMatchObject({
      model: { format: "safetensors", architecture: { name: "cnn" } },
      seed: 0,
      threat: { epsilon: { numerator: 8, denominator: 255 } },
    });
    const { tensors } = decodeSafetensors(readFileSync(broken));
    const wrong = record.outcomes.filter(({ brokenBy }) => brokenBy === "apgd-ce");
    expect([...(tensors.get("indices")?.data ?? [])]).toEqual(wrong.map(({ index }) => index));
    const other = await gradalign("eval", weights, ...flags, "--epsilon", "4");
    expect(other).toMatchObject({ code: 2, stdout: "" });
    expect(other.stderr).toContain("holds another evaluation: threat.epsilon 8/255 there, 4/255 here; name another folder");
  });
});

test("export writes PyTorch's names and layouts", async () => {
  const file = join(folder, "model.safetensors");
  const { code } = await gradalign("export", run, "--out", file);
  expect(code).toBe(0);
  const { tensors } = decodeSafetensors(readFileSync(file));
  const shapes = Object.fromEntries([...tensors].map(([name, tensor]) => [name, tensor.shape]));
  expect(shapes).toEqual({ "_model.0.weight": [4, 3, 3, 3], "_model.0.bias": [4], "_model.3.weight": [10, 4096], "_model.3.bias": [10] });
});

test("export writes an ONNX graph that import can use", async () => {
  const file = join(folder, "model.onnx");
  const refused = await gradalign("export", run, "--format", "safetensors", "--out", file);
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining("must not end in .onnx with --format safetensors")]);
  expect((await gradalign("export", run, "--out", file)).code).toBe(0);
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

describe("report of evaluations", () => {
  const evaluations = () => readdirSync(join(run, "evaluations")).map((name) => join(run, "evaluations", name));
  const page = (file: string) => readFileSync(file, "utf8");

  test("eval writes it, report writes it again, with images where the data are", async () => {
    const [evaluation] = evaluations() as [string];
    const first = page(join(evaluation, "report.html"));
    expect(first).toContain('<section id="images">');
    expect(first).toContain("data:image/png;base64,");
    const file = join(folder, "evaluation.html");
    expect(await gradalign("report", evaluation, "--dataset", data, "--out", file)).toMatchObject({ code: 0, stdout: `${file}\n`, stderr: "" });
    expect(page(file)).toBe(first);
    const without = await gradalign("report", evaluation, "--out", file);
    expect(without).toMatchObject({ code: 0, stderr: "the report shows no images: images is a folder of your own; name it with --dataset\n" });
    expect(page(file)).toContain("The images were not at hand");
  });

  test("of several compares them, and nothing else", async () => {
    const file = join(folder, "evaluations.html");
    const two = [...evaluations(), join(folder, "apart")];
    expect(await gradalign("report", ...two, "--out", file)).toMatchObject({ code: 0, stderr: "" });
    expect(page(file)).toContain("Evaluations compared");
    const mixed = await gradalign("report", ...two, run, "--out", file);
    expect(mixed).toMatchObject({ code: 2, stdout: "" });
    expect(mixed.stderr).toContain(`"${run}" must be an evaluation as ${two[0]} is; compare runs with runs and evaluations with evaluations`);
    const own = await gradalign("report", two[0] as string, "--out", join(two[0] as string, "evaluation.json"));
    expect(own.stderr).toContain("would replace a file of the evaluation in");
  });
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
