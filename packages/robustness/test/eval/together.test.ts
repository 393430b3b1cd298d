/** @file Attacks on images a few at a time: what is known of those so far builds up, and the report is that of all at once. */
import { type AttackRecord, type AttackReport, attack, functionVictim } from "@gradalign/robustness";
import { createDevice, type Device } from "@gradalign/tensor";
import { afterAll, beforeAll, expect, test } from "vitest";
import { quarters } from "../support/quarters.ts";
import { tinyDataset } from "../support/tiny-dataset.ts";

const N = 20;
const { images, labels } = tinyDataset({ train: 4, test: N }).test;
const pixels = Float32Array.from(images, (byte) => byte / 255);
const victim = functionVictim(quarters, { shape: [3, 8, 8] });
let device: Device;
beforeAll(async () => {
  device = await createDevice({ backend: "wasm", threads: 1 });
});
afterAll(() => device.close());

/** Without times, and without passes: an image that is broken waits for others of its batch, and batches are other ones. */
const found = ({ seconds: _, passes: __, stages, ...report }: AttackReport) => ({
  ...report,
  stages: stages.map(({ seconds: ___, passes: ____, ...stage }) => stage),
});

test.each(["apgd-ce+square:queries=20", "pgd-3-2"])("%s on six images at a time gives the report of all at once", async (name) => {
  const selection = name.startsWith("pgd") ? "highest-loss" : "success";
  const options = { device, attack: name, selection, epsilon: 0.3, key: 5 } as const;
  const parts: AttackRecord[] = [];
  const few = await attack(victim, pixels, labels, { ...options, together: 6, onRecord: (part) => parts.push(part) });
  expect(found(few)).toEqual(found(await attack(victim, pixels, labels, options)));
  // The first block is done before the second begins.
  const attacked = parts.filter(({ stage }) => stage !== null).map(({ images: seen }) => Math.floor((seen[0]?.index ?? 0) / 6));
  expect(attacked).toEqual(attacked.toSorted((a, b) => a - b));
  expect(new Set(attacked)).toEqual(new Set([0, 1, 2, 3]));
  // What was stopped in the middle goes on to the same report.
  const resumed = await attack(victim, pixels, labels, { ...options, together: 6, record: parts.slice(0, 3) });
  expect(found(resumed)).toEqual(found(few));
});

test("a number of images that is none is refused", async () => {
  await expect(attack(victim, pixels, labels, { device, attack: "fgsm", epsilon: 0.1, together: 0 })).rejects.toThrow(
    "attack: together (=0) must be a positive integer",
  );
});
