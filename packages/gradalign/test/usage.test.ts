/** @file Usage: help, exit codes, and what is said of mistakes. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { attacks, externalName } from "@gradalign/robustness";
import { settingNames } from "@gradalign/runs";
import { afterAll, describe, expect, test } from "vitest";
import { gradalign } from "./support/captured.ts";

const folder = mkdtempSync(join(tmpdir(), "gradalign-usage-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("help", () => {
  test.each([
    [],
    ["demo"],
    ["studio"],
    ["train"],
    ["eval"],
    ["report"],
    ["export"],
    ["import"],
    ["convert"],
    ["data", "download"],
    ["data", "list"],
    ["profile"],
    ["info"],
    ["work"],
    ["plan"],
    ["submit"],
    ["status"],
    ["cancel"],
    ["retry"],
    ["sweep"],
  ])("of gradalign %s %s has examples", async (...command) => {
    const { code, stdout, stderr } = await gradalign(...command, "--help");
    expect(code).toBe(0);
    expect(stdout).toContain("Examples:\n  ");
    expect(stderr).toBe("");
  });

  test.each(Object.values(attacks))("of eval tells the options of $id", async ({ id, options }) => {
    const { code, stdout } = await gradalign("eval", "--help", id);
    expect(code).toBe(0);
    for (const name of Object.keys(options)) expect(stdout).toMatch(new RegExp(`^ +${externalName(name)}=<.*> .*default \\S`, "m"));
    for (const { help } of Object.values(options)) expect(stdout).toContain(help);
  });

  test("of eval tells what AutoAttack is", async () => {
    expect((await gradalign("eval", "--help", "autoattack")).stdout).toContain("is: apgd-ce+apgd-t+fab-t+square");
  });

  test("names the exit codes", async () => {
    expect((await gradalign("--help")).stdout).toMatch(/0 fine, 1 failure, 2 wrong usage/);
  });

  test("the version is the package's", async () => {
    expect((await gradalign("--version")).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe("wrong usage exits with 2 and says what to do", () => {
  writeFileSync(join(folder, "wrong.yaml"), "epsilon: many\n");
  writeFileSync(join(folder, "misspelt.yaml"), "lamda: 1\n");
  writeFileSync(join(folder, "folder.yaml"), "out: runs/a\n");
  writeFileSync(join(folder, "foreign.yaml"), "method: fgsm\nlambda: 1\n");
  test.each([
    [["trian"], "Did you mean train?"],
    [["train", "--epsilom", "8"], "Did you mean --epsilon?"],
    [["train", "--epsilon", "lots"], '--epsilon (="lots") must be 0 or a number from 1 to 255'],
    [["train", "--epsilon", "0.031", "--out", join(folder, "run")], "write 8/255 (or 8)"],
    [["eval", folder, "--epsilon", "0.031"], "write 8/255 (or 8)"],
    [["eval", folder, "--epsilon", "256"], '--epsilon (="256") must be 0 or a number from 1 to 255'],
    [["eval", folder, "--norm", "l2", "--epsilon", "half"], '--epsilon (="half") must be a number of at least 0, or a fraction; write 0.5 or 1/2'],
    [["eval", folder, "--norm", "l3"], "Allowed choices are linf, l2"],
    [["eval", folder, "--std", "0"], '--std (="0") must be numbers above 0'],
    [["profile", "--epsilon", "0.031"], "write 8/255 (or 8)"],
    [["train", "--epsilon", "62", "--out", join(folder, "run")], "epsilon (=62/255) must be smaller for fgsm-gradalign"],
    [["train", "--method", "fgsm-best"], '--method (="fgsm-best") must be one of standard, fgsm'],
    [
      ["train", "--method", "fgsm", "--lambda", "1"],
      "--lambda (=1) is not an option of fgsm, which has --step-size, --warmup-epochs; leave it out, or choose --method",
    ],
    [
      ["train", "--model", "cnn", "--width", "16"],
      "--width (=16) is not an option of cnn, which has --filters; leave it out, or choose --model preact-resnet18",
    ],
    [["train", "--config", join(folder, "absent.yaml")], "cannot read"],
    [["train", "--config", join(folder, "wrong.yaml")], 'epsilon (="many") must be 0 or a number from 1 to 255'],
    [["train", "--config", join(folder, "misspelt.yaml")], 'did you mean "lambda"?'],
    [["train", "--config", join(folder, "folder.yaml")], "folder.yaml: out is a flag of the command, not a setting; leave the line out and write --out"],
    [
      ["train", "--config", join(folder, "foreign.yaml")],
      "foreign.yaml: lambda (=1) is not an option of fgsm, which has step-size, warmup-epochs; leave it out",
    ],
    [["train", "--train-size", "60000", "--out", join(folder, "run")], "--train-size (=60000) must be at most 50000"],
    [["train", "--method", "fsgm"], "did you mean fgsm?"],
    [["train", "--method", "NFGSM"], "did you mean n-fgsm?"],
    [["train", "--start", "corner"], "must be one of zero, random, gaussian"],
    [["train", "--help", "fgsm", "--lambda", "3"], "--lambda must be left out with --help fgsm"],
    [["train", "--dataset", "cifar01", "--out", join(folder, "run")], "did you mean cifar10?"],
    [["train", "--model", "cnn", "--dataset", join(folder, "absent"), "--out", join(folder, "run")], "nothing is there"],
    [["train", "--step-size", "0"], "--step-size (=0) must be a number above 0 and up to 100"],
    [["train", "--momentum", "1"], "--momentum (=1) must be a number from 0 to below 1"],
    [["train", "--help", "fgsm-best"], '--help (="fgsm-best") must be one of cnn, '],
    [["train", "--out", folder], "must be empty or not there"],
    [["train", "--resume", folder], "is not a run folder"],
    [["train", "--resume", folder, "--out", folder], "must be left out with --resume"],
    [["eval", join(folder, "nothing")], "nothing is there"],
    [["eval"], "missing argument <model>"],
    [["eval", folder, "--attack", "pgd"], '--attack (="pgd"): name (="pgd") must say how many steps'],
    [["eval", folder, "--attack", "fgsm+autoatack"], "did you mean autoattack?"],
    [["eval", folder, "--attack", "pgd-0"], "must have at most 2 numbers, each from 1; write e.g. pgd-50"],
    [["eval", folder, "--epsilon", "1000"], "255 steps are the whole range of a pixel"],
    [["train", "--model", "preactresnet18"], "did you mean preact-resnet18?"],
    [["eval", folder, "--attack", "apgd-t:targets=0"], "apgd-t: targets (=0) must be an integer of at least 1"],
    [["eval", "--help", "apgd"], "did you mean pgd?"],
    [["eval", folder, "--targeted", "cat"], '--targeted (="cat") must be next, least-likely or the number of a class, from 0; write e.g. --targeted next'],
    [["eval", folder, "--targeted", "3", "--attack", "pgd-t-9+fgsm"], "targets need attacks that aim at a class, got fgsm; use pgd-t-steps[-restarts], apgd-t"],
    [["eval", folder, "--targeted", "next", "--robustbench", join(folder, "a.json")], "--robustbench needs --attack autoattack without --targeted"],
    [["eval", folder, "--n", "0"], '--n (="0") must be an integer of at least 1; write e.g. 1000, or all'],
    [["studio", "--port", "many"], '--port (="many") must be an integer from 0 to 65535'],
    [["studio", "--port", "65536"], '--port (="65536") must be an integer from 0 to 65535'],
    [["profile", "--tensor-cores", "on"], '--tensor-cores (="on") needs float16; add --precision f16'],
    [["profile", "--rounds", "0"], '--rounds (="0") must be an integer of at least 1'],
    [["reproduce", "--measure"], "--measure goes with --list"],
    [["report"], "missing required argument"],
    [["export", folder], "required option '--out <file>' not specified"],
    [["export", folder, "--format", "tflite", "--out", "x"], "Allowed choices are safetensors"],
    [["data", "download", "imagenet"], 'the data set (="imagenet") must be one of cifar10, svhn, mnist, fashion-mnist; choose one of them'],
    [["data", "download", "cifar01"], "did you mean cifar10?"],
  ])("gradalign %s", async (argv, message) => {
    const { code, stdout, stderr } = await gradalign(...argv);
    expect(stderr).toContain(message);
    expect(stdout).toBe("");
    expect(code).toBe(2);
  });
});

test("a failure exits with 1", async () => {
  const { code, stderr } = await gradalign("train", "--model", "cnn", "--dataset", folder, "--out", join(folder, "run"));
  expect(stderr).toContain("has no train*.bin or data_batch*.bin");
  expect(code).toBe(1);
});

test("train --help tells the defaults, as the library has them", async () => {
  const { stdout } = await gradalign("train", "--help");
  const help = stdout.replace(/\s+/g, " ");
  for (const [flag, value] of [
    ["lr", "0.3, by recipe"],
    ["epsilon", "8, by recipe"],
    ["batch-size", "128"],
    ["replays", "8"],
    ["threads", "all cores"],
    ["final-attack", "pgd-50-10"],
  ]) {
    expect(help).toMatch(new RegExp(`--${flag} <[^-]*?>? .*?\\(default: ${value}\\)`));
  }
  // Every setting has one.
  expect(help.split(" Examples:")[0]?.match(/\(default: /g)).toHaveLength(settingNames().length);
  expect((await gradalign("demo", "--help")).stdout.replace(/\s+/g, " ")).toMatch(/--seed <n> [^-]*\(default: 2\)/);
});

test("info keeps to itself what a driver writes to standard error", () => {
  const main = fileURLToPath(new URL("../dist/main.js", import.meta.url));
  // The Vulkan loader writes hundreds of lines.
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, "info", "--json"], {
    env: { ...process.env, VK_LOADER_DEBUG: "all" },
    encoding: "utf8",
  });
  expect(stderr).toBe("");
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toHaveProperty("backends.webgpu");
});

test("info is one JSON object with --json", async () => {
  const { code, stdout } = await gradalign("info", "--json");
  expect(code).toBe(0);
  const info = JSON.parse(stdout) as { backends: Record<string, unknown>; wasm: Record<string, boolean> };
  expect(Object.keys(info.backends)).toEqual(["wasm", "webgpu", "reference"]);
  expect(info.wasm.simd).toBe(true);
});
