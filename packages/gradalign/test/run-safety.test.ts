/** @file Run folders that are not what they were: other data, other settings, files of another form, a second writer, no room. */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { withRunLock } from "@gradalign/runs/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Captured, gradalign, jsonLines } from "./support/captured.ts";
import { writeRecordFiles } from "./support/record-files.ts";

const folder = mkdtempSync(join(tmpdir(), "gradalign-safety-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (...names: string[]) => join(folder, ...names);
const data = at("images");
const wasm = ["--threads", "1", "--backend", "wasm"];
const small = ["--dataset", data, "--model", "cnn", "--filters", "2", "--method", "fgsm", "--epsilon", "8", "--epochs", "2", "--batch-size", "32"];
const train = ["train", ...small, "--eval-every", "8", "--eval-examples", "32", ...wasm];
const run = at("run");

beforeAll(async () => {
  writeRecordFiles(data, 128, 64);
  writeFileSync(join(data, "classes.txt"), Array.from({ length: 10 }, (_, i) => `class ${i}\n`).join(""));
  const trained = await gradalign(...train, "--final-attack", "pgd-2", "--final-examples", "48", "--out", run);
  expect(trained).toMatchObject({ code: 0, stderr: "" });
});

/** A copy of the run in which a file was changed. */
function changed(name: string, file: string, change: (text: string) => string | Uint8Array): string {
  const copy = at(name.replaceAll(/\W/g, "-"));
  cpSync(run, copy, { recursive: true });
  const path = join(copy, file);
  writeFileSync(path, change(existsSync(path) ? readFileSync(path, "utf8") : ""));
  return copy;
}

/** A refusal in words of this program's own: no stack, no bare system error, nothing undefined. */
function expectRefused({ code, stderr }: Captured, ...parts: string[]): void {
  for (const part of parts) expect(stderr).toContain(part);
  expect(stderr).not.toMatch(/\n\s+at |undefined|^error: E[A-Z]+:|bug in gradalign/);
  expect(code).toBeGreaterThan(0);
}

describe("settings that are not the checkpoint's", () => {
  test.each([
    ["train", (copy: string) => ["train", "--resume", copy]],
    ["eval", (copy: string) => ["eval", copy, "--attack", "none"]],
    ["report", (copy: string) => ["report", copy]],
    ["export", (copy: string) => ["export", copy, "--out", at("never")]],
  ])("are refused by %s, with both values", async (command, argv) => {
    const copy = changed(`settings ${command}`, "config.json", (text) => text.replace('"seed": 0', '"seed": 1'));
    expectRefused(await gradalign(...argv(copy)), "config.json is not what the run began with: the checkpoint was made with seed 0, this run has 1");
    expect(existsSync(at("never"))).toBe(false);
  });
});

describe("data that are not the run's", () => {
  const images = join(data, "train.bin");
  const classes = join(data, "classes.txt");
  test.each([
    ["another label", images, (bytes: Buffer) => bytes.with(0, 3), "its fingerprint was"],
    ["another class name", classes, (bytes: Buffer) => Buffer.from(bytes.toString().replace("class 3", "klass 3")), '"klass 3"'],
    ["fewer images", images, (bytes: Buffer) => bytes.subarray(0, 64 * 3073), "the data set is not the one the run began with"],
  ])("(%s) are refused when it goes on and when it is evaluated", async (name, file, change, part) => {
    const copy = changed(name, "session.json", (text) => text);
    const before = readFileSync(file);
    writeFileSync(file, change(before));
    try {
      expectRefused(await gradalign("train", "--resume", copy), "the data set is not the one the run began with", part, "restore it, or start a new run");
      expectRefused(await gradalign("eval", copy, "--attack", "fgsm"), "the data set is not the one the run began with", part);
      expect(readFileSync(join(copy, "robustness.jsonl"))).toEqual(readFileSync(join(run, "robustness.jsonl")));
    } finally {
      writeFileSync(file, before);
    }
  });
});

describe("files of another form", () => {
  const files = ["config.json", "session.json", "metrics.jsonl", "robustness.jsonl", "checkpoints/last.json"];
  const values = ["null", "{}", "[]", "7", '"text"', '{"iteration": {}}', "{", ""];
  test.each(files.flatMap((file) => values.map((value) => [file, value] as const)))("%s with %s", async (file, value) => {
    const lines = file.endsWith("l");
    // No lines are no lines.
    if (lines && value === "") return;
    const copy = changed(`form ${file} ${values.indexOf(value)}`, file, (text) => (lines ? `${text.split("\n")[0]}\n${value}\n` : value));
    const report = await gradalign("report", copy);
    // One manifest is enough; the damaged one is named where it matters.
    if (file.startsWith("checkpoints")) expect(report.code).toBe(0);
    else expectRefused(report, join(copy, file), ...(lines ? ["line 2"] : []));
    // One value stands for all where nothing new is read.
    if (value !== "null") return;
    const resumed = await gradalign("train", "--resume", copy, "--final-attack", "none");
    if (file === "robustness.jsonl" || file === "metrics.jsonl") expectRefused(resumed, join(copy, file));
    else if (file.startsWith("checkpoints")) expect(resumed.stdout).toContain("last.json is not used");
    else expectRefused(resumed, file);
  });

  test("all checkpoints damaged", async () => {
    const copy = changed("damaged", "checkpoints/last.json", () => "{}");
    for (const name of ["last.previous.json", "best.json", "best.previous.json"]) writeFileSync(join(copy, "checkpoints", name), "{}");
    expectRefused(await gradalign("report", copy), "no checkpoint in", "last.json: not a gradalign checkpoint");
  });

  test("a pipe or a folder in a file's place never hangs", async () => {
    for (const file of ["config.json", "metrics.jsonl", "session.json", "robustness.jsonl"]) {
      const copy = changed(`pipe ${file}`, file, () => "");
      rmSync(join(copy, file));
      execFileSync("mkfifo", [join(copy, file)]);
      expectRefused(await gradalign("report", copy), `cannot read ${join(copy, file)}: it is a device or a pipe, not a regular file`);
      rmSync(join(copy, file));
      mkdirSync(join(copy, file));
      expectRefused(await gradalign("report", copy), `cannot read ${join(copy, file)}: it is a folder, not a file`);
    }
  });

  test("evaluations that are not the checkpoint's are not used", async () => {
    const copy = changed("evaluations", "metrics.jsonl", (text) => text.replace('"iteration":0', '"iteration":1'));
    const { code, stderr } = await gradalign("eval", copy, "--attack", "none", "--no-note");
    expect(code).toBe(1);
    expect(stderr).toMatch(/its evaluations are altered: the first \d+ bytes of .*metrics\.jsonl have sha256/);
  });
});

describe("one writer", () => {
  test("a run in use is refused to train and eval, and eval can leave it alone", async () => {
    await withRunLock(run, {}, async () => {
      const before = readdirSync(run);
      expectRefused(await gradalign("train", "--resume", run), `${run} is in use by another process (process ${process.pid} on `);
      expectRefused(await gradalign("eval", run, "--attack", "none"), `${run} is in use by another process`);
      expect(await gradalign("eval", run, "--attack", "none", "--no-note", "--out", at("apart"))).toMatchObject({ code: 0 });
      expect(readdirSync(run)).toEqual(before);
    });
  });

  test("the lock of a process that is gone is taken over and said so, and what it left is cleared up", async () => {
    const copy = changed("left", ".metrics.jsonl.0123456789ab.tmp", () => "half");
    writeFileSync(join(copy, "run.lock"), '{"torn');
    execFileSync("touch", ["-d", "2099-01-01", join(copy, "run.lock")]);
    const { code, stdout } = await gradalign("train", "--resume", copy, "--final-attack", "none");
    expect(code).toBe(0);
    expect(stdout).toContain(`${copy}: the lock of a process that is gone (an unreadable lock) is taken over`);
    expect(readdirSync(copy).sort()).toEqual(readdirSync(run).sort());
  });
});

describe("going on", () => {
  test("keeps the final attack and its images", async () => {
    const copy = changed("attack", "robustness.jsonl", () => "");
    rmSync(join(copy, "attack-parts.jsonl"));
    const { code, stdout } = await gradalign("train", "--resume", copy, "--json");
    expect(code).toBe(0);
    const attacked = jsonLines(stdout).flatMap((event) => (event.type === "robustness" ? [event.record as Record<string, unknown>] : []));
    expect(attacked).toMatchObject([
      { which: "last", attack: "pgd-2", n: 48 },
      { which: "best", attack: "pgd-2", n: 48 },
    ]);
  });

  test("elsewhere is refused unless it is wanted, and then said and sealed", async () => {
    const copy = changed("elsewhere", "session.json", (text) => text);
    const other = ["train", "--resume", copy, "--backend", "reference", "--final-attack", "none"];
    expectRefused(await gradalign(...other), 'it was computed with backend "wasm" so far, here that is "reference"');
    const { code, stdout } = await gradalign(...other, "--elsewhere");
    expect(code).toBe(0);
    expect(stdout).toContain('the run goes on in another way: it was computed with backend "wasm" so far, here that is "reference"');
    expectRefused(await gradalign(...train, "--elsewhere", "--out", at("new")), "--elsewhere must be left out without --resume");
  });

  test("a demo keeps its settings, also those of a run that a kill prevented", async () => {
    const out = at("demo");
    const flags = ["--dataset", data, "--train-size", "128", "--epochs", "1", "--eval-examples", "16", "--seed", "5", "--threads", "1"];
    expect((await gradalign("demo", ...flags, "--final-attack", "fgsm", "--final-examples", "16", "--out", out)).code).toBe(0);
    const config = readFileSync(join(out, "fgsm-gradalign", "config.json"), "utf8");
    rmSync(join(out, "fgsm-gradalign"), { recursive: true });
    const { code, stdout } = await gradalign("demo", "--resume", out, "--json");
    expect(code).toBe(0);
    expect(readFileSync(join(out, "fgsm-gradalign", "config.json"), "utf8")).toBe(config);
    expect(jsonLines(stdout).find((event) => event.type === "robustness")?.record).toMatchObject({ attack: "fgsm", n: 16 });
    expectRefused(await gradalign("demo", "--resume", out, "--epochs", "3"), "--epochs (=3) must be the run's 1 with --resume");
  });
});

describe("a command that is refused", () => {
  const out = at("refused", "run");
  test.each([
    ["a model that does not exist", ["--model", "resnet18"]],
    ["a crop as large as the images", ["--crop", "32"]],
    ["a batch larger than the data", ["--batch-size", "1000"]],
    ["more validation images than there are", ["--validation-size", "5000"]],
    ["data that are not there", ["--dataset", at("nothing")]],
  ])("leaves nothing: %s", async (_, flags) => {
    const base = flags[0] === "--model" ? train.filter((word) => word !== "--filters" && word !== "2") : train;
    expectRefused(await gradalign(...base, ...flags, "--out", out));
    expect(existsSync(at("refused"))).toBe(false);
  });

  test("leaves nothing: reproduce without its data", async () => {
    const offline = { ...process.env };
    process.env.GRADALIGN_DATA = at("file");
    writeFileSync(at("file"), "");
    try {
      expectRefused(await gradalign("reproduce", "fig4", "--scale", "laptop", "--out", at("refused", "grid")));
    } finally {
      process.env = offline;
    }
    expect(existsSync(at("refused"))).toBe(false);
  });

  test("names the place where it cannot write, before it trains", async () => {
    writeFileSync(at("plain-file"), "");
    const said = `cannot write to ${at("plain-file", "run")}: a part of this path is a file, not a folder; name another place (ENOTDIR)`;
    for (const argv of [train, ["demo", "--dataset", data], ["reproduce", "fig2"]]) {
      const refused = await gradalign(...argv, "--out", at("plain-file", "run"));
      expectRefused(refused, "ENOTDIR");
      if (argv === train) expect(refused.stderr).not.toMatch(/downloading/);
    }
    expectRefused(await gradalign("reproduce", "fig2", "--out", at("plain-file", "run")), said);
    for (const argv of [
      ["report", run],
      ["export", run],
    ]) {
      expectRefused(await gradalign(...argv, "--out", folder), `cannot write ${folder}: it is a folder, not a file; name a file`);
      expectRefused(await gradalign(...argv, "--out", at("none", "x")), `cannot write ${at("none", "x")}: it does not exist; check the path (ENOENT)`);
    }
  });
});

test("a run whose files find no room tells how it goes on", async () => {
  const copy = changed("no room", "robustness.jsonl", () => "");
  for (const file of ["report.html", "attack-parts.jsonl"]) rmSync(join(copy, file));
  mkdirSync(join(copy, "report.html"));
  const { code, stdout, stderr } = await gradalign("train", "--resume", copy);
  expect(code).toBe(1);
  expect(stderr).toContain("report.html: it is a folder, not a file");
  expect(stdout).toMatch(/then go on with: (npx )?gradalign train --resume .*no-room\n$/);
  rmSync(join(copy, "report.html"), { recursive: true });
  expect((await gradalign("train", "--resume", copy)).code).toBe(0);
});

test.each([
  ["export", "config.json"],
  ["export", "checkpoints/model.safetensors"],
  ["report", "metrics.jsonl"],
])("%s does not write over a run's %s", async (command, file) => {
  const copy = changed(`own ${command} ${file}`, "note.txt", () => "");
  const before = existsSync(join(copy, file)) && readFileSync(join(copy, file));
  expectRefused(await gradalign(command, copy, "--out", join(copy, file)), "would replace a file of the run", "name another file");
  expect(existsSync(join(copy, file)) && readFileSync(join(copy, file))).toEqual(before);
});

test.each([
  ["another accuracy", "metrics.jsonl", (text: string) => text.replace(/"test_pgd_acc":0/, '"test_pgd_acc":1'), "evaluations are altered"],
  ["lost evaluations", "metrics.jsonl", () => "", "evaluations are lost"],
  ["an accuracy above 1", "robustness.jsonl", (text: string) => text.replace(/"robustAccuracy":0/, '"robustAccuracy":7'), "robustAccuracy"],
])("a report is refused %s", async (name, file, change, words) => {
  expectRefused(await gradalign("report", changed(`report of ${name}`, file, change)), words);
});

test("eval says when there are fewer images than asked for", async () => {
  const { code, stderr, stdout } = await gradalign("eval", run, "--attack", "none", "--n", "20000", "--no-note", "--out", at("fewer"), "--json");
  expect(code).toBe(0);
  expect(stderr).toBe("--n 20000: the test set has 64 images; all of them are attacked\n");
  expect(JSON.parse(stdout)).toMatchObject({ data: { count: 64 } });
});

test("control characters of names reach no terminal", async () => {
  const { stderr } = await gradalign("report", at("\x1b[2J\x1b]0;title\x07\u009b1A\u202e"));
  expect(stderr).toContain("\\u001b[2J\\u001b]0;title\\u0007\\u009b1A\\u202e");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what must not be there.
  expect(stderr).not.toMatch(/[\0-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
  const flag = await gradalign("report", run, "--\x1b[2J");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what must not be there.
  expect(flag.stderr).not.toMatch(/\x1b/);
});
