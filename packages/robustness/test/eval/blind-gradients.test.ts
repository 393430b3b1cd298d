/** @file Attacks count gradients that are zero, NaN or infinite, on every backend, and compute what they compute without counting. */
import { type Attack, attackOptions, attacks, classifierPrograms, functionVictim, linf, type Moment, type Victim } from "@gradalign/robustness";
import { concat, convert, type Device, gt, slice, sqrt, tensor, type Value } from "@gradalign/tensor";
import { describe, expect, it } from "vitest";
import { openDevices } from "../../../tensor/test/support/devices.ts";
import { attackProgram } from "../../src/eval/attack-program.ts";
import { quarters } from "../support/quarters.ts";
import { tinyDataset } from "../support/tiny-dataset.ts";

const N = 8;
const { images, labels } = tinyDataset({ train: 4, test: N }).test;
const pixels = Float32Array.from(images, (byte) => byte / 255);
const STEPS = 3;

const victimOf = (logits: (x: Value) => Value): Victim => functionVictim(logits, { shape: [3, 8, 8] });
const firstRow = (x: Value, other: (row: Value) => Value): Value => {
  const [n, ...shape] = x.shape as [number, ...number[]];
  return concat([other(slice(x, [0, 0, 0, 0], [1, ...shape])), slice(x, [1, 0, 0, 0], [n, ...shape])], 0);
};
/** In one the first image has no gradient, in the other its slope at black pixels is infinite. */
const thresholded = victimOf((x) => quarters(firstRow(x, (row) => convert(gt(row, 0.5), "float32"))));
const rooted = victimOf((x) => quarters(firstRow(x, sqrt)));

async function run(device: Device, victim: Victim, name: string, counting: boolean) {
  const each = attacks[name] as Attack;
  const programs = classifierPrograms(victim, device);
  const program = attackProgram(programs, each, attackOptions(each), linf, { counting });
  const rows = {
    x: tensor(pixels, [N, 3, 8, 8]),
    labels: tensor(Int32Array.from(labels)),
    target: tensor(Int32Array.from(labels, (label) => (label + 1) % 4)),
    keys: tensor(
      Int32Array.from({ length: 2 * N }, (_, i) => i),
      [N, 2],
    ),
  };
  const at = (iteration: number): Moment => ({ run: 0, iteration, epsilon: 0.05, threat: linf, shape: [3, 8, 8] });
  let state = program.begin({}, rows, at(0));
  for (let i = 0; i < STEPS; i++) state = program.step({}, rows, state, at(i));
  const blind = program.blind(state);
  const delta = await program.end({}, rows, state, at(STEPS)).read();
  const counts = blind && { zero: [...(await blind.zero.read())], notFinite: [...(await blind.notFinite.read())] };
  programs.dispose();
  return { delta, counts };
}

const none = Array<number>(N).fill(0);
const first = (count: number): number[] => [count, ...none.slice(1)];

const { tested } = await openDevices();

describe.each(tested.filter(([name]) => name !== "wasm, 2 threads"))("on %s", (_, device) => {
  // FAB asks for a gradient for each class; the label's own is zero on every image.
  it.each(["pgd", "fab"])("%s counts blind gradients of each image, and changes no bit for it", async (name) => {
    const counted = await run(device, thresholded, name, true);
    const plain = await run(device, thresholded, name, false);
    expect(counted.counts).toEqual({ zero: first(STEPS), notFinite: none });
    expect(plain).toEqual({ delta: counted.delta, counts: undefined });
  });

  it("counts gradients that are not finite", async () => {
    // The first step leads away from black.
    const { counts } = await run(device, rooted, "fgsm", true);
    expect(counts).toEqual({ zero: none, notFinite: first(1) });
  });
});
