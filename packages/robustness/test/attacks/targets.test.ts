/** @file Attacks towards given classes: what counts as a success, which attacks can, and what a stopped one goes on to. */
import { type Attack, type AttackImagesOptions, type AttackRecord, attack, attackOptions, attacks, functionVictim, linf } from "@gradalign/robustness";
import { createDevice, type Device, evaluate, tensor } from "@gradalign/tensor";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { quarters } from "../support/quarters.ts";
import { tinyDataset } from "../support/tiny-dataset.ts";

const N = 12;
const data = tinyDataset({ train: 8, test: N });
const images = Float32Array.from(data.test.images, (byte) => byte / 255);
const labels = [...data.test.labels];
const victim = functionVictim(quarters, { shape: [3, 8, 8] });
let device: Device;
beforeAll(async () => {
  device = await createDevice({ backend: "wasm", threads: 1 });
});
afterAll(() => device.close());

const untargeted = (options: Partial<AttackImagesOptions> = {}) =>
  attack(victim, images, labels, { device, attack: "pgd-t-10", epsilon: 0.6, checks: false, ...options });
const run = (options: Partial<AttackImagesOptions> = {}) => untargeted({ targets: "next", ...options });

const AIMING = Object.values(attacks).filter(({ targeted }) => targeted);

describe.each(AIMING)("$id", (each) => {
  const few = { attack: each as Attack, options: { ...attackOptions(each), steps: 20 } };

  it("leads every image to its own class in one run, inside the ball and the box", async () => {
    // Neither the next class nor the likeliest.
    const targets = labels.map((label) => (label + 2) % 4);
    const report = await run({ attack: [few], targets });
    expect(report.cleanAccuracy).toBeGreaterThan(0.8);
    expect(report.robustAccuracy).toBe(0);
    report.outcomes.forEach(({ clean, predicted, target, norm, run: round }, i) => {
      expect(target).toBe(targets[i]);
      expect(norm).toBeLessThanOrEqual(0.6);
      if (clean) expect([predicted, round, report.success[i]]).toEqual([targets[i], 0, true]);
      else expect(report.success[i]).toBe(predicted === targets[i]);
    });
    expect(report.adversarials.every((v) => v >= 0 && v <= 1)).toBe(true);
  });

  it("has not reached it where the answer is another wrong class", async () => {
    const epsilon = 0.29;
    const any = await untargeted({ attack: [few], epsilon });
    const aimed = await run({ attack: [few], epsilon, targets: "least-likely" });
    expect(aimed.cleanAccuracy).toBe(any.cleanAccuracy);
    expect(aimed.robustAccuracy).toBeGreaterThan(any.robustAccuracy);
    for (const { robust, brokenBy, predicted, target, clean } of aimed.outcomes)
      if (clean) expect([!robust, brokenBy !== null]).toEqual(Array(2).fill(predicted === target));
  });
});

describe("an image's outcome", () => {
  it.each([
    ["pma:steps=8", undefined, 0.29],
    ["pgd:steps=5,momentum=0.9", undefined, 0.33],
    ["pgd-t-6:step-size=0.3,targets=2,order=malt", undefined, 0.31],
    ["pgd-t-6:step-size=0.3", "next", 0.32],
  ] as const)("of %s with targets %s depends neither on the batch size, the order of images, nor the others", async (name, targets, epsilon) => {
    const size = images.length / N;
    const on = (which: readonly number[], batchSize: number) =>
      attack(
        victim,
        Float32Array.from(which.flatMap((i) => [...images.subarray(i * size, (i + 1) * size)])),
        which.map((i) => labels[i] as number),
        { device, attack: name, epsilon, checks: false, indices: which, batchSize, ...(targets ? { targets } : {}) },
      );
    const whole = await on(
      Array.from({ length: N }, (_, i) => i),
      64,
    );
    const order = [7, 0, 11, 3, 4, 9, 1, 2, 10];
    const some = await on(order, 8);
    expect(some.outcomes).toEqual(order.map((i) => whole.outcomes[i]));
    expect([whole.robustAccuracy > 0, whole.robustAccuracy < whole.cleanAccuracy], String(N * whole.robustAccuracy)).toEqual([true, true]);
  });
});

it("targeted PGD stays inside the ball of l1, too", async () => {
  const { outcomes, cleanAccuracy, robustAccuracy } = await run({ threat: "l1", epsilon: 40, attack: "pgd-t-60:step-size=0.05" });
  expect(robustAccuracy).toBeLessThan(cleanAccuracy);
  for (const { norm } of outcomes) expect(norm).toBeLessThanOrEqual(40);
});

describe("targets", () => {
  it("are the class after the label, one class for all, or the least likely", async () => {
    const of = async (targets: NonNullable<AttackImagesOptions["targets"]>) => (await run({ targets, epsilon: 0 })).outcomes.map(({ target }) => target);
    expect(await of("next")).toEqual(labels.map((label) => (label + 1) % 4));
    expect(await of(2)).toEqual(labels.map((label) => (label === 2 ? 3 : 2)));
    const least = await of("least-likely");
    const logits = evaluate(quarters(tensor(images, [N, 3, 8, 8]))).data();
    least.forEach((target, i) => {
      const own = [...logits.subarray(4 * i, 4 * i + 4)];
      expect(own[target as number]).toBe(Math.min(...own));
    });
  });

  it.each([
    [{ attack: "autoattack" }, "attack: targets need attacks that aim at a class, got apgd-ce; use pgd-t-steps[-restarts], apgd-t, fab-t"],
    [{ attack: "apgd-t+pgd-5" }, "attack: targets need attacks that aim at a class, got pgd; use pgd-t-steps[-restarts], apgd-t, fab-t"],
    [{ selection: "highest-loss" }, 'attack: selection (="highest-loss") must be success where there are targets; leave it out'],
    [{ targets: [1] }, "attack: targets must be 12 classes, one per image, got 1"],
    [{ targets: labels }, `attack: targets[0] (=${labels[0]}) must be an integer from 0 to 3, a class of the victim that is not the image's own`],
    [{ targets: 4 }, "attack: targets (=4) must be an integer from 0 to 3, a class of the victim"],
  ] as const)("that cannot be are refused: %#", async (options, message) => {
    await expect(run(options as Partial<AttackImagesOptions>)).rejects.toThrow(message);
  });

  it("are said in the parts of a stopped attack, which goes on with the same ones alone", async () => {
    const options = { attack: "pgd-t-6-2", epsilon: 0.35, batchSize: 8 };
    const parts: AttackRecord[] = [];
    const whole = await run({ ...options, onRecord: (part) => parts.push(part) });
    expect(parts.every(({ images: noted }) => noted.every(({ target, label }) => target === (label + 1) % 4))).toBe(true);
    const record = parts.slice(0, 2);
    const resumed = await run({ ...options, record });
    expect([resumed.outcomes, resumed.passes]).toEqual([whole.outcomes, whole.passes]);
    const [first] = labels as [number];
    await expect(run({ ...options, record, targets: "least-likely" })).rejects.toThrow(
      /^attack: record is of image \d+ on its way to class \d, not to class \d; go on with the targets it was begun with$/,
    );
    await expect(untargeted({ ...options, record })).rejects.toThrow(
      `attack: record is of image 0 on its way to class ${(first + 1) % 4}, not to any class; go on with the targets it was begun with`,
    );
  });

  it("leave nothing to warn of where another class would be easy", async () => {
    const report = await run({ epsilon: 0.1, attack: "pgd-t-2", targets: "least-likely", checks: true, threat: linf });
    expect(report.robustAccuracy).toBeGreaterThan(0);
    expect(report.warnings.map(({ id }) => id)).not.toContain("attack-too-weak");
    expect(report.curve).toEqual([]);
  });
});
