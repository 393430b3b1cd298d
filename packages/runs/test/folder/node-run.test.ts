/** @file Run folders: written, read back, and read after a kill in the middle of a line. */
import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Evaluation, resolveTrainConfig, type Snapshot, train } from "@gradalign/robustness";
import { createRun, openRun, withRunLock } from "@gradalign/runs/node";
import { createDevice } from "@gradalign/tensor";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { tinyDataset } from "../../../robustness/test/support/tiny-dataset.ts";

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
    appendFileSync(join(folder, "run", "metrics.jsonl"), `${JSON.stringify({ ...run.evaluations[0], iteration: 99 })}\n{"iteration": 10`);

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
    createRun(join(folder, "run"), config).sink.rewind?.([]);
    expect(() => createRun(join(folder, "run"), config)).toThrow(/already holds a run; resume it, or choose another folder/);
    expect(() => openRun(join(folder, "nothing"))).toThrow(/is not a run folder/);
  });

  const snapshot: Snapshot = {
    model: { name: "cnn", config: {} },
    iteration: 1,
    epoch: 0.5,
    tensors: new Map([["params/w", { dtype: "float32", shape: [2], data: Float32Array.of(1, 2) }]]),
    run: {
      config,
      data: { fingerprint: "x", classNames: ["a", "b"], shape: [1, 2, 2], train: 4, test: 4 },
      arithmetic: [{ backend: "wasm" }],
      best: null,
      seconds: 1,
    },
  };
  const names = ["train_loss", "train_reg", "train_acc", "train_pgd_acc", "test_clean_acc", "test_fgsm_acc", "test_pgd_acc", "test_fgsm_loss"];
  const more = ["test_pgd_loss", "gradient_alignment", "cos_fgsm_pgd", "delta_l2", "undefined_alignment", "non_finite", "seconds", "lr", "epoch"];
  const evaluation = (iteration: number): Evaluation =>
    ({ ...Object.fromEntries([...names, ...more].map((name) => [name, 0.5])), iteration }) as unknown as Evaluation;
  const path = (...parts: string[]) => join(folder, "run", ...parts);

  it("costs the same to save however many evaluations there are", () => {
    const { sink } = createRun(path(), config);
    sink.rewind?.([]);
    const sizeAfter = (from: number, to: number): number => {
      for (let i = from; i < to; i++) sink.record?.(evaluation(i));
      sink.save("last", { ...snapshot, evaluations: [] });
      return statSync(path("checkpoints", "last.json")).size;
    };
    const none = sizeAfter(0, 0);
    expect(sizeAfter(0, 2400) - none).toBeLessThan(10);
    expect(
      openRun(path())
        .loadCheckpoint("last")
        .evaluations?.map((e) => e.iteration),
    ).toEqual(Array.from({ length: 2400 }, (_, i) => i));
  });

  it("uses the checkpoint before when the evaluations of the newest are lost or altered", () => {
    const { sink } = createRun(path(), config);
    sink.rewind?.([]);
    for (const iteration of [1, 2]) {
      sink.record?.(evaluation(iteration));
      sink.save("last", { ...snapshot, iteration, evaluations: [] });
    }
    const whole = readFileSync(path("metrics.jsonl"));
    const reasons: string[] = [];
    const load = () => openRun(path()).loadCheckpoint("last", { onRefused: ({ reason }) => reasons.push(reason) });
    truncateSync(path("metrics.jsonl"), whole.length - 1);
    expect(load()).toMatchObject({ iteration: 1, evaluations: [{ iteration: 1 }] });
    writeFileSync(path("metrics.jsonl"), whole.toString().replace('"iteration":2', '"iteration":3'));
    expect(load()).toMatchObject({ iteration: 1 });
    expect(reasons).toEqual([expect.stringMatching(/evaluations are lost: .* has \d+ bytes, the checkpoint needs/), expect.stringContaining("are altered")]);
    // Going on from there, the file ends where the checkpoint does.
    const run = openRun(path());
    run.sink.rewind?.(load().evaluations ?? []);
    expect(run.evaluations.map((e) => e.iteration)).toEqual([1]);
    run.sink.record?.(evaluation(5));
    run.sink.save("last", { ...snapshot, iteration: 5, evaluations: [] });
    expect(load()).toMatchObject({ iteration: 5, evaluations: [{ iteration: 1 }, { iteration: 5 }] });
  });

  it("keeps numbers that are not finite, and evaluations that a snapshot brings along", () => {
    const run = createRun(path(), config);
    run.sink.rewind?.([evaluation(1), { ...evaluation(2), train_loss: Number.NaN }]);
    expect(run.evaluations).toMatchObject([{ iteration: 1 }, { iteration: 2, train_loss: Number.NaN }]);
  });

  it("opens with no other settings, whichever bit of them flips", () => {
    const { sink } = createRun(path(), config);
    sink.rewind?.([]);
    sink.save("best", snapshot);
    const text = readFileSync(path("config.json"));
    let refused = 0;
    for (let bit = 0; bit < 8 * text.length; bit += 3) {
      const bytes = Uint8Array.from(text);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      writeFileSync(path("config.json"), bytes);
      try {
        expect(openRun(path()).config).toEqual(config);
      } catch (error) {
        expect(error).toMatchObject({ code: expect.stringMatching(/^(Config|Data|Checkpoint)Error$/) });
        refused++;
      }
    }
    // What opens has other white space.
    expect(refused).toBeGreaterThan((8 * text.length) / 4);
  });

  it("with a forbidden value is refused by the name of its file", () => {
    const { sink } = createRun(path(), config);
    sink.rewind?.([]);
    writeFileSync(path("config.json"), JSON.stringify({ ...config, batchSize: 0 }));
    const message = expect.stringContaining("config.json: batchSize (=0) must be an integer of at least 1; write e.g. 128");
    expect(() => openRun(path())).toThrow(expect.objectContaining({ code: "DataError", message }));
  });

  it("is made when training begins; what is refused before leaves nothing", async () => {
    const refused = withRunLock(path(), {}, async (lock) => {
      createRun(path(), config, lock);
      expect(readdirSync(path())).toEqual(["run.lock"]);
      throw new Error("refused");
    });
    await expect(refused).rejects.toThrow("refused");
    expect(existsSync(path())).toBe(false);
  });

  it("is not written to by a process that lost its lock", async () => {
    await withRunLock(path(), {}, async (lock) => {
      const { sink } = createRun(path(), config, lock);
      sink.rewind?.([]);
      writeFileSync(path("run.lock"), "another's");
      expect(() => sink.record?.(evaluation(1))).toThrow(/was taken over by another process/);
      expect(() => sink.save("last", snapshot)).toThrow(/was taken over by another process/);
      expect(readdirSync(path("checkpoints"))).toEqual([]);
    });
  });
});
