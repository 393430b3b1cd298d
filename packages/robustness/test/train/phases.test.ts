/** @file Phases: how they are written, when they begin, and that a training goes through them to the bits of an undisturbed one. */

import {
  type CheckpointSink,
  decodeSafetensors,
  encodeSafetensors,
  type ImageDataset,
  imageDataset,
  type Params,
  type PartialTrainConfig,
  resolveTrainConfig,
  type Snapshot,
  type TrainOptions,
  type TrainResult,
  train,
} from "@gradalign/robustness";
import { createDevice, type Device, type Tensor } from "@gradalign/tensor";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { layeredModel } from "../../src/models/layers.ts";
import { phaseData, readPhases, timetableOf } from "../../src/train/phases.ts";

describe("phases as text", () => {
  it("say what each has of its own", () => {
    expect(readPhases("phases", "0:image-size=128,batch-size=512,data=small; 6:batch-size=224;12")).toEqual([
      { from: 0, imageSize: 128, batchSize: 512, data: "small" },
      { from: 6, batchSize: 224 },
      { from: 12 },
    ]);
  });

  it.each([
    ["1:batch-size=8", "the first phase begins with epoch 0"],
    ["0:batch-size=8;0:batch-size=4", "the first phase begins with epoch 0, each other one with a later epoch"],
    ["0:batch-size=0", "batch-size (=0) must be an integer of at least 1"],
    ["0:batch=8", 'batch (="8") is not an option of a phase, which has batch-size, image-size, data'],
    ["soon:batch-size=8", "each phase begins with its first epoch and a colon"],
    ["", "each phase begins with its first epoch and a colon"],
  ])("%j is refused", (text, why) => {
    expect(() => readPhases("config: phases", text)).toThrow(why);
  });
});

describe("the timetable", () => {
  it("is that of one phase where there are no others", () => {
    const { iterations, partOf, epochsAfter } = timetableOf({ epochs: 3, batchSize: 4 }, [17]);
    expect(iterations).toBe(12);
    expect(partOf(11)).toMatchObject({ phase: 0, iterationsPerEpoch: 4 });
    expect([0, 1, 4, 12].map(epochsAfter)).toEqual([0, 0.25, 1, 3]);
  });

  it("counts epochs and iterations through all phases", () => {
    const { iterations, parts, partOf, epochsAfter } = timetableOf({ epochs: 4, batchSize: 4, phases: "0:batch-size=8;1;3:batch-size=2" }, [16, 16, 10]);
    expect(parts.map(({ firstIteration, endIteration, batchSize }) => [firstIteration, endIteration, batchSize])).toEqual([
      [0, 2, 8],
      [2, 10, 4],
      [10, 15, 2],
    ]);
    expect(iterations).toBe(15);
    expect([1, 2, 9, 10, 14].map((index) => partOf(index).phase)).toEqual([0, 1, 1, 2, 2]);
    expect([1, 2, 6, 10, 15].map(epochsAfter)).toEqual([0.5, 1, 2, 3, 4]);
  });
});

describe("the data of phases", () => {
  it("are the run's, with their path and size replaced", () => {
    const phases = "0:image-size=128,data=small;6:image-size=224;12";
    expect(phaseData({ dataset: "photos:size=288,train=flip", phases })).toEqual([
      "small:size=128,train=flip",
      "photos:size=224,train=flip",
      "photos:size=288,train=flip",
    ]);
    expect(phaseData({ dataset: "cifar10" })).toEqual(["cifar10"]);
  });
});

/** Images whose brightest half is the class, of any size. */
function halves(size: number, train: number): ImageDataset {
  const split = (count: number) => ({
    images: Uint8Array.from({ length: count * 3 * size * size }, (_, i) => {
      const image = Math.floor(i / (3 * size * size));
      return (i % size < size / 2 ? 1 : 0) === image % 2 ? 200 - ((i * 37 + image * 11) % 60) : (i * 53 + image * 7) % 90;
    }),
    labels: Uint8Array.from({ length: count }, (_, i) => i % 2),
  });
  return imageDataset({ name: "halves", classNames: ["left", "right"], shape: [3, size, size], train: split(train), test: split(8) });
}

describe("a training in phases", () => {
  let device: Device;
  beforeAll(async () => {
    device = await createDevice({ backend: "wasm", threads: 1 });
  });
  afterAll(() => device.close());

  const phased = [halves(8, 16), halves(12, 16), halves(16, 18)];
  /** Small, with a batch norm, for images of any size. */
  const model = layeredModel({ name: "pooled", config: { classes: 2, shape: [3, 16, 16] } }, [3, 16, 16], (layers, x) =>
    layers.linear("fc", layers.globalAveragePool(layers.relu(layers.batchNorm("bn", layers.convolution("conv", x, { out: 4, size: 3 })))), 2),
  );
  const settings: PartialTrainConfig = {
    dataset: phased[2] as ImageDataset,
    model: model.name,
    method: "fgsm-rs",
    epochs: 4,
    batchSize: 4,
    phases: "0:image-size=8,batch-size=8;2:image-size=12;3:image-size=16,batch-size=6",
    schedule: { name: "linear", peak: 0.02, points: "0:1,4:0.1" },
    optimizer: { name: "sgd", weightDecay: 1e-3, excludeNorms: true },
    evalEvery: 3,
    evalExamples: 8,
  };
  const run = (options: Partial<TrainOptions> = {}, changed: PartialTrainConfig = {}): Promise<TrainResult> =>
    train(resolveTrainConfig({ ...settings, ...changed }), phased[2] as ImageDataset, { device, model, phaseData: phased, ...options });
  const bytes = (params: Params) => Object.fromEntries(Object.entries(params).map(([name, value]) => [name, [...(value as Tensor).data()]]));

  /** Keeps the last snapshot as it would come back from disk. */
  function memorySink(): CheckpointSink & { last?: Snapshot } {
    return {
      save(kind, { tensors, ...rest }) {
        const restored = { ...(JSON.parse(JSON.stringify(rest)) as Omit<Snapshot, "tensors">), tensors: decodeSafetensors(encodeSafetensors(tensors)).tensors };
        if (kind === "last") this.last = restored;
        return undefined;
      },
    };
  }

  it("goes through all of them, and gives the same bits stopped at any step of any phase", async () => {
    const whole = await run();
    // Two steps an epoch, then four, then three; looked at every third step and at the end of each phase.
    expect(whole.evaluations.map(({ iteration, epoch }) => [iteration, epoch])).toEqual([
      [0, 0],
      [3, 1.5],
      [4, 2],
      [6, 2.5],
      [8, 3],
      [9, 3 + 1 / 3],
      [11, 4],
    ]);
    expect(whole.evaluations.map(({ lr }) => Number((lr / 0.02).toFixed(6)))).toEqual([0, 0.6625, 0.55, 0.4375, 0.325, 0.25, 0.1]);
    const live: number[] = [];
    for (const stopAt of [4, 5, 10]) {
      const sink = memorySink();
      const stop = new AbortController();
      const first = await run({
        checkpoints: sink,
        checkpointEvery: stopAt,
        signal: stop.signal,
        onEvent: (event) => event.type === "checkpoint" && event.kind === "last" && event.iteration === stopAt && stop.abort(),
      });
      expect(first.interrupted, `stopped at ${stopAt}`).toBe(true);
      const resumed = await run({ resume: sink.last as Snapshot });
      expect(resumed.interrupted).toBe(false);
      expect(bytes(resumed.params), `stopped at ${stopAt}`).toEqual(bytes(whole.params));
      expect(bytes(resumed.state)).toEqual(bytes(whole.state));
      expect(resumed.evaluations.map(({ seconds: _, ...rest }) => rest)).toEqual(whole.evaluations.map(({ seconds: _, ...rest }) => rest));
      for (const { params, state, best } of [first, resumed])
        for (const tensors of [params, state, best?.params ?? {}, best?.state ?? {}]) for (const value of Object.values(tensors)) value.dispose();
      live.push(device.memory().liveBytes);
    }
    // Nothing is left on the device, whichever phase a run ended in.
    expect(new Set(live).size).toBe(1);
  });

  it("refuses data that do not go with the phases", async () => {
    const [small, middle, large] = phased as [ImageDataset, ImageDataset, ImageDataset];
    await expect(train(resolveTrainConfig(settings), large, { device, model })).rejects.toThrow(
      "train: options.phaseData must have a data set for each of the 3 phases",
    );
    await expect(run({ phaseData: [middle, small, large] })).rejects.toThrow("train: phase 1 is of images of 8 pixels, its data set has 12 x 12");
    expect(() => resolveTrainConfig({ ...settings, epochs: 3 })).toThrow("must be of epochs that there are; the last of 3 is 2");
    expect(() => resolveTrainConfig({ ...settings, microBatch: 4, batchSize: 8 })).toThrow("must be of batch sizes that microBatch (=4) divides");
  });
});
