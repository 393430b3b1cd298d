/** @file The training loop on a tiny data set: it learns, reports, stops, resumes to the same bits, and refuses nonsense. */

import {
  type CheckpointSink,
  cnn,
  createSession,
  decodeSafetensors,
  type Evaluation,
  encodeSafetensors,
  evaluateRobustness,
  imageDataset,
  type MethodConfig,
  type Model,
  type Params,
  type PartialTrainConfig,
  resolveTrainConfig,
  restoreModel,
  runOutcome,
  type Snapshot,
  type TrainEvent,
  type TrainOptions,
  type TrainResult,
  train,
} from "@gradalign/robustness";
import { add, createDevice, type Device, full, matmul, mul, reshape, sub, type Tensor, tensor, transpose, type Value, zeros } from "@gradalign/tensor";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tinyDataset } from "../support/tiny-dataset.ts";

let device: Device;
beforeAll(async () => {
  device = await createDevice({ backend: "wasm", threads: 1 });
});
afterAll(() => device.close());

const data = tinyDataset({ flip: false });
const small: PartialTrainConfig = { dataset: data, model: { name: "cnn", filters: 2 }, epochs: 3, batchSize: 4, evalEvery: 5, evalExamples: 8 };
const run = (settings: PartialTrainConfig, options: Partial<TrainOptions> = {}): Promise<TrainResult> =>
  train(resolveTrainConfig({ ...small, ...settings }), data, { device, ...options });

const bytes = (params: Params): Record<string, number[]> =>
  Object.fromEntries(Object.entries(params).map(([name, value]) => [name, [...new Uint8Array((value as Tensor).data().buffer)]]));
const withoutTime = (evaluations: TrainResult["evaluations"]) => evaluations.map(({ seconds: _, ...rest }) => rest);

/** Keeps the last snapshot of each kind as it would come back from disk. */
function memorySink(): CheckpointSink & { last?: Snapshot; best?: Snapshot } {
  return {
    save(kind, snapshot) {
      const { tensors, ...rest } = snapshot;
      const restored = decodeSafetensors(encodeSafetensors(tensors)).tensors;
      this[kind] = { ...(JSON.parse(JSON.stringify(rest)) as Omit<Snapshot, "tensors">), tensors: restored };
      return `memory:${kind}`;
    },
  };
}

describe("a run", () => {
  it("leaves nothing on the device but its results, however it ends", async () => {
    const settings = { epochs: 1, validationSize: 4 };
    const live = (): number => device.memory().liveBytes;
    const dispose = ({ params, state, best }: TrainResult): void => {
      for (const tensors of [params, state, best?.params ?? {}, best?.state ?? {}]) for (const value of Object.values(tensors)) value.dispose();
    };
    // The first run makes room for what programs compute with, which the device keeps.
    dispose(await run(settings));
    const before = live();
    dispose(await run(settings));
    expect(live()).toBe(before);
    const broken = {
      onEvent: ({ type }: TrainEvent) => {
        if (type === "evaluation") throw new Error("the listener failed");
      },
    };
    await expect(run(settings, broken)).rejects.toThrow("the listener failed");
    expect(live()).toBe(before);
    await expect(run({ ...settings, method: "standard", epochs: 30, optimizer: { name: "sgd" }, schedule: { peak: 1000 } })).rejects.toThrow(/not finite/);
    expect(live()).toBe(before);
  });

  it("learns, and tells in order what happens", async () => {
    const events: TrainEvent[] = [];
    const result = await run({ method: "fgsm", epochs: 30, schedule: { peak: 0.02 } }, { onEvent: (event) => events.push(event) });
    const [first, last] = [result.evaluations[0], result.evaluations.at(-1)];
    expect(last?.train_loss).toBeLessThan((first?.train_loss ?? 0) / 2);
    expect(last?.test_clean_acc).toBeGreaterThan(0.7);
    expect(result.evaluations.map(({ iteration }) => iteration)).toEqual(Array.from({ length: 25 }, (_, i) => 5 * i));
    expect(last?.filter_norms).toHaveLength(2);

    expect(events[0]).toMatchObject({ type: "start", iterations: 120, iteration: 0, parameters: 2 * 28 + 4 * 129 });
    expect(events[1]).toMatchObject({ type: "evaluation", evaluation: { iteration: 0, epoch: 0 } });
    expect(events.at(-1)).toMatchObject({ type: "end", iteration: 120, interrupted: false, best: { iteration: result.best?.iteration } });
    const report = await evaluateRobustness(result.model, result.params, result.state, data.test, { device, attack: "none", epsilon: 0, n: 8 });
    expect(report.cleanAccuracy).toBe(last?.test_clean_acc);
  });

  it("waits after every step for whoever sets the pace", async () => {
    const shares: number[] = [];
    let steps = 0;
    const { evaluations } = await run(
      { epochs: 1 },
      {
        onEvent: (event) => {
          if (event.type === "start") steps = event.iterations;
        },
        async pace(done) {
          await new Promise((resolve) => setTimeout(resolve));
          shares.push(done);
        },
      },
    );
    expect(shares).toEqual(Array.from({ length: steps }, (_, i) => (i + 1) / steps));
    expect(withoutTime(evaluations)).toEqual(withoutTime((await run({ epochs: 1 })).evaluations));
  });

  it("keeps the parameters of the strictly best PGD accuracy on training images", async () => {
    const sink = memorySink();
    const result = await run({ method: "fgsm", epochs: 8, schedule: { peak: 0.02 } }, { checkpoints: sink });
    const top = Math.max(...result.evaluations.map((e) => e.train_pgd_acc));
    expect(result.best?.iteration).toBe(result.evaluations.find((e) => e.train_pgd_acc === top)?.iteration);
    expect(bytes(restoreModel(result.model, sink.best as Snapshot).params)).toEqual(bytes(result.best?.params ?? {}));
  });

  it("chooses the parameters on images held out of training, if there are such", async () => {
    // The first of the held-out images' labels are wrong, so that their accuracy is no other's.
    const labels = Uint8Array.from(data.train.labels, (label, i) => (i >= 8 && i < 13 ? (label + 1) % 4 : label));
    const marked = imageDataset({ ...data, train: { images: data.train.images, labels } });
    const settings = { ...small, epsilon: 0, epochs: 20, schedule: { peak: 0.02 }, method: "fgsm" } as const;
    const sink = memorySink();
    const result = await train(resolveTrainConfig({ ...settings, validationSize: 8 }), marked, { device, checkpoints: sink });

    const accuracies = result.evaluations.map((e) => e.validation_pgd_acc as number);
    const held = { images: marked.train.images.subarray(8 * 192), labels: labels.subarray(8), count: 8 };
    const report = await evaluateRobustness(result.model, result.params, result.state, held, { device, attack: "none", epsilon: 0, n: 8 });
    expect(accuracies.at(-1)).toBe(report.cleanAccuracy);
    expect(accuracies.at(-1)).toBeLessThan(result.evaluations.at(-1)?.train_pgd_acc as number);
    expect(result.best?.iteration).toBe(result.evaluations[accuracies.indexOf(Math.max(...accuracies))]?.iteration);
    expect((sink.best as Snapshot).run.best).toMatchObject({ validation_pgd_acc: Math.max(...accuracies) });

    // They are not trained on.
    const without = await train(resolveTrainConfig({ ...settings, trainSize: 8 }), marked, { device });
    expect(bytes(result.params)).toEqual(bytes(without.params));
  });

  it("runs methods of every kind", async () => {
    for (const method of ["standard", "fgsm-rs", "pgd-gradalign", "pgd-corner", "random-corner", "cure", "grad-norm", "llr"] as const) {
      const { evaluations } = await run({ method, epochs: 1 });
      expect(Number.isFinite(evaluations.at(-1)?.train_loss), method).toBe(true);
    }
  });

  it("draws nothing from outside: equal settings, equal bits; another seed, others", async () => {
    const [a, b, c] = [await run({}), await run({}), await run({ seed: 1 })];
    expect(bytes(b.params)).toEqual(bytes(a.params));
    expect(bytes(c.params)).not.toEqual(bytes(a.params));
  });
});

describe("a warm-up", () => {
  const stepped = (method: MethodConfig, steps: number): Record<string, number[]> => {
    const session = createSession(cnn({ filters: 2, classes: 4, shape: data.shape }), resolveTrainConfig({ ...small, method }), data, device);
    session.initialize();
    for (let i = 0; i < steps; i++) session.step(i);
    const params = bytes(session.current.params);
    session.dispose();
    return params;
  };

  it("gives the first update one step's share, as the paper's code does", () => {
    // An epoch has four steps.
    const [warm, quarter, half] = [
      stepped({ name: "fgsm", stepSize: 1, warmupEpochs: 1 }, 1),
      stepped({ name: "fgsm", stepSize: 0.25, warmupEpochs: 0 }, 1),
      stepped({ name: "fgsm", stepSize: 0.5, warmupEpochs: 0 }, 1),
    ];
    expect(warm).toEqual(quarter);
    expect(warm).not.toEqual(half);
  });
});

describe("stopping and going on", () => {
  it.each([
    { name: "cnn, Adam, GradAlign", settings: { method: "fgsm-gradalign" } },
    { name: "chosen on held-out images", settings: { method: "fgsm-rs", validationSize: 4 } },
    { name: "free, which carries a perturbation", settings: { method: { name: "free", replays: 3 } } },
    { name: "ResNet, SGD, batch norm", settings: { model: { name: "preact-resnet18", width: 1 }, method: "fgsm-rs", epochs: 2, schedule: { peak: 0.01 } } },
  ] as const)("gives the bits of an uninterrupted run: $name", async ({ settings }) => {
    const whole = await run(settings as PartialTrainConfig);
    const iterations = whole.evaluations.at(-1)?.iteration ?? 0;
    // Between evaluations, so that running sums are on their way too.
    const stopAt = 1 + Math.floor(Math.random() * (iterations - 1));
    const sink = memorySink();
    const stop = new AbortController();
    const first = await run(settings as PartialTrainConfig, {
      checkpoints: sink,
      checkpointEvery: stopAt,
      signal: stop.signal,
      onEvent: stopAfter(stopAt, stop),
    });
    expect(first.interrupted, `stopped at ${stopAt}`).toBe(true);
    const resumed = await run(settings as PartialTrainConfig, { resume: sink.last as Snapshot, checkpoints: memorySink() });
    expect(bytes(resumed.params), `stopped at ${stopAt}`).toEqual(bytes(whole.params));
    expect(bytes(resumed.state)).toEqual(bytes(whole.state));
    expect(withoutTime(resumed.evaluations)).toEqual(withoutTime(whole.evaluations));
    expect(bytes(resumed.best?.params ?? {})).toEqual(bytes(whole.best?.params ?? {}));
  });

  it("an evaluation that is given up is made up for: a stop does not wait for its end", async () => {
    const whole = await run({ method: "fgsm" });
    const every = whole.evaluations[1]?.iteration as number;
    const given = new Set<number>();
    for (const asked of [1, 5, 30, 34, 60]) {
      const sink = memorySink();
      const live = device.memory().liveBytes;
      let times = 0;
      const signal = {
        get aborted() {
          return ++times >= asked;
        },
      } as AbortSignal;
      const first = await run({ method: "fgsm" }, { checkpoints: sink, signal });
      const { iteration } = sink.last as Snapshot;
      expect(first.interrupted).toBe(true);
      for (const kept of [first.params, first.state, first.best?.params ?? {}, first.best?.state ?? {}])
        for (const value of Object.values(kept)) value.dispose();
      expect(device.memory().liveBytes).toBe(live);
      if (iteration % every === 0 && first.evaluations.at(-1)?.iteration !== iteration) given.add(iteration);
      const resumed = await run({ method: "fgsm" }, { resume: sink.last as Snapshot, checkpoints: memorySink() });
      expect(bytes(resumed.params), `asked ${asked} times`).toEqual(bytes(whole.params));
      expect(withoutTime(resumed.evaluations)).toEqual(withoutTime(whole.evaluations));
      expect(bytes(resumed.best?.params ?? {})).toEqual(bytes(whole.best?.params ?? {}));
    }
    expect([...given]).toEqual([0, every, 2 * every]);
  });

  it("refuses another run's snapshot, and one without the optimiser", async () => {
    const sink = memorySink();
    await run({ epochs: 1 }, { checkpoints: sink });
    await expect(run({ epochs: 2 }, { resume: sink.last as Snapshot })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[CheckpointError: train: the checkpoint was made with epochs 1, this run has 2; resume with the same settings, or start a new run]`,
    );
    await expect(run({ epochs: 1, validationSize: 4 }, { resume: sink.last as Snapshot })).rejects.toThrow("made with validationSize null, this run has 4;");
    const held = memorySink();
    await run({ epochs: 1, validationSize: 4 }, { checkpoints: held });
    await expect(run({ epochs: 1 }, { resume: held.last as Snapshot })).rejects.toThrow("made with validationSize 4, this run has null;");
    await expect(run({ epochs: 1 }, { resume: sink.best as Snapshot })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[CheckpointError: train: resume needs a snapshot of kind "last"; this one cannot be trained further]`,
    );
  });

  it("an already finished run just ends", async () => {
    const sink = memorySink();
    const done = await run({ epochs: 1 }, { checkpoints: sink });
    const again = await run({ epochs: 1 }, { resume: sink.last as Snapshot });
    expect(again.interrupted).toBe(false);
    expect(bytes(again.params)).toEqual(bytes(done.params));
  });

  /** Aborts at the checkpoint of that iteration. */
  function stopAfter(iteration: number, stop: AbortController): (event: TrainEvent) => void {
    return (event) => {
      if (event.type === "checkpoint" && event.kind === "last" && event.iteration === iteration) stop.abort();
    };
  }
});

describe("when things go wrong", () => {
  it("missing arguments are named", async () => {
    const config = resolveTrainConfig({ ...small, method: "fgsm" });
    await expect(train(config, data, undefined as never)).rejects.toThrow(/^train: options.device is missing; pass/);
    await expect(train(config, undefined as never, { device })).rejects.toThrow(/^imageDataset: expected a description of a data set, got undefined/);
  });

  it("a loss that is not finite ends the run at its iteration, and the last good checkpoint stays", async () => {
    const sink = memorySink();
    const failing = run({ method: "standard", optimizer: { name: "sgd" }, schedule: { peak: 1e3 }, epochs: 30, evalEvery: 1 }, { checkpoints: sink });
    await expect(failing).rejects.toThrow(/not finite at iteration \d+; lower the peak learning rate \(now 1000\)/);
    const stored = [...(sink.last as Snapshot).tensors.values()];
    expect(stored.every(({ data: values }) => [...values].every((v) => Number.isFinite(Number(v))))).toBe(true);
  });

  it("a loss that is not finite is noticed long before the next evaluation", async () => {
    let iterations = 0;
    const counting = {
      get aborted() {
        iterations++;
        return false;
      },
    } as AbortSignal;
    const settings: PartialTrainConfig = { method: "standard", optimizer: { name: "sgd" }, schedule: { peak: 1e3 }, epochs: 250, evalEvery: 1000 };
    await expect(run(settings, { signal: counting })).rejects.toThrow(/^train: the loss was not finite at iteration \d+;/);
    expect(iterations).toBeLessThan(200);
  });

  it("refuses what does not fit before it begins", async () => {
    const begun: TrainEvent[] = [];
    const onEvent = (event: TrainEvent) => begun.push(event);
    const config = resolveTrainConfig({ ...small, dataset: "cifar10" });
    await expect(train(config, data, { device, onEvent })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ConfigError: train: the settings are for the data set "cifar10", the one given is "quarters"; resolve the settings with this data set]`,
    );
    await expect(run({ augment: { crop: 8 } }, { onEvent })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ConfigError: train: augment.crop (=8) must be less than the images' 8 x 8 pixels; use 0 for no random crop]`,
    );
    const narrow = { ...cnn({ filters: 2, classes: 4, shape: [1, 28, 28] }), name: "mine" };
    await expect(run({ model: "mine" }, { onEvent, model: narrow })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ConfigError: train: the model mine does not fit the data set quarters (images [3, 8, 8], 4 classes): conv2d: x has 3 channels but the filter expects 1; got x [4, 3, 8, 8], filter [2, 1, 3, 3], stride [1, 1], padding [1, 1]]`,
    );
    const few = { ...cnn({ filters: 2, classes: 3, shape: [3, 8, 8] }), name: "mine" };
    await expect(run({ model: "mine" }, { onEvent, model: few })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ConfigError: train: the model mine does not fit the data set quarters (images [3, 8, 8], 4 classes): its logits are [4, 3], expected [4, 4]]`,
    );
    expect(begun).toEqual([]);
  });

  it("refuses labels of no class and images that are not bytes, whoever made the data set", async () => {
    const { images, labels, count } = data.train;
    const trained = (change: object) => train(resolveTrainConfig(small), { ...data, train: { images, labels, count, ...change } }, { device });
    const wrong = Uint8Array.from(labels, (label, i) => (i === 3 ? 4 : label));
    await expect(trained({ labels: wrong })).rejects.toThrow("imageDataset: train.labels[3] (=4) must be an integer from 0 to 3");
    await expect(trained({ labels: labels.subarray(0, 8) })).rejects.toThrow("imageDataset: train.images must hold 8 labels");
    await expect(trained({ images: Float32Array.from(images) })).rejects.toThrow("imageDataset: train.images must be a Uint8Array");
  });

  it("says so when there are fewer images than a batch takes, or a model has no name it knows", async () => {
    await expect(run({ batchSize: 32 })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[DataError: train: batchSize (=32) must be at most 16, the number of training images]`,
    );
    await expect(run({ trainSize: 12, validationSize: 8 })).rejects.toThrow(
      "train: trainSize (=12) must be at most 8, the number of training images less the 8 held out",
    );
    await expect(run({ model: "mlp" })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ConfigError: model: name (="mlp") must be one of cnn, preact-resnet18, preact-resnet18-final-norm, preact-resnet18-v2, resnet18, resnet34, resnet50, wide-resnet, dm-wide-resnet, dm-preact-resnet; pass your own model as train's option "model"]`,
    );
  });
});

describe("a model of one's own", () => {
  const regression: Model = {
    name: "softmax-regression",
    config: { shape: [3, 8, 8] },
    init: () => ({ params: { weight: zeros([4, 192]), bias: zeros([4]) }, state: {} }),
    apply(params, state, x) {
      const flat = reshape(x, [x.shape[0] as number, 192]);
      return { logits: add(matmul(flat, transpose(params["weight"] as Value)), params["bias"] as Value), state };
    },
  };

  it("trains by the same loop", async () => {
    const config = resolveTrainConfig({ ...small, model: { name: regression.name }, method: "fgsm", epochs: 20, schedule: { peak: 0.5 } });
    const { evaluations } = await train(config, data, { device, model: regression });
    expect(evaluations.at(-1)?.test_clean_acc).toBeGreaterThan(0.7);
  });
});

describe("a run that breaks", () => {
  // Loss and gradient are finite, but the first step with a learning rate of 1000 makes the weights infinite.
  const steep: Model = {
    name: "steep",
    config: { shape: [3, 8, 8] },
    init: () => ({ params: { scale: zeros([4]), weight: full([4, 192], 0.001) }, state: {} }),
    apply(params, state, x) {
      const flat = reshape(x, [x.shape[0] as number, 192]);
      const logits = add(matmul(flat, transpose(params["weight"] as Value)), mul(params["scale"] as Value, 1e37));
      return { logits: sub(logits, tensor([1, 0, 0, 0])), state };
    },
  };

  it("never keeps weights that are not finite as the best, and says how many images broke", async () => {
    const saved: { kind: string; finite: boolean }[] = [];
    const evaluations: Evaluation[] = [];
    const checkpoints: CheckpointSink = {
      save(kind, { tensors }) {
        saved.push({ kind, finite: [...tensors.values()].every(({ data: values }) => !(values instanceof Float32Array) || values.every(Number.isFinite)) });
        return undefined;
      },
      record: (evaluation) => void evaluations.push(evaluation),
    };
    const settings = { ...small, model: "steep", method: "fgsm", optimizer: { name: "sgd" }, schedule: { peak: 1000 }, evalEvery: 1 } as const;
    await expect(train(resolveTrainConfig(settings), data, { device, model: steep, checkpoints })).rejects.toThrow(/train: .* was not finite at iteration 1/);
    expect(saved).toEqual([{ kind: "best", finite: true }]);
    expect(evaluations.map(({ non_finite }) => non_finite)).toEqual([0, 1]);
    expect(evaluations[1]).toMatchObject({ test_clean_acc: 0, test_pgd_acc: 0, train_pgd_acc: 0, gradient_alignment: null, undefined_alignment: 1 });
    expect(runOutcome(evaluations, 0.25, true)?.kind).toBe("diverged");
  });
});
