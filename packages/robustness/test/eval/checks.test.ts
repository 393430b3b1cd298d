/** @file What makes a number doubtful is told, each thing by its own warning and no other; a healthy classifier gets none. */
import { readFileSync } from "node:fs";
import {
  type Attack,
  type AttackImagesOptions,
  type AttackOptions,
  type AttackPlan,
  attack,
  attacks,
  checks,
  functionVictim,
  type Victim,
  type Warning,
} from "@gradalign/robustness";
import { add, concat, createDevice, type Device, mean, mul, normal, reshape, slice, sub, tanh, type Value } from "@gradalign/tensor";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tinyDataset } from "../support/tiny-dataset.ts";

const N = 64;
const data = tinyDataset({ train: 4, test: N });
const images = Float32Array.from(data.test.images, (byte) => byte / 255);
const labels = [...data.test.labels];
const EPSILON = 8 / 255;

/** The brightness of the four quarters, whose brightest is the class. */
function quarters(x: Value): Value {
  const bent = tanh(mul(2, sub(x, 0.4)));
  const quarter = (top: number, left: number): Value => mean(slice(bent, [0, 0, top, left], [x.shape[0] as number, 3, top + 4, left + 4]), [1, 2, 3]);
  const columns = [quarter(0, 0), quarter(0, 4), quarter(4, 0), quarter(4, 4)];
  return concat(
    columns.map((column) => mul(10, reshape(column, [column.shape[0] as number, 1]))),
    1,
  );
}

const victimOf = (logits: (x: Value, keys: Value) => Value): Victim => functionVictim(logits, { shape: [3, 8, 8] });

let device: Device;
beforeAll(async () => {
  device = await createDevice({ backend: "wasm", threads: 1 });
});
afterAll(() => device.close());

const evaluate = (victim: Victim, options: Partial<AttackImagesOptions> = {}) =>
  attack(victim, images, labels, { device, attack: "pgd-5-1", epsilon: EPSILON, ...options });
/** An attack in few steps. */
const plan = (name: string, options: AttackOptions = { steps: 5 }): AttackPlan => {
  const known = attacks[name] as Attack;
  return { name, attacks: [{ attack: known, options: { ...known.defaults, ...options } }], selection: "success" };
};
const ids = (warnings: readonly Warning[]): string[] => warnings.map(({ id }) => id);

describe("warnings", () => {
  it("are none for a healthy classifier, whose accuracy falls to 0 at growing radii", async () => {
    const report = await evaluate(victimOf(quarters));
    expect(report.cleanAccuracy).toBe(1);
    expect(report.warnings).toEqual([]);
    expect(report.curve.map(({ epsilon }) => epsilon)).toEqual([EPSILON, expect.closeTo(EPSILON ** (2 / 3)), expect.closeTo(EPSILON ** (1 / 3)), 1]);
    expect(report.curve[0]?.accuracy).toBe(report.robustAccuracy);
    expect(report.curve.at(-1)?.accuracy).toBe(0);
  });

  it("name answers at random, unless attacks average over them", async () => {
    const random = victimOf((x, keys) => add(quarters(x), mul(0.01, normal(keys, [x.shape[0] as number, 4]))));
    const told: Warning[] = [];
    const { warnings } = await evaluate(random, { onWarning: (warning) => told.push(warning) });
    expect(warnings).toEqual([
      { id: "random-output", seen: expect.stringMatching(/^asked 5 times, .* 8 of 8 images; they differ by up to 0\.0/), images: 8, of: 8 },
    ]);
    expect(told).toEqual(warnings);
    expect(ids((await evaluate(random, { attack: plan("apgd-ce", { eot: 2, steps: 2 }) })).warnings)).toEqual([]);
  });
});

it("every warning has a heading in docs/evaluation-checks.md, in the registry's order, and no other has", () => {
  const page = readFileSync(new URL("../../../../docs/evaluation-checks.md", import.meta.url), "utf8");
  const headings = [...page.matchAll(/^## `(.+)`$/gm)].map(([, id]) => id);
  expect(headings).toEqual(checks.map(({ id }) => id));
});
