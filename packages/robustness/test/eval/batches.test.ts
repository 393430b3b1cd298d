/** @file An image's outcome is the same in every batch: the same perturbation, to the bit, by every attack in every norm. */
import { attack, functionVictim, type threats } from "@gradalign/robustness";
import { createDevice, type Device, matmul, philox, relu, reshape, sub, tensor } from "@gradalign/tensor";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

/** So many that a sum for each of them is long in all. */
const N = 24;
const PIXELS = 3072;
const CLASSES = 10;
/** Attacks that keep the highest loss, that keep what fooled, that come nearer after that, and that go on at random. */
const ATTACKS = ["pgd:steps=2", "apgd-ce:steps=5", "fab-t:steps=5,targets=1", "square:queries=24"];
/** Radii at which some images are broken early, some late and some never. */
const RADII: readonly (readonly [keyof typeof threats, number])[] = [
  ["linf", 0.06],
  ["l2", 1.5],
  ["l1", 60],
];

const random = (count: number, stream: number): Float32Array => {
  const numbers = new Float32Array(count);
  for (let i = 0; i < count; i++) numbers[i] = (philox([i, stream, 0, 0], [1, 2])[0] >>> 8) / 2 ** 24;
  return numbers;
};
const images = random(N * PIXELS, 0);
const weights = random(PIXELS * CLASSES, 1).map((w) => 0.05 * (w - 0.5));
const victim = functionVictim((x) => matmul(relu(sub(reshape(x, [x.shape[0] as number, PIXELS]), 0.2)), tensor(weights, [PIXELS, CLASSES])), {
  shape: [3, 32, 32],
});
/** What it answers, but for some. */
const labels = Array.from({ length: N }, (_, image) => {
  const scores = Array.from({ length: CLASSES }, (__, k) => {
    let score = 0;
    for (let i = 0; i < PIXELS; i++) score += Math.max(0, (images[image * PIXELS + i] as number) - 0.2) * (weights[i * CLASSES + k] as number);
    return score;
  });
  return (scores.indexOf(Math.max(...scores)) + (image % 7 === 0 ? 1 : 0)) % CLASSES;
});

let device: Device;
beforeAll(async () => {
  device = await createDevice({ backend: "wasm", threads: 1 });
});
afterAll(() => device.close());

describe.each(RADII)("in %s", (threat, epsilon) => {
  it.each(ATTACKS)("%s finds the same", async (name) => {
    const found = async (batchSize: number) => {
      const { adversarials, outcomes } = await attack(victim, images, labels, { device, attack: name, threat, epsilon, batchSize, checks: false });
      return { outcomes, adversarials: Buffer.from(adversarials.buffer).toString("base64") };
    };
    const together = await found(N);
    expect(await found(5)).toEqual(together);
    const broken = together.outcomes.filter(({ clean, robust }) => clean && !robust).length;
    expect(broken).toBeGreaterThan(0);
  });
});
