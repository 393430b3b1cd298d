/** @file Attacks in rounds on images that are left: what counts, what it does not depend on, and how many passes it takes. */
import {
  type Attack,
  type AttackImagesOptions,
  type AttackRecord,
  type AttackReport,
  accuracyCurve,
  attack,
  attackOptions,
  attackPlan,
  attacks,
  cnn,
  evaluateRobustness,
  functionVictim,
  l2,
  linf,
  modelVictim,
  pgd,
  square,
} from "@gradalign/robustness";
import { add, broadcastAlong, createDevice, type Device, div, full, mul, normal, sub, tensor, type Value } from "@gradalign/tensor";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { quarters } from "../support/quarters.ts";
import { tinyDataset } from "../support/tiny-dataset.ts";

const N = 20;
const data = tinyDataset({ train: 64, test: N });
const images = Float32Array.from(data.test.images, (byte) => byte / 255);
const labels = [...data.test.labels];
const size = images.length / N;
const EPSILON = 0.29;

const victim = functionVictim(quarters, { shape: [3, 8, 8] });
let device: Device;
let single: Device;
beforeAll(async () => {
  [device, single] = await Promise.all([createDevice({ backend: "wasm", threads: 2 }), createDevice({ backend: "wasm", threads: 1 })]);
});
afterAll(() => {
  device.close();
  single.close();
});

const QUICK = ["square", "fab-t", "apgd-ce", "apgd-t"].map((name) => {
  const found = attacks[name] as Attack;
  return { attack: found, options: { ...attackOptions(found), ...("queries" in found.options ? { queries: 20 } : { steps: 8 }) } };
});
const PLAN = { name: "quick", attacks: QUICK, selection: "success" } as const;

const run = (options: Partial<AttackImagesOptions> = {}, which: readonly number[] = Array.from({ length: N }, (_, i) => i)) =>
  attack(
    victim,
    Float32Array.from(which.flatMap((i) => [...images.subarray(i * size, (i + 1) * size)])),
    which.map((i) => labels[i] as number),
    { device, attack: PLAN, epsilon: EPSILON, indices: which, checks: false, ...options },
  );

describe("an image's outcome", () => {
  it.each([linf, l2])("in $name depends neither on the batch size nor on threads, the order of images, or the others among them", async (threat) => {
    const epsilon = threat === linf ? EPSILON : 2.9;
    // Programs take long to compile: all of them in one norm are enough.
    const plan = threat === linf ? PLAN : { ...PLAN, attacks: QUICK.filter(({ attack: { id } }) => id === "square" || id === "apgd-ce") };
    const whole = await run({ attack: plan, threat, epsilon });
    expect(whole.robustAccuracy).toBeLessThan(whole.cleanAccuracy);
    expect(whole.robustAccuracy).toBeGreaterThan(0);
    expect(new Set(whole.outcomes.map(({ brokenBy }) => brokenBy)).size).toBeGreaterThan(1);
    const small = await run({ attack: plan, threat, epsilon, batchSize: 9, device: single });
    expect(small.outcomes).toEqual(whole.outcomes);
    expect(small.adversarials).toEqual(whole.adversarials);
    const order = Array.from({ length: 13 }, (_, i) => (7 * i + 3) % N);
    const some = await run({ attack: plan, threat, epsilon }, order);
    expect(some.outcomes).toEqual(order.map((i) => whole.outcomes[i]));
  });

  it("depends on the seed and the image's number", async () => {
    const random = { attack: { ...PLAN, attacks: QUICK.slice(0, 1) }, epsilon: 0.5 };
    const [one, other] = await Promise.all([run(random), run({ ...random, key: 1 })]);
    expect(other.adversarials).not.toEqual(one.adversarials);
    const renumbered = await run({ ...random, indices: Array.from({ length: N }, (_, i) => i + 1) });
    expect(renumbered.adversarials).not.toEqual(one.adversarials);
  });
});

describe("every attack", () => {
  const cases = ["pgd", "pgd-t", "apgd-ce", "apgd-dlr", "apgd-t", "fab", "fab-t", "fmn", "pma", "square"]
    .map((name) => attacks[name] as Attack)
    .flatMap((each) =>
      [linf, l2].filter(({ name }) => each.threats?.includes(name) ?? true).map((threat) => ({ name: `${each.id} in ${threat.name}`, each, threat })),
    );

  it.each(cases)("$name finds what there is to find, inside the ball and the box", async ({ each, threat }) => {
    const few = { ...attackOptions(each), ...("queries" in each.options ? { queries: 60 } : { steps: Math.min(Number(attackOptions(each)["steps"]), 20) }) };
    const plan = { name: each.id, attacks: [{ attack: each, options: few }], selection: "success" } as const;
    const nothing = await run({ attack: plan, threat, epsilon: 0 });
    expect(nothing.robustAccuracy).toBe(nothing.cleanAccuracy);
    const epsilon = threat === linf ? 0.6 : 8;
    const found = await run({ attack: plan, threat, epsilon });
    expect(found.robustAccuracy).toBe(0);
    found.outcomes.forEach(({ norm }, i) => {
      const delta = found.adversarials.subarray(i * size, (i + 1) * size).map((v, j) => v - (images[i * size + j] as number));
      const measured = threat === linf ? Math.max(...delta.map(Math.abs)) : Math.hypot(...delta);
      expect(measured).toBeCloseTo(norm, 5);
      expect(norm).toBeLessThanOrEqual(epsilon);
    });
    expect(found.adversarials.every((v) => v >= 0 && v <= 1)).toBe(true);
  });
});

describe("FMN", () => {
  it.each([linf, l2])("in $name leaves at every smaller radius what it leaves when run there", async (threat) => {
    const [epsilon, ...smaller] = threat === linf ? [0.7, 0.2, 0.28, 0.31, 0.4] : [8, 2, 2.9, 3.2, 4];
    const how = { attack: "fmn:steps=20", threat };
    const { outcomes } = await run({ ...how, epsilon: epsilon as number });
    const curve = accuracyCurve(outcomes, epsilon as number, smaller);
    const there = [];
    for (const radius of smaller) there.push((await run({ ...how, epsilon: radius })).robustAccuracy);
    expect(curve.map(({ accuracy }) => accuracy)).toEqual(there);
    expect(new Set(there).size).toBeGreaterThan(2);
    expect(() => accuracyCurve(outcomes, 0.1, [0.2])).toThrow("accuracyCurve: radii (=0.2) must be from 0 to the attack's 0.1; attack at a larger one");
  });

  it.each([linf, l2])("in $name gives the accuracy at every radius by one run, and norms no larger than FAB's by a tenth", async (threat) => {
    const epsilon = threat === linf ? 1 : 16;
    const norms = async (name: "fab" | "fmn"): Promise<Float32Array> => {
      const named = attacks[name] as Attack;
      const report = await run({
        attack: { name, attacks: [{ attack: named, options: { ...attackOptions(named), steps: 60 } }], selection: "success" },
        threat,
        epsilon,
      });
      expect(report.robustAccuracy).toBe(0);
      return report.norms;
    };
    const [fab, fmn] = [await norms("fab"), await norms("fmn")];
    fmn.forEach((norm, i) => {
      expect(norm).toBeLessThan(1.1 * (fab[i] as number));
      expect(norm).toBeGreaterThan(0.9 * (fab[i] as number));
    });
  });
});

describe("what an attack says", () => {
  const claiming = (delta: (x: Value) => Value): Attack => ({
    id: "claims",
    paper: "none",
    options: {},
    steps: () => 1,
    init: ({ x, labels }) => ({ delta: delta(x), sure: full(labels.shape, 1) }),
    step: (_, state) => state,
    finish: (_, { delta }) => delta as Value,
    found: "sure",
  });
  const with1 = (own: Attack, epsilon: number) => run({ attack: { name: "own", attacks: [{ attack: own, options: {} }], selection: "success" }, epsilon });

  it("counts only if a forward pass agrees", async () => {
    const report = await with1(
      claiming((x) => mul(x, 0)),
      0.1,
    );
    expect(report.robustAccuracy).toBe(report.cleanAccuracy);
    expect(report.cleanAccuracy).toBeGreaterThan(0.8);
  });

  it("is brought into the ball and the box before", async () => {
    const own = claiming((x) => mul(5, sub(0.5, x)));
    const large = await with1(own, 0.9);
    expect(large.robustAccuracy).toBeLessThan(large.cleanAccuracy);
    const tiny = await with1(own, 1e-4);
    expect(tiny.robustAccuracy).toBe(tiny.cleanAccuracy);
    expect(Math.max(...large.norms)).toBeLessThanOrEqual(0.9);
    expect(large.adversarials.every((v) => v >= 0 && v <= 1)).toBe(true);
  });
});

describe("passes", () => {
  it("are those over images that are left, without the padding of batches", async () => {
    const plan = attackPlan("pgd-7-2");
    // Nothing breaks at radius 0: a pass over each image, then two runs of seven steps on those answered rightly, and their judgement.
    const idle = await run({ attack: plan ?? "none", epsilon: 0 });
    const right = idle.cleanAccuracy * N;
    expect(idle.passes).toEqual({ forward: N + 2 * (7 + 1) * right, backward: 2 * 7 * right });
    // FAB makes a forward pass more in each step; one target of four classes is the label.
    const few = { ...attackOptions(attacks["fab-t"] as Attack), steps: 5 };
    const fab = await run({ attack: { name: "fab", attacks: [{ attack: attacks["fab-t"] as Attack, options: few }], selection: "success" }, epsilon: 0 });
    expect(fab.passes).toEqual({ forward: N + 3 * 5 * 2 * right, backward: 3 * 5 * right });
  });

  it("are not spent on images that are broken", async () => {
    const long = { attack: pgd, options: { ...attackOptions(pgd), steps: 40, restarts: 5 } };
    const [easy, hard] = await Promise.all([0.6, 0].map((epsilon) => run({ attack: { name: "pgd", attacks: [long], selection: "success" }, epsilon })));
    expect((easy?.passes.forward ?? 0) * 4).toBeLessThan(hard?.passes.forward ?? 0);
  });
});

function normalised(x: Value, mean: readonly number[], std: readonly number[]): Value {
  return div(sub(x, broadcastAlong(tensor(mean), x.shape, [1])), broadcastAlong(tensor(std), x.shape, [1]));
}

describe("victims", () => {
  it("are functions of one's own in one line, which draw from keys if they answer at random", async () => {
    const report = await attack(victim, images, labels, { device, attack: "apgd-ce", epsilon: 0.3, checks: false });
    expect(report.n).toBe(N);
    const random = functionVictim((x, keys) => add(quarters(x), mul(100, normal(keys, [x.shape[0] as number, 4]))), { shape: [3, 8, 8] });
    const [one, two] = await Promise.all(
      [8, 20].map((batchSize) => attack(random, images, labels, { device, attack: "apgd-ce", epsilon: 0.3, batchSize, checks: false })),
    );
    expect(one?.outcomes).toEqual(two?.outcomes);
    expect(one?.cleanAccuracy).not.toBe(report.cleanAccuracy);
  });

  it("normalise inside, so that images and radius are in [0, 1]", async () => {
    const [mean, std] = [
      [0.1, 0.2, 0.3],
      [0.5, 0.25, 2],
    ];
    const inside = functionVictim(quarters, { shape: [3, 8, 8], mean, std });
    const outside = functionVictim((x) => quarters(normalised(x, mean, std)), { shape: [3, 8, 8] });
    const [one, other] = await Promise.all(
      [inside, outside].map((each) => attack(each, images, labels, { device, attack: "pgd-5-1", epsilon: 0.2, checks: false })),
    );
    expect(one?.outcomes).toEqual(other?.outcomes);
    expect(() => functionVictim(quarters, { shape: [3, 8, 8], std: [1, 1] })).toThrow("victim: std must have a number per channel, 3, got 2");
  });

  it.each([
    [{ labels: [7, ...labels.slice(1)] }, "attack: labels[0] (=7) must be an integer from 0 to 3, a class of the victim function"],
    [{ images: images.map((v) => v * 255) }, /^attack: images\[\d+\] \(=\d+\) must be from 0 to 1; divide bytes by 255/],
    [{ labels: labels.slice(1) }, "attack: 19 labels need images of 3648 values, [19, 3, 8, 8], got 3840"],
  ])("get images and labels of their own: %#", async (change, message) => {
    const bad = { images, labels, ...change };
    await expect(attack(victim, bad.images, bad.labels, { device, attack: "pgd-1-1", epsilon: 0.1 })).rejects.toThrow(message);
  });
});

describe("a record", () => {
  const options = {
    attack: {
      name: "short",
      attacks: [
        { attack: pgd as Attack, options: { ...attackOptions(pgd), steps: 5, restarts: 2 } },
        { attack: square as Attack, options: { ...attackOptions(square), queries: 20 } },
      ],
      selection: "success",
    },
    epsilon: 0.3,
    batchSize: 8,
  } as const;

  const paper = { ...options, attack: "pgd-5-2", selection: "highest-loss" } as const;
  it.each([
    ["success", options],
    ["the highest loss", paper],
  ])("lets an attack by %s that was stopped anywhere go on to the report it would have had", async (_, options) => {
    const whole = await run(options);
    expect(new Set(whole.outcomes.map(({ brokenBy }) => brokenBy)).size).toBeGreaterThan(1);
    const parts: AttackRecord[] = [];
    let kills = 0;
    let report: AttackReport | null = null;
    while (!report) {
      const { signal } = new AbortController();
      // Steps until it is stopped: at least the clean passes and a batch.
      let left = 16 + ((kills * 5) % 9);
      vi.spyOn(signal, "throwIfAborted").mockImplementation(() => {
        if (left-- === 0) throw new Error("killed");
      });
      // Parts are what a file keeps of them.
      const onRecord = ({ images: noted, ...part }: AttackRecord) => {
        const kept = noted.map(({ adversarial, ...image }) => ({
          ...JSON.parse(JSON.stringify(image)),
          ...(adversarial ? { adversarial: adversarial.slice() } : {}),
        }));
        parts.push({ ...part, images: kept });
      };
      report = await run({ ...options, record: [...parts], signal, onRecord }).catch((error: Error) => {
        expect(error.message).toBe("killed");
        kills++;
        return null;
      });
    }
    expect(kills).toBeGreaterThan(1);
    const timeless = ({ seconds: _, stages, ...rest }: AttackReport) => ({ ...rest, stages: stages.map((stage) => ({ ...stage, seconds: 0 })) });
    expect(timeless(report)).toEqual(timeless(whole));
  });

  it("says what each attack of the list was run on and broke; passes are those of the images as they are, and the attacks'", async () => {
    const { stages, passes, outcomes, cleanAccuracy, robustAccuracy } = await run(options);
    const correct = Math.round(cleanAccuracy * N);
    const byPgd = outcomes.filter(({ brokenBy }) => brokenBy === "pgd").length;
    expect(stages.map(({ attack: id, attacked, broken }) => ({ id, attacked, broken }))).toEqual([
      { id: "pgd", attacked: correct, broken: byPgd },
      { id: "square", attacked: correct - byPgd, broken: correct - byPgd - Math.round(robustAccuracy * N) },
    ]);
    expect(stages.reduce((sum, stage) => sum + stage.passes.forward, N)).toBe(passes.forward);
    expect(stages[1]).toMatchObject({ options: { queries: 20 }, passes: { backward: 0 } });
  });

  it("by the highest loss counts as the paper does: what evaluateRobustness counts", async () => {
    const model = cnn({ filters: 2, shape: [3, 8, 8], classes: 4 });
    const { params, state } = model.init(tensor(new Int32Array([3, 4])));
    const how = { device, attack: "pgd-4-3", epsilon: 0.05 };
    const theirs = await evaluateRobustness(model, params, state, data.test, { ...how, n: "all", seed: 5 });
    const ours = await attack(modelVictim(model, params, state), images, labels, { ...how, key: 5, selection: "highest-loss", batchSize: 8, checks: false });
    expect(ours).toMatchObject({ selection: "highest-loss", cleanAccuracy: theirs.cleanAccuracy, robustAccuracy: theirs.robustAccuracy });
    expect(ours.outcomes.reduce((sum, { loss }) => sum + loss, 0) / N).toBeCloseTo(theirs.meanLoss, 5);
    // Three runs of four steps on every image, each judged, then the best once more, and the clean one.
    expect(ours.passes).toEqual({ forward: N * (3 * 5 + 2), backward: N * 12 });
    await expect(run({ attack: "apgd-ce+square", selection: "highest-loss" })).rejects.toThrow("compares the restarts of one attack");
  });
});
