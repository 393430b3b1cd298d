/** @file What makes a number doubtful is told, each thing by its own warning and no other; a healthy classifier gets none. */
import { readFileSync } from "node:fs";
import {
  type Attack,
  type AttackImagesOptions,
  type AttackOptions,
  type AttackPlan,
  type AttackRecord,
  attack,
  attackOptions,
  attacks,
  batchNorm,
  checks,
  functionVictim,
  type Victim,
  type Warning,
} from "@gradalign/robustness";
import {
  add,
  broadcastAlong,
  concat,
  convert,
  createDevice,
  type Device,
  div,
  exp,
  full,
  gt,
  max,
  mul,
  normal,
  sin,
  slice,
  sqrt,
  sub,
  sum,
  type Value,
} from "@gradalign/tensor";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { quarters } from "../support/quarters.ts";
import { tinyDataset } from "../support/tiny-dataset.ts";

const N = 64;
const data = tinyDataset({ train: 4, test: N });
const images = Float32Array.from(data.test.images, (byte) => byte / 255);
const labels = [...data.test.labels];
const EPSILON = 8 / 255;

function softmax(logits: Value): Value {
  const all = exp(sub(logits, broadcastAlong(max(logits, [1]), logits.shape, [0])));
  return div(all, broadcastAlong(sum(all, [1]), all.shape, [0]));
}

const victimOf = (logits: (x: Value, keys: Value) => Value): Victim => functionVictim(logits, { shape: [3, 8, 8] });

const healthy = victimOf(quarters);
/** A classifier of the first classes, and the images of these. */
const fewer = (classes: number) => {
  const chosen = labels.flatMap((label, i) => (label < classes ? [i] : []));
  return {
    victim: victimOf((x) => slice(quarters(x), [0, 0], [x.shape[0] as number, classes])),
    images: Float32Array.from(chosen.flatMap((i) => [...images.subarray(i * 192, (i + 1) * 192)])),
    labels: chosen.map((i) => labels[i] as number),
  };
};

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
  return { name, attacks: [{ attack: known, options: { ...attackOptions(known), ...options } }], selection: "success" };
};
const ids = (warnings: readonly Warning[]): string[] => warnings.map(({ id }) => id);

describe("warnings", () => {
  it("are none for a healthy classifier, whose accuracy falls to 0 at growing radii", async () => {
    const report = await evaluate(healthy);
    expect(report.cleanAccuracy).toBe(1);
    expect(report.warnings).toEqual([]);
    expect(report.curve.map(({ epsilon }) => epsilon)).toEqual([EPSILON, expect.closeTo(EPSILON ** (2 / 3)), expect.closeTo(EPSILON ** (1 / 3)), 1]);
    expect(report.curve[0]?.accuracy).toBe(report.robustAccuracy);
    expect(report.curve.at(-1)?.accuracy).toBe(0);
  });

  const random = victimOf((x, keys) => add(quarters(x), mul(0.01, normal(keys, [x.shape[0] as number, 4]))));
  const normed = (x: Value): Value => {
    const unit = { weight: full([3], 0.25), bias: full([3], 0.4), runningMean: full([3], 0), runningVar: full([3], 1) };
    return batchNorm(x, unit, { train: true }).y;
  };
  const beside = (x: Value): Value => concat([slice(x, [1, 0, 0, 0], [...x.shape]), slice(x, [0, 0, 0, 0], [1, 3, 8, 8])], 0);
  const step = (x: Value): Value => convert(gt(x, 0.5), "float32");
  const thresholded = victimOf((x) => quarters(step(x)));
  // A period of 8/255: FGSM goes from wave to wave, to the same place on each.
  const rippled = victimOf((x) => quarters(add(x, mul(0.8, sin(mul(x, (2 * Math.PI * 255) / 8))))));

  const both = [...plan("apgd-ce").attacks, ...plan("square", { queries: 100 }).attacks];
  const masked = { name: "both", attacks: both, selection: "success" } as const;

  it.each<[string, Victim, Partial<AttackImagesOptions>, string[]]>([
    ["returns probabilities", victimOf((x) => softmax(quarters(x))), {}, ["probabilities"]],
    ["is in train mode", victimOf((x) => quarters(normed(x))), {}, ["batch-statistics"]],
    ["looks at its neighbour in the batch", victimOf((x) => quarters(add(mul(0.8, x), mul(0.2, beside(x))))), {}, ["batch-dependence"]],
    [
      "masks its gradients",
      thresholded,
      { attack: masked, epsilon: 0.3 },
      ["quantized-gradients", "zero-gradients", "black-box-stronger", "robust-at-any-radius", "wide-interval"],
    ],
    ["masks its gradients, by the highest loss", thresholded, { selection: "highest-loss" }, ["quantized-gradients", "zero-gradients", "robust-at-any-radius"]],
    // The root's slope at black pixels is infinite.
    ["has infinite gradients", victimOf((x) => quarters(sqrt(x))), {}, ["non-finite-gradients"]],
    ["overfitted catastrophically", rippled, {}, ["fgsm-above-pgd"]],
    ["overfitted, attacked with FGSM", rippled, { attack: "fgsm" }, ["fgsm-above-pgd", "attack-too-weak"]],
    // Where the brightness tells a quarter from the others, its logit is infinite.
    ["overflows", victimOf((x) => mul(exp(mul(quarters(x), 20)), 1)), {}, ["non-finite-logits", "chance-accuracy"]],
    ["answers with another's order of classes", victimOf((x) => mul(quarters(x), -1)), {}, ["chance-accuracy"]],
    ["judged at 0.031", healthy, { epsilon: 0.031 }, ["rounded-radius"]],
    ["judged at 8/255 of a level", healthy, { epsilon: 8 / 255 / 255 }, ["extreme-radius"]],
    ["judged at half the range", healthy, { epsilon: 0.5 }, ["extreme-radius"]],
    ["judged on decimals of MNIST", healthy, { epsilon: 0.3, attack: "pgd-20-1" }, ["wide-interval"]],
  ])("a classifier that %s", async (_, victim, options, expected) => {
    const report = await evaluate(victim, options);
    expect(ids(report.warnings)).toEqual(expected);
  });

  it.each([
    [2, "apgd-dlr", true],
    [3, "apgd-dlr", false],
    [2, "apgd-t", true],
    [3, "apgd-t", true],
    [2, "fab-t", false],
    [3, "fab-t", false],
  ])("of %i classes: %s works, and what replaces its loss is told", async (classes, name, told) => {
    const { victim, ...given } = fewer(classes);
    const report = await attack(victim, given.images, given.labels, { device, attack: plan(name, { steps: 10 }), epsilon: 0.45 });
    expect(report.warnings.filter(({ id }) => id !== "wide-interval")).toEqual(
      told ? [{ id: "few-classes", seen: expect.stringContaining(`the classifier has ${classes} classes; the loss of ${name} is defined from`) }] : [],
    );
    expect(report.cleanAccuracy).toBe(1);
    expect(report.robustAccuracy).toBe(0);
  });

  it("name FGSM above PGD for a classifier that is often wrong, as such networks are", async () => {
    const mostlyWrong = labels.map((label, i) => (i < 12 ? (label + 1) % 4 : label));
    const { warnings } = await attack(rippled, images, mostlyWrong, { device, attack: "pgd-5-1", epsilon: EPSILON });
    expect(warnings.find(({ id }) => id === "fgsm-above-pgd")).toMatchObject({ images: 16, of: 16 });
  });

  it("tell a batch's statistics from its order where there are few images, too", async () => {
    const how = { device, attack: "pgd-5-1", epsilon: EPSILON };
    const { warnings } = await attack(
      victimOf((x) => quarters(normed(x))),
      images.subarray(0, 3 * 192),
      labels.slice(0, 3),
      how,
    );
    expect(ids(warnings).filter((id) => id.startsWith("batch"))).toEqual(["batch-statistics"]);
  });

  it("are about answers alone where nothing attacks", async () => {
    const idle = { attack: { ...plan("pgd"), attacks: [] }, epsilon: 0.5 };
    const healthyReport = await evaluate(healthy, idle);
    expect([healthyReport.warnings, healthyReport.curve]).toEqual([[], []]);
    expect(ids((await evaluate(random, idle)).warnings)).toEqual(["random-output"]);
  });

  it("name answers at random, unless attacks average over them", async () => {
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

describe("blind gradients", () => {
  it("are counted for each image and survive a stop: the report is the one it would have had", async () => {
    const masked = victimOf((x) => quarters(convert(gt(x, 0.5), "float32")));
    const named = {
      epsilon: 0.3,
      batchSize: 24,
      attack: { name: "two", attacks: [...plan("pgd").attacks, ...plan("apgd-ce").attacks], selection: "success" } as const,
    };
    const whole = await evaluate(masked, named);
    expect(whole.warnings.find(({ id }) => id === "zero-gradients")).toEqual({
      id: "zero-gradients",
      seen: "gradients were zero in every pixel where the answer was still right: 320 of pgd on 64 images, 384 of apgd-ce on 64 images",
      images: 64,
      of: 64,
    });
    const parts: AttackRecord[] = [];
    const stopped = evaluate(masked, {
      ...named,
      onRecord(part) {
        parts.push(JSON.parse(JSON.stringify(part)) as AttackRecord);
        if (parts.length === 3) throw new Error("stopped");
      },
    });
    await expect(stopped).rejects.toThrow("stopped");
    const { seconds: _, stages: __, ...resumed } = await evaluate(masked, { ...named, record: parts });
    const { seconds: ___, stages: ____, ...expected } = whole;
    expect(resumed).toEqual(expected);
  });
});
