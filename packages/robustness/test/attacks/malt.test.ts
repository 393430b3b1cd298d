/** @file MALT's order of target classes: by the distance of their boundaries in the threat's norm, its passes counted once. */
import { type AttackImagesOptions, type AttackRecord, attack, functionVictim, l2, linf } from "@gradalign/robustness";
import { add, createDevice, type Device, matmul, reshape, tensor } from "@gradalign/tensor";
import { afterAll, beforeAll, expect, it } from "vitest";

const PIXELS = 16;
const N = 3;
/** Rises by 1 along all pixels, by 6 along one, and by 0.1 along all: behind the label by 0.9, 1 and 0.05. */
const weights = Float32Array.from({ length: 4 * PIXELS }, (_, i) => [0, 1, i >> 2 === 3 ? 6 : 0, 0.01][i & 3] as number);
const bias = tensor([[0, -0.9, -1, -0.05]]);
const victim = functionVictim(
  (x) => {
    const flat = add(reshape(x, [-1, PIXELS]), -0.5);
    return add(matmul(flat, tensor(weights, [PIXELS, 4])), bias);
  },
  { shape: [1, 4, 4] },
);
const images = new Float32Array(N * PIXELS).fill(0.5);
let device: Device;
beforeAll(async () => {
  device = await createDevice({ backend: "wasm", threads: 1 });
});
afterAll(() => device.close());

const run = (options: Partial<AttackImagesOptions>) =>
  attack(victim, images, [0, 0, 0], { device, attack: "apgd-t:steps=5,targets=1", epsilon: 0.4, checks: false, ...options });

it("aims at the likeliest class unless told otherwise, else at the nearest in the norm", async () => {
  const reached = async (order: string, threat: typeof linf | typeof l2, epsilon: number) => {
    const { outcomes } = await run({ attack: `pgd-t-20:targets=3,order=${order}`, threat, epsilon });
    return outcomes.map(({ run: round, predicted }) => [round, predicted]);
  };
  // Distances in l-infinity are 0.9 / 16, 1 / 6 and 0.05 / 0.16; in l2 0.9 / 4, 1 / 6 and 0.05 / 0.04.
  expect(await reached("malt", linf, 0.08)).toEqual(Array(N).fill([0, 1]));
  expect(await reached("confidence", linf, 0.08)).not.toEqual(Array(N).fill([0, 1]));
  expect(await reached("malt", l2, 0.2)).toEqual(Array(N).fill([0, 2]));
  expect(await reached("confidence", l2, 0.2)).toEqual(Array(N).fill([2, 2]));
});

it("makes a pass for each wrong class, counted once, also where the attack goes on", async () => {
  const options = { attack: "apgd-t:steps=5,targets=2,order=malt", epsilon: 0 };
  const parts: AttackRecord[] = [];
  const whole = await run({ ...options, onRecord: (part) => parts.push(part) });
  // The images as they are; three classes looked at; two targets of a start and five steps.
  expect(whole.passes).toEqual({ forward: N * (1 + 3 + 2 * 6), backward: N * (3 + 2 * 6) });
  expect(parts.length).toBe(3);
  const resumed = await run({ ...options, record: parts.slice(0, 2) });
  expect([resumed.passes, resumed.outcomes]).toEqual([whole.passes, whole.outcomes]);
  const plain = await run({ ...options, attack: "apgd-t:steps=5,targets=2" });
  expect(plain.passes.forward).toBe(whole.passes.forward - 3 * N);
});
