/** @file Evaluations in their folders: killed anywhere they go on to the same record; what is read back is checked; another one is refused. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { arithmeticOf, decodeSafetensors, functionVictim, imageDataset } from "@gradalign/robustness";
import { withLock } from "@gradalign/robustness/node";
import {
  type EvaluationRecord,
  type EvaluationSettings,
  epsilonOf,
  evaluationCommand,
  fractionOf,
  fractionText,
  readRadius,
  robustBenchEntry,
  targetsText,
} from "@gradalign/runs";
import { ADVERSARIALS, evaluate, isEvaluationFolder, readEvaluation } from "@gradalign/runs/node";
import { createDevice, type Device, matmul, reshape, tensor } from "@gradalign/tensor";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { accuracyTables } from "../src/pages/evaluation-comparison.ts";

const root = mkdtempSync(join(tmpdir(), "gradalign-evaluation-"));
const at = (name: string) => join(root, name);
let device: Device;
beforeAll(async () => {
  device = await createDevice({ backend: "wasm", threads: 1 });
});
afterAll(() => {
  device.close();
  rmSync(root, { recursive: true, force: true });
});

const COUNT = 150;
/** The upper half against the lower one, by very different amounts. */
const victim = functionVictim(
  (x) =>
    matmul(
      reshape(x, [-1, 16]),
      tensor(
        Float32Array.from({ length: 32 }, (_, i) => (i % 2 === (i < 16 ? 0 : 1) ? 4 : -4)),
        [16, 2],
      ),
    ),
  { shape: [1, 4, 4] },
);
const split = {
  images: Uint8Array.from({ length: COUNT * 16 }, (_, i) => (i % 16 < 8 === ((i >> 4) % 2 === 0) ? 120 + ((i >> 4) % 50) : 110)),
  labels: Uint8Array.from({ length: COUNT }, (_, i) => (i % 9 === 8 ? 1 - (i % 2) : i % 2)),
};
const dataset = imageDataset({ name: "halves", classNames: ["upper", "lower"], shape: [1, 4, 4], train: split, test: split });

const settingsOf = (changes: Partial<EvaluationSettings> = {}): EvaluationSettings => ({
  model: { file: "halves.onnx", format: "onnx", sha256: "0".repeat(64), architecture: null, parameters: 32, normalization: null, batchNorm: "none" },
  data: { dataset, fingerprint: "f0" },
  ...{ dataName: "halves", count: COUNT, norm: "linf", epsilon: { numerator: 12, denominator: 255 }, attack: "pgd-2-1+apgd-ce", seed: 3 },
  arithmetic: arithmeticOf(device),
  ...changes,
});

/** Evaluates; stopped after so many steps of the attacks, if asked to: what is looked at before them comes besides. */
async function run(name: string, changes: Partial<EvaluationSettings> = {}, steps = Number.POSITIVE_INFINITY, resume = true) {
  const { signal } = new AbortController();
  let left = Number.POSITIVE_INFINITY;
  vi.spyOn(signal, "throwIfAborted").mockImplementation(() => {
    if (left-- === 0) throw new Error("killed");
  });
  const onProgress = (): void => {
    left = Math.min(left, steps);
  };
  return evaluate({ settings: settingsOf(changes), folder: at(name), victim, device, signal, onProgress, resume, remedy: "go on with --resume" });
}

/** But for what may differ. */
function timeless({ written: _, seconds: __, stages, ...record }: EvaluationRecord) {
  return { ...record, stages: stages.map((stage) => ({ ...stage, seconds: 0 })) };
}

describe("an evaluation", () => {
  test("that is stopped and torn anywhere goes on to the record it would have had", async () => {
    const { record: whole } = await run("whole");
    expect(whole.stages.map(({ attacked, broken }) => attacked > broken && broken > 0)).toEqual([true, true]);
    expect(whole.robustAccuracy).toBeGreaterThan(0);
    let kills = 0;
    let record: EvaluationRecord | undefined;
    while (!record) {
      const before = existsSync(at("killed")) ? readdirSync(at("killed")) : [];
      const found = await run("killed", {}, 7 + ((kills * 53) % 150)).catch((error: Error) => error);
      if (!(found instanceof Error)) record = found.record;
      else {
        expect(found.message).toBe("killed");
        kills++;
        // What a kill in the middle of a write leaves.
        if (before.includes("parts.jsonl")) writeFileSync(at("killed/parts.jsonl"), '{"part":{"stage":0,"ima', { flag: "a" });
        if (before.includes("adversarials.bin")) writeFileSync(at("killed/adversarials.bin"), "torn", { flag: "a" });
      }
    }
    expect(kills).toBeGreaterThan(2);
    expect(timeless(record)).toEqual(timeless(whole));
    expect(readdirSync(at("killed")).sort()).toEqual([ADVERSARIALS, "evaluation.json", "identity.json"]);
    expect(readFileSync(at(`killed/${ADVERSARIALS}`))).toEqual(readFileSync(at(`whole/${ADVERSARIALS}`)));
    expect(readEvaluation(at("killed"))).toEqual(record);
  });

  test("keeps the images that were broken, with their numbers, inside the ball", async () => {
    const { record } = await run("whole");
    const { tensors, metadata } = decodeSafetensors(readFileSync(at(`whole/${ADVERSARIALS}`)));
    const broken = record.outcomes.filter(({ brokenBy }) => brokenBy !== null);
    expect(metadata).toEqual({ "gradalign.evaluation": record.id });
    const numbers = (name: string) => [...(tensors.get(name)?.data ?? [])].map(Number);
    expect(numbers("indices")).toEqual(broken.map(({ index }) => index));
    expect(numbers("labels")).toEqual(broken.map(({ label }) => label));
    const images = numbers("images");
    expect(tensors.get("images")?.shape).toEqual([broken.length, 1, 4, 4]);
    const distances = images.map((value, i) => Math.abs(value - (split.images[(broken[i >> 4]?.index ?? 0) * 16 + (i % 16)] as number) / 255));
    expect(Math.max(...distances)).toBeCloseTo(12 / 255, 5);
  });

  test("that is finished is not computed again; one of other settings in its place is refused, by what differs", async () => {
    const again = await run("whole", {}, 0);
    expect(again.computed).toBe(false);
    expect(await run("whole", { model: { ...settingsOf().model, file: "renamed.onnx" } }, 0)).toMatchObject({ computed: false });
    await expect(run("whole", { epsilon: { numerator: 8, denominator: 255 }, seed: 4 })).rejects.toThrow(
      /holds another evaluation: threat\.epsilon 12\/255 there, 8\/255 here; seed 3 there, 4 here; name another folder/,
    );
  });

  test("that is not finished is gone on with when that is asked for, and has one writer", async () => {
    await expect(run("open", {}, 6)).rejects.toThrow("killed");
    expect(isEvaluationFolder(at("open"))).toBe(true);
    expect(() => readEvaluation(at("open"))).toThrow("not finished; go on with gradalign eval and --resume");
    await expect(run("open", {}, 6, false)).rejects.toThrow(`the evaluation in ${at("open")} is not finished; go on with --resume`);
    await expect(run("open", { attack: "fgsm" })).rejects.toThrow("holds another evaluation: attack ");
    await withLock(at("open/evaluation.lock"), { what: "it" }, async () => {
      await expect(run("open")).rejects.toThrow("is in use by another process");
    });
  });

  test("towards given classes says which, and goes on towards these alone", async () => {
    const aimed = { attack: "pgd-t-20", targets: "next" } as const;
    await expect(run("aimed", aimed, 1)).rejects.toThrow("killed");
    const message = 'holds another evaluation: targets "next" there, "least-likely" here; name another folder, or give it the same settings';
    await expect(run("aimed", { ...aimed, targets: "least-likely" })).rejects.toThrow(message);
    await expect(run("aimed", { attack: "pgd-t-20" })).rejects.toThrow('targets "next" there, nothing here');
    const { record } = await run("aimed", aimed);
    expect(readEvaluation(at("aimed"))).toEqual(record);
    expect([record.targets, targetsText(record)]).toEqual(["next", "the class after its own"]);
    expect(record.outcomes.every(({ label, target }) => target === 1 - label)).toBe(true);
    expect(record.robustAccuracy).toBeLessThan(record.cleanAccuracy);
    // Beside one of any wrong class it has a table of its own.
    const { record: other } = await run("any", { attack: "pgd-t-20" });
    const reports = [record, other].map((each) => ({ label: "", record: each, examples: [] }));
    const tables = accuracyTables(reports, ["aimed", "any"]).map(String);
    expect(tables.map((table) => [table.includes("towards the class after its own"), table.includes("<th>any</th>")])).toEqual([
      [true, false],
      [false, true],
    ]);
    expect(evaluationCommand(record)).toContain("--attack pgd-t-20 --targeted next --n 150");
    await expect(run("refused", { attack: "pgd-3", targets: "next" })).rejects.toThrow("attack: targets need attacks that aim at a class, got pgd; use");
  });

  test("counts right answers without an attack, and writes a file of no images", async () => {
    const { record } = await run("none", { attack: "none" });
    expect(record).toMatchObject({ stages: [], robustAccuracy: record.cleanAccuracy });
    expect(decodeSafetensors(readFileSync(at(`none/${ADVERSARIALS}`))).tensors.get("images")?.shape).toEqual([0, 1, 4, 4]);
  });
});

describe("what is read back", () => {
  test.each([
    ["a changed outcome", "parts.jsonl", (bytes: Buffer) => Buffer.from(bytes.toString().replace('"robust":true', '"robust":false')), "line 1: it was altered"],
    ["a line that is missing", "parts.jsonl", (bytes: Buffer) => bytes.subarray(bytes.indexOf(0x0a) + 1), "line 1: "],
    ["another field", "parts.jsonl", (bytes: Buffer) => Buffer.from(bytes.toString().replace('"stage":null', '"stage":-1')), "field part.stage"],
    ["a flipped bit of an image", "adversarials.bin", (bytes: Buffer) => bytes.with(5, (bytes[5] as number) ^ 1), "are not those that it noted"],
    ["images that are lost", "adversarials.bin", (bytes: Buffer) => bytes.subarray(0, 64), "are not those that it noted"],
    ["another identity", "identity.json", (bytes: Buffer) => Buffer.from(bytes.toString().replace('"seed": 3', '"seed": 4')), "seed 4 there, 3 here"],
    ["no identity", "identity.json", () => Buffer.from("{}"), "field format"],
  ])("is checked when an evaluation goes on: %s", async (name, file, change, message) => {
    const folder = name.replaceAll(" ", "-");
    await expect(run(folder, {}, 8)).rejects.toThrow("killed");
    writeFileSync(at(`${folder}/${file}`), change(readFileSync(at(`${folder}/${file}`))));
    await expect(run(folder)).rejects.toThrow(message);
  });

  test.each([
    ["another radius", (text: string) => text.replace('"numerator":12', '"numerator":11'), "its id is not that of its settings"],
    ["another accuracy", (text: string) => text.replace(/"robustAccuracy":[\d.]+/, '"robustAccuracy":1'), "its accuracies are not its images'"],
    ["an image less", (text: string) => text.replace(/\{"index":0,[^}]*\},/, ""), "its outcomes are not its images'"],
    ["other passes", (text: string) => text.replace(/"checkPasses":\{"forward":\d+/, '"checkPasses":{"forward":7'), "its digest is not that of its content"],
    ["no warnings", (text: string) => text.replace(/"warnings":\[.*?\],"checkPasses"/, '"warnings":[],"checkPasses"'), "its digest is not that of its content"],
    ["a field more", (text: string) => text.replace('{"format"', '{"extra":1,"format"'), "Unrecognized key"],
    ["no JSON", (text: string) => text.slice(0, 99), "is not JSON"],
  ])("is checked when a record is shown: %s", (_, change, message) => {
    const text = readFileSync(at("whole/evaluation.json"), "utf8");
    writeFileSync(at("whole/evaluation.json"), change(text));
    try {
      expect(() => readEvaluation(at("whole"))).toThrow(message);
    } finally {
      writeFileSync(at("whole/evaluation.json"), text);
    }
  });

  test("may be of a folder with other files, which is refused", async () => {
    await expect(run("taken", {}, 6)).rejects.toThrow("killed");
    rmSync(at("taken/identity.json"));
    truncateSync(at("taken/parts.jsonl"));
    await expect(run("taken")).rejects.toThrow(/must be empty or not there for an evaluation, it holds \d files/);
  });
});

describe("a radius", () => {
  test.each([
    ["linf", "8", "8/255", 8 / 255],
    ["linf", "8/255", "8/255", 8 / 255],
    ["linf", "17/255", "17/255", 17 / 255],
    ["linf", "31/1000", "31/1000", 0.031],
    ["linf", "4.5", "3/170", 4.5 / 255],
    ["l2", "0.5", "1/2", 0.5],
    ["l2", "128/255", "128/255", 128 / 255],
    ["l1", "12", "12", 12],
  ])("in %s: %s is %s", (norm, written, text, value) => {
    const found = readRadius(norm, written);
    expect(fractionText(found)).toBe(text);
    expect(epsilonOf(found)).toBe(value);
    if (norm === "linf") expect(fractionOf(norm, value)).toEqual(found);
  });

  test.each([
    ["linf", "0.031", "write 8/255 (or 8)"],
    ["linf", "256", "must be 0 or a number from 1 to 255"],
    ["linf", "3/2", "must be 0 or a number from 1 to 255"],
    ["l2", "-1", "must be a number of at least 0, or a fraction"],
    ["l2", "1/0", "must be a number of at least 0, or a fraction"],
    ["l2", "1/2/3", "must be a number of at least 0, or a fraction"],
    ["l2", "", "must be a number of at least 0, or a fraction"],
    ["l2", "0.000000000001/999999999999", "a fraction of smaller numbers"],
  ])("in %s: %s is none", (norm, written, message) => {
    expect(() => readRadius(norm, written)).toThrow(message);
  });
});

test("RobustBench's entry has its fields; what is not known is empty, and doubts stand in the footnote", async () => {
  const { record } = await run("whole");
  expect(() => robustBenchEntry(record)).toThrow("evaluate with --attack autoattack");
  const model = { ...record.model, file: "rn18.pth", format: "pytorch", architecture: { name: "preact-resnet18", width: 64 } } as const;
  const judged = { ...record, attack: "autoattack", model, cleanAccuracy: 0.8334, robustAccuracy: 0.4321, confidence95: [0.4, 0.5] } as const;
  const wide = { id: "wide-interval", seen: "150 images." };
  expect(robustBenchEntry({ ...judged, warnings: [wide] }).unreliable).toBe(false);
  expect(robustBenchEntry({ ...judged, warnings: [{ id: "zero-gradients", seen: "All." }, wide] })).toEqual({
    ...{ link: "", name: "rn18", authors: "", additional_data: false, number_forward_passes: 1, dataset: "halves", venue: "" },
    ...{ architecture: "preact-resnet18 (width 64)", eps: "12/255", clean_acc: "83.34", reported: "", autoattack_acc: "43.21" },
    ...{
      unreliable: true,
      footnote: `${record.data.count} test images, robust accuracy 40.00 to 50.00 (95 %). zero-gradients: All. wide-interval: 150 images.`,
    },
  });
});
