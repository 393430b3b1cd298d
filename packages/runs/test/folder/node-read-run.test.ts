/** @file What a run folder tells of its classes and its guard, and one of an earlier version. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { resolveTrainConfig } from "@gradalign/robustness";
import { afterAll, describe, expect, test } from "vitest";
import { chanceOf, readReportRun } from "../../src/folder/node-read-run.ts";
import { createRun, openRun, type Run } from "../../src/folder/node-run.ts";

test("guessing is right as often as the run's own data set has classes, or the known one before the first checkpoint", () => {
  const config = resolveTrainConfig({ dataset: "cifar10" });
  const seal = { data: { classNames: ["cat", "dog"] } } as unknown as Run["seal"];
  expect(chanceOf({ config, seal })).toBe(1 / 2);
  expect(chanceOf({ config, seal: null })).toBe(1 / 10);
});

describe("a run folder", () => {
  const folder = mkdtempSync(join(tmpdir(), "gradalign-read-run-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("tells a report what its guard raised", () => {
    const config = resolveTrainConfig({ dataset: "cifar10", model: { name: "cnn" }, method: "fgsm", guard: "rollback", guardChange: "gradalign" });
    const { sink } = createRun(join(folder, "watched"), config);
    sink.rewind?.([]);
    const guard = { alarm: { aligned: 0.9 }, next: 0, alarms: [{ iteration: 780, evidence: "it fell", restored: 585 }], kept: [585] };
    const data = { fingerprint: null, classNames: ["a", "b"], shape: [3, 32, 32], train: 50_000, test: 4 };
    const run = { config, data, arithmetic: [{ backend: "wasm" }], best: null, seconds: 1 };
    const tensors = new Map([["params/w", { dtype: "float32", shape: [1], data: Float32Array.of(1) } as const]]);
    const snapshot = { model: { name: "cnn", config: {} }, iteration: 800, epoch: 2, tensors };
    sink.save("best", { ...snapshot, run });
    sink.save("last", { ...snapshot, run: { ...run, guard }, evaluations: [] });
    const shown = readReportRun(join(folder, "watched"));
    expect(shown.alarms).toEqual([{ iteration: 780, epoch: 2, evidence: "it fell", restored: 585, change: "gradalign" }]);
  });

  test("of an earlier version, whose FGSM-RS had no projection among its settings, is refused with the reason", () => {
    const { method, ...rest } = resolveTrainConfig({ dataset: "cifar10", model: { name: "cnn" }, method: "fgsm-rs" });
    const { projection: _, ...before } = method as typeof method & { readonly projection: boolean };
    mkdirSync(join(folder, "old"));
    writeFileSync(join(folder, "old", "config.json"), JSON.stringify({ ...rest, method: before }));
    expect(() => openRun(join(folder, "old"))).toThrow(
      /old\/config\.json: method\.projection must be true or false, got none; resolve the settings, or start a new run/,
    );
  });
});
