/** @file The page's script for Weights & Biases, run by Python with a stand-in for their package that says what it is given. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRun } from "@gradalign/runs/node";
import { resolveTrainConfig } from "gradalign";
import { afterAll, describe, expect, test } from "vitest";
import { readText } from "./support/code-blocks.ts";

const hasPython = spawnSync("python3", ["--version"]).status === 0;

const STAND_IN = `
import json
class Summary(dict):
    def __setitem__(self, name, value): print(json.dumps(["summary", name, value]))
class Run:
    summary = Summary()
    def log(self, values, step): print(json.dumps(["log", step, values]))
    def __enter__(self): return self
    def __exit__(self, *_): pass
def init(project, id, name, config, resume):
    print(json.dumps(["init", project, id, name, config["method"]["name"], resume]))
    return Run()
`;

describe.skipIf(!hasPython)("the script for Weights & Biases (with python3)", () => {
  const folder = mkdtempSync(join(tmpdir(), "gradalign-wandb-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("sends settings, evaluations and attacks, but nothing that is no number or was cut off", () => {
    const script = /^```python\n([\s\S]*?)^```$/m.exec(readText("docs/sweeps.md"))?.[1] ?? "";
    writeFileSync(join(folder, "upload.py"), script);
    writeFileSync(join(folder, "wandb.py"), STAND_IN);
    const run = join(folder, "a-run");
    createRun(run, resolveTrainConfig({ dataset: "cifar10", model: "cnn", method: "fgsm" })).sink.rewind?.([]);
    writeFileSync(
      join(run, "metrics.jsonl"),
      '{"iteration":0,"epoch":0,"train_loss":null,"filter_norms":[1]}\n{"iteration":4,"epoch":0.5,"train_loss":2.5}\n{"itera',
    );
    writeFileSync(join(run, "robustness.jsonl"), '{"which":"last","attack":"pgd-50-10","n":100,"robustAccuracy":0.25}\n');
    const { stdout, stderr } = spawnSync("python3", ["upload.py", run], { cwd: folder, encoding: "utf8" });
    const told = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown);
    expect([told, stderr]).toEqual([
      [
        ["init", "gradalign", "a-run", "a-run", "fgsm", "allow"],
        ["log", 0, { epoch: 0 }],
        ["log", 4, { epoch: 0.5, train_loss: 2.5 }],
        ["summary", "last/pgd-50-10/n100", 0.25],
      ],
      "",
    ]);
  });
});
