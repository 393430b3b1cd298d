/** @file Settings: the paper's recipes as defaults, and errors that name value, rule and remedy. */
import { datasetRecipe, type Given, lambdaSchedule, methods, type PartialTrainConfig, resolveTrainConfig } from "@gradalign/robustness";
import { describe, expect, it } from "vitest";

/** The method's options that settings resolve to. */
const methodOf = (partial: PartialTrainConfig): Given => resolveTrainConfig(partial).method;

describe("the paper's recipes", () => {
  it("FGSM + GradAlign on CIFAR-10 is the default", () => {
    expect(resolveTrainConfig()).toMatchInlineSnapshot(`
      {
        "augment": {
          "crop": 4,
          "flip": true,
        },
        "batchSize": 128,
        "dataset": "cifar10",
        "epochs": 30,
        "epsilon": 0.03137254901960784,
        "evalEvery": 200,
        "evalExamples": 256,
        "method": {
          "branches": "one",
          "lambda": 0.2,
          "name": "fgsm-gradalign",
          "stepSize": 1.25,
          "warmupEpochs": 0,
        },
        "model": {
          "name": "preact-resnet18",
          "width": 64,
        },
        "optimizer": {
          "momentum": 0.9,
          "name": "sgd",
          "weightDecay": 0.0005,
        },
        "schedule": {
          "name": "cyclic",
          "peak": 0.3,
        },
        "seed": 0,
        "trainSize": null,
      }
    `);
  });

  it("the single-layer network trains with Adam", () => {
    expect(resolveTrainConfig({ model: "cnn", method: "fgsm", epsilon: 10 / 255 })).toMatchInlineSnapshot(`
      {
        "augment": {
          "crop": 4,
          "flip": true,
        },
        "batchSize": 128,
        "dataset": "cifar10",
        "epochs": 30,
        "epsilon": 0.0392156862745098,
        "evalEvery": 50,
        "evalExamples": 256,
        "method": {
          "name": "fgsm",
          "stepSize": 1.25,
          "warmupEpochs": 0,
        },
        "model": {
          "filters": 4,
          "name": "cnn",
        },
        "optimizer": {
          "beta1": 0.9,
          "beta2": 0.999,
          "epsilon": 1e-8,
          "name": "adam",
          "weightDecay": 0.0005,
        },
        "schedule": {
          "name": "cyclic",
          "peak": 0.003,
        },
        "seed": 0,
        "trainSize": null,
      }
    `);
  });

  it.each([
    ["cifar10", "fgsm", 30, 0.2],
    ["cifar10", "fgsm-rs", 30, 0.2],
    ["cifar10", "fgsm-gradalign", 30, 0.3],
    ["cifar10", "pgd", 30, 0.2],
    ["cifar10", "free", 96, 0.04],
    ["svhn", "fgsm-gradalign", 15, 0.05],
    ["svhn", "pgd", 15, 0.05],
    ["svhn", "free", 45, 0.01],
    ["own", "free", 96, 0.04],
  ] as const)("%s %s: %i epochs, peak %f", (dataset, method, epochs, peak) => {
    const config = resolveTrainConfig({ dataset, method });
    expect([config.epochs, config.schedule.peak]).toEqual([epochs, peak]);
    expect((config.method as Given)["warmupEpochs"]).toBe(dataset === "svhn" ? 5 : 0);
    expect(config.augment).toEqual({ crop: dataset === "own" ? 0 : 4, flip: dataset === "cifar10" });
  });

  it.each([
    ["mnist", 0.3, false],
    ["fashion-mnist", 0.1, true],
  ] as const)("%s has radius %f and a recipe of this project", (dataset, epsilon, flip) => {
    const config = resolveTrainConfig({ dataset, model: "cnn" });
    expect(config).toMatchObject({ epsilon, epochs: 10, augment: { crop: 0, flip }, method: { lambda: 0.2, warmupEpochs: 0 } });
    expect(datasetRecipe(dataset).origin).toBe("gradalign");
  });

  it("GradAlign's weights are the published ones", () => {
    const cifar = [1, 4, 8, 12, 16].map((eps) => Number(lambdaSchedule("cifar10", eps / 255).toFixed(3)));
    expect(cifar).toEqual([0.027, 0.063, 0.2, 0.632, 2]);
    expect([1, 8, 12].map((eps) => Number(lambdaSchedule("svhn", eps / 255).toFixed(3)))).toEqual([1.657, 2.5, 3.162]);
  });

  it.each(["fgsm-gradalign", "pgd-gradalign", "cure", "grad-norm"] as const)("a radius that %s's own weight has no value for is refused as such", (method) => {
    const refusal = `config: epsilon (=255/255) must be smaller for ${method}: `;
    expect(() => resolveTrainConfig({ method, epsilon: 1 })).toThrow(refusal);
    expect(() => resolveTrainConfig({ method, epsilon: 8 })).toThrow("config: epsilon (=8) must be a number from 0 to 1");
    expect(methodOf({ method: { name: method, lambda: 3 }, epsilon: 1 })["lambda"]).toBe(3);
    expect(methodOf({ method, epsilon: 16 / 255 })["lambda"]).toBeGreaterThan(0);
  });

  it("PGD's step follows the number of steps", () => {
    expect(resolveTrainConfig({ method: "pgd" }).method).toMatchObject({ steps: 10, stepSize: 0.2, start: "zero" });
    expect(methodOf({ method: { name: "pgd", steps: 2 } })["stepSize"]).toBe(0.5);
    expect(methodOf({ method: { name: "pgd", steps: 2, stepSize: 0.7 } })["stepSize"]).toBe(0.7);
  });

  it("regularisers have weights of their own", () => {
    const weight = (name: "cure" | "llr" | "pgd-gradalign", eps: number) => methodOf({ method: name, epsilon: eps / 255 })["lambda"];
    // 1000 and 50000 for gradients of the mean over a batch of 128.
    expect(weight("cure", 8)).toBeCloseTo(1000 / 128 ** 2, 9);
    expect(weight("cure", 16)).toBeCloseTo(50000 / 128 ** 2, 9);
    expect(resolveTrainConfig({ method: "llr" }).method).toEqual({
      name: "llr",
      ...{ steps: 2, stepSize: 0.5, start: "random", lambda: 4, mu: 3, warmupEpochs: 0 },
    });
    expect(resolveTrainConfig({ method: "grad-norm" }).method).toMatchObject({ adversary: "fgsm", stepSize: 1.25 });
    expect(resolveTrainConfig({ method: "pgd-gradalign" }).method).toMatchObject({ steps: 2, stepSize: 0.5, start: "zero", branches: "both", lambda: 0.2 });
  });

  it("is stable: a resolved config resolves to itself, and survives JSON", () => {
    const config = resolveTrainConfig({ method: "pgd-gradalign", dataset: "svhn" });
    expect(resolveTrainConfig(config)).toEqual(config);
    expect(JSON.parse(JSON.stringify(config))).toEqual(config);
  });
});

describe("errors", () => {
  const message = (partial: unknown): string => {
    try {
      resolveTrainConfig(partial as PartialTrainConfig);
    } catch (error) {
      return (error as Error).message.replace(Object.keys(methods).join(", "), "EVERY METHOD");
    }
    return "no error";
  };

  it("name settings that there are not, wherever they stand", () => {
    expect(message({ epoch: 3 })).toMatch(/^config: epoch \(=3\) is not a setting; there are dataset, .*epochs, .*; leave it out$/);
    expect(message({ threat: "l2" })).toMatch(/^config: threat \(="l2"\) is not a setting/);
    expect(message({ schedule: { top: 1 } })).toBe("config: schedule.top (=1) is not an option of cyclic, which has peak; leave it out");
    expect(message({ augment: { cropping: 1 } })).toBe(
      "config: augment.cropping (=1) is not an option of the augmentation, which has crop, flip, mixup, cutmix; leave it out",
    );
  });

  it("name the value, the rule and the remedy", () => {
    const wrong = [
      { epsilon: 8 },
      { epsilon: Number.NaN },
      { epochs: 0 },
      { batchSize: 1.5 },
      { trainSize: 10 },
      { seed: -1 },
      { method: "fsgm" },
      { method: { name: "fgsm", lambda: 1 } },
      { method: { name: "pgd", start: "corner" } },
      { method: { name: "cure", adversary: "pgd" } },
      { method: { name: "llr", mu: -1 } },
      { method: { name: "multigrad", points: 2, agreement: 3 } },
      { method: { name: "atas", leastStep: 2, mostStep: 1 } },
      { method: { name: "fgsm-gradalign", aligned: "none", through: "first-layer" } },
      { optimizer: { name: "adam", momentum: 0.9 } },
      { schedule: { name: "cosine" } },
      { augment: { crop: -1 } },
      { dataset: "mnist", augment: { crop: 28 } },
      { dataset: "svhn", trainSize: 73258 },
      { validationSize: 0 },
      { trainSize: 49_000, validationSize: 2000 },
      { model: { name: "cnn", filters: 0 } },
    ];
    expect(wrong.map(message)).toMatchInlineSnapshot(`
      [
        "config: epsilon (=8) must be a number from 0 to 1; it is in pixel units of [0, 1], so eight levels are 8 / 255",
        "config: epsilon (=NaN) must be a number from 0 to 1; it is in pixel units of [0, 1], so eight levels are 8 / 255",
        "config: epochs (=0) must be an integer of at least 1; write e.g. 30",
        "config: batchSize (=1.5) must be an integer of at least 1; write e.g. 128",
        "config: trainSize (=10) must be at least 128, the batch size, or null for all images",
        "config: seed (=-1) must be an integer of at least 0; write e.g. 0",
        "method: name (="fsgm") must be one of EVERY METHOD",
        "config: method.lambda (=1) is not an option of fgsm, which has stepSize, warmupEpochs; leave it out",
        "config: method.start (="corner") must be zero or random; choose one of them",
        "config: method.adversary (="pgd") must be fgsm or none; choose one of them",
        "config: method.mu (=-1) must be a number from 0 to 1000000; leave it out for 3",
        "config: method.agreement (=3) must be at most 2, the points; leave it out for all",
        "config: method.leastStep (=2) must be at most 1, the largest step",
        "config: method.aligned (=none) must be all or quarter where a neighbour, a way through or a rhythm is chosen too; leave those out for FGSM",
        "config: optimizer.momentum (=0.9) is not an option of adam, which has beta1, beta2, epsilon, weightDecay, excludeNorms; leave it out",
        "config: schedule.name (="cosine") must be one of cyclic, piecewise, linear",
        "config: augment.crop (=-1) must be an integer of at least 0; write e.g. 4, or 0 for no crop",
        "config: augment.crop (=28) must be less than the images' 28 x 28 pixels",
        "config: trainSize (=73258) must be at most 73257, the number of training images",
        "config: validationSize (=0) must be an integer of at least 1; leave it out to choose it on the first training images, as the paper does",
        "config: validationSize (=2000) must be at most 1000, the number of images that are not trained on",
        "config: model.filters (=0) must be an integer of at least 1; leave it out for the paper's 4",
      ]
    `);
  });
});
