/** @file Run folders: written, read back, and read after a kill in the middle of a line. */
import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDevice } from "@gradalign/tensor";
import { resolveTrainConfig, train } from "gradalign";
import { createRun, openRun } from "gradalign/node";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { tinyDataset } from "../support/tiny-dataset.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gradalign-run-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("a run folder", () => {
  const data = tinyDataset();
  const config = resolveTrainConfig({
    dataset: data,
    model: { name: "cnn", filters: 1 },
    method: "fgsm",
    epochs: 2,
    batchSize: 4,
    evalEvery: 3,
    evalExamples: 4,
  });

  it("holds settings, metrics and checkpoints, and a resumed run's metrics go on where its checkpoint ends", async () => {
    const device = await createDevice({ backend: "reference", precision: "float32" });
    const run = createRun(join(folder, "run"), config);
    expect(run.hasCheckpoint("last")).toBe(false);
    const stop = new AbortController();
    await train(config, data, {
      device,
      checkpoints: run.sink,
      signal: stop.signal,
      onEvent: (e) => e.type === "checkpoint" && e.iteration === 3 && e.kind === "last" && stop.abort(),
    });
    // An evaluation after the checkpoint, and a line that a kill cut off.
    appendFileSync(join(folder, "run", "metrics.jsonl"), `${JSON.stringify({ iteration: 99 })}\n{"iteration": 10`);

    const opened = openRun(join(folder, "run"));
    expect(opened.config).toEqual(config);
    expect(opened.evaluations.map((e) => e.iteration)).toEqual([0, 3, 99]);
    const resume = opened.loadCheckpoint("last");
    expect(resume.iteration).toBe(3);
    await train(opened.config, data, { device, checkpoints: opened.sink, resume });
    expect(opened.evaluations.map((e) => e.iteration)).toEqual([0, 3, 6, 8]);
    expect(opened.loadCheckpoint("last").iteration).toBe(8);
    expect(opened.loadCheckpoint("best").tensors.has("params/_model.0.weight")).toBe(true);
    device.close();
  });

  it("is not made twice, nor opened where there is none", () => {
    createRun(join(folder, "run"), config);
    expect(() => createRun(join(folder, "run"), config)).toThrow(/already holds a run; resume it, or choose another folder/);
    expect(() => openRun(join(folder, "nothing"))).toThrow(/is not a run folder/);
  });
});
