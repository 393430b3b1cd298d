/** @file Flags and config files: what is accepted, what is refused and how, and which one wins. */

import { externalName, resolveTrainConfig } from "@gradalign/robustness";
import { parseFlag, partialConfig, reproduceCommand, settingNames } from "@gradalign/runs";
import { ConfigError } from "@gradalign/tensor";
import { describe, expect, test } from "vitest";
import { parseConfig, readConfigFile } from "../src/settings/config-file.ts";

describe("flags", () => {
  test("numbers", () => {
    expect(parseFlag("batchSize", "128")).toBe(128);
    expect(parseFlag("lr", "3e-3")).toBe(0.003);
    expect(parseFlag("weightDecay", ".5")).toBe(0.5);
  });

  test("epsilon is in steps of 1/255, which may be said", () => {
    expect(parseFlag("epsilon", "10")).toBe(10);
    expect(parseFlag("epsilon", "10/255")).toBe(10);
    expect(partialConfig({ epsilon: 10 }).epsilon).toBe(10 / 255);
  });

  test.each(["0", "1", "8", "62.5", "8/255", " 8 / 255 ", "0.5/255", "255"])("epsilon may be %s", (text) => {
    expect(parseFlag("epsilon", text)).toBe(Number(text.split("/")[0]));
    expect(parseConfig(`epsilon: ${text}`, "a.yaml")).toEqual({ epsilon: Number(text.split("/")[0]) });
  });

  test.each([
    ["0.031", "write 8/255 (or 8) if a share of the pixel range is meant, 0.031/255 if a part of one step is"],
    ["0.0314", "write 8/255 (or 8) if a share of the pixel range is meant, 0.0314/255 if a part of one step is"],
    ["0.0118", "write 3/255 (or 3) if a share of the pixel range is meant, 0.0118/255 if a part of one step is"],
    ["0.5", "write 127.5/255 (or 127.5) if a share of the pixel range is meant, 0.5/255 if a part of one step is"],
    ["0.001", "write 0.255/255 if a share of the pixel range is meant, 0.001/255 if a part of one step is"],
  ])("epsilon %s could mean two things, and the message says how either is written, in flags and files", (text, remedy) => {
    const message = (source: string) => `${source} (=${Number(text)}) must be 0 or a number from 1 to 255, in steps of 1/255; ${remedy}`;
    expect(() => parseFlag("epsilon", text)).toThrow(new ConfigError(message("--epsilon")));
    expect(() => parseConfig(`epsilon: ${text}`, "a.yaml")).toThrow(new ConfigError(message("a.yaml: epsilon")));
  });

  test("the command that repeats a run writes radii so that they are read as they were", () => {
    const config = resolveTrainConfig({ dataset: "cifar10", model: "cnn", method: "fgsm", epsilon: 0.5 / 255 });
    expect(reproduceCommand(config)).toContain("--epsilon 0.5/255 ");
    expect(reproduceCommand({ ...config, epsilon: 8 / 255 })).toContain("--epsilon 8 ");
  });

  test.each([
    ["epochs", "", '--epochs (="") must be an integer of at least 1; write e.g. 30'],
    ["epochs", "1.5", "--epochs (=1.5) must be an integer of at least 1; write e.g. 30"],
    ["epochs", "0x10", '--epochs (="0x10") must be an integer of at least 1; write e.g. 30'],
    ["epsilon", "256", "--epsilon (=256) must be 0 or a number from 1 to 255, in steps of 1/255; write 8 or 8/255"],
    ["backend", "cuda", '--backend (="cuda") must be one of auto, wasm, webgpu, reference; choose one of them'],
    ["finalAttack", "pgd", '--final-attack (="pgd"): name (="pgd") must say how many steps; write e.g. pgd-50 or pgd-50-10'],
  ] as const)("--%s %s is refused with value, rule and remedy", (setting, text, message) => {
    expect(() => parseFlag(setting, text)).toThrow(new ConfigError(message));
  });

  test("names differ from each other outside the program too", () => {
    expect(new Set(settingNames().map(externalName)).size).toBe(settingNames().length);
  });
});

describe("config files", () => {
  test("hold settings by their flags' names", () => {
    const text = "model: cnn\nfilters: 4\nepsilon: 10/255 # the paper's\nbatch-size: 64\nflip: no\n";
    expect(parseConfig(text, "a.yaml")).toEqual({ model: "cnn", filters: 4, epsilon: 10, batchSize: 64, flip: false });
  });

  test("an empty file says nothing", () => {
    expect(parseConfig("# later\n", "a.yaml")).toEqual({});
  });

  test.each([
    ["epocs: 3", 'a.yaml: unknown setting "epocs"; did you mean "epochs"?'],
    ["batchSize: 3", 'a.yaml: unknown setting "batchSize"; did you mean "batch-size"?'],
    ["zzzzzzzz: 3", 'a.yaml: unknown setting "zzzzzzzz"; the settings are the flags of "gradalign train" without dashes before them'],
    ['epochs: "3"', 'a.yaml: epochs (="3") must be an integer of at least 1; write e.g. 30'],
    ["- epochs", 'a.yaml: must hold settings as "name: value" lines, got a list; write e.g. "epochs: 30"'],
    ["epochs: [1, 2]", "a.yaml: epochs must be a single value, got a list; write e.g. 30"],
    ["epochs: {a: 1}", "a.yaml: epochs must be a single value, got a map; write e.g. 30"],
    ["epochs: &x [*x]", "a.yaml: epochs must be a single value, got a list; write e.g. 30"],
    ["a\u001b[31m: 1", 'a.yaml: unknown setting "a\\u001b[31m"; the settings are the flags of "gradalign train" without dashes before them'],
  ])("%s is refused", (text, message) => {
    expect(() => parseConfig(text, "a.yaml")).toThrow(new ConfigError(message));
  });

  test("a YAML error names the line", () => {
    expect(() => parseConfig("epochs: [1", "a.yaml")).toThrow(/^a\.yaml: not valid YAML: .*line 1/);
  });

  const bomb = [
    "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]",
    ..."bcdefgh".split("").map((name, i) => `${name}: &${name} [${new Array(9).fill(`*${"abcdefg"[i]}`).join(", ")}]`),
  ];
  test.each([
    ["an alias of nothing", "epochs: *none", "not valid YAML"],
    ["a map that contains itself", "&x\n? *x\n: *x", ""],
    ["aliases that multiply", bomb.join("\n"), "not valid YAML"],
    ["lists ten thousand deep", `epochs: ${"[".repeat(8000)}${"]".repeat(8000)}`, ""],
    ["maps 150 deep", Array.from({ length: 150 }, (_, depth) => `${" ".repeat(depth)}epochs:`).join("\n"), ""],
    ["a name given twice", "epochs: 1\nepochs: 2", "not valid YAML: Map keys must be unique at line 2"],
    ["two documents", "epochs: 1\n---\nepochs: 2", "not valid YAML"],
    ["40,000 names", Array.from({ length: 40_000 }, (_, i) => `k${i}: 1`).join("\n"), "must be at most 16384 bytes long, is longer; name a file of settings"],
    ["a number", "3", 'must hold settings as "name: value" lines, got number'],
    ["names that are lists", "? [a, b]\n: 1", "unknown setting"],
    ["an unknown tag", "epochs: !!js/function 'x'", "epochs"],
  ])("refuses %s, however it is meant", (_, text, message) => {
    expect(() => parseConfig(text, "a.yaml")).toThrow(expect.objectContaining({ code: "ConfigError", message: expect.stringContaining(`a.yaml: ${message}`) }));
  });

  test("reads no more of a file without end than it may have", () => {
    expect(() => readConfigFile("/dev/zero")).toThrow(new ConfigError("/dev/zero: must be at most 16384 bytes long, is longer; name a file of settings"));
    expect(() => readConfigFile("/")).toThrow(/^--config: cannot read \/ \(EISDIR\); name an existing YAML file$/);
  });
});

describe("library config", () => {
  test("holds nothing that was not given", () => {
    expect(partialConfig({})).toEqual({});
  });

  test("nests what belongs together", () => {
    expect(partialConfig({ filters: 8, lr: 0.01, optimizer: "sgd", momentum: 0.5, steps: 3, method: "pgd", crop: 0, flip: false })).toEqual({
      model: { name: "cnn", filters: 8 },
      method: { name: "pgd", steps: 3 },
      optimizer: { name: "sgd", momentum: 0.5 },
      schedule: { peak: 0.01 },
      augment: { crop: 0, flip: false },
    });
  });

  test("a size of another model is refused", () => {
    expect(() => partialConfig({ model: "preact-resnet18", filters: 4 })).toThrow(
      new ConfigError("--filters (=4) is not an option of preact-resnet18, which has --width; leave it out, or choose --model cnn"),
    );
  });
});
