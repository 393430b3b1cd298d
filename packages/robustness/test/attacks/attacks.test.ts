/** @file What every attack keeps to, and what each does on a model simple enough to know the answer. */

import {
  type AscentAttack,
  type AscentOptions,
  attackPlan,
  attacks,
  fgsm,
  fgsmRs,
  linf,
  parseAttack,
  pgd,
  pgdCorner,
  randomCorner,
  randomSigns,
  unrollAttack,
} from "@gradalign/robustness";
import { evaluate, mul, randomKey, sign, tensor, type Value } from "@gradalign/tensor";
import { describe, expect, it } from "vitest";

const values = (value: Value): number[] => [...evaluate(value).data()];
const shape = [4, 3, 2, 2];
const x = tensor(
  Float32Array.from({ length: 48 }, (_, i) => Math.min(1, Math.max(0, ((i * 5) % 13) / 10 - 0.1))),
  shape,
);
const slope = tensor(
  Float32Array.from({ length: 48 }, (_, i) => (i % 7 === 0 ? 0 : Math.cos(i))),
  shape,
);

const ascents: Readonly<Record<string, AscentAttack>> = { fgsm, "fgsm-rs": fgsmRs, pgd, "pgd-corner": pgdCorner, "random-corner": randomCorner };

describe.each(Object.values(ascents))("unrolled into a program, $id", (attack) => {
  const run = (epsilon: number, seed = 0, options: Partial<AscentOptions> = {}): number[] =>
    values(
      unrollAttack(attack, {
        site: { x, threat: linf, epsilon },
        gradient: () => slope,
        key: randomKey(seed),
        options: { ...attack.defaults, steps: Math.min(attack.defaults.steps, 4), ...options },
      }),
    );

  it("stays in the ball and in the box", () => {
    const epsilon = 0.15;
    const delta = run(epsilon);
    const pixels = x.data();
    for (const [i, d] of delta.entries()) {
      expect(Math.abs(d)).toBeLessThanOrEqual(epsilon * (1 + 1e-6));
      expect((pixels[i] as number) + d).toBeGreaterThanOrEqual(-1e-7);
      expect((pixels[i] as number) + d).toBeLessThanOrEqual(1 + 1e-7);
    }
    expect(delta.some((d) => d !== 0)).toBe(true);
  });

  it("does nothing with epsilon 0", () => {
    expect(run(0).every((d) => Math.abs(d) === 0)).toBe(true);
  });

  it("is a function of its key", () => {
    expect(run(0.1, 5)).toEqual(run(0.1, 5));
    if (attack.defaults.start === "random") expect(run(0.1, 5)).not.toEqual(run(0.1, 6));
  });
});

describe("steps", () => {
  const site = { x: tensor(new Float32Array(48).fill(0.5), shape), threat: linf, epsilon: 0.1 };
  const against = (name: string, options: Partial<AscentOptions>): number[] => {
    const attack = ascents[name] as AscentAttack;
    return values(unrollAttack(attack, { site, gradient: () => slope, key: randomKey(0), options: { ...attack.defaults, ...options } }));
  };

  it("fgsm goes to the corner the gradient points to", () => {
    const expected = values(mul(sign(slope), 0.1));
    for (const [i, d] of against("fgsm", {}).entries()) expect(d).toBeCloseTo(expected[i] as number, 6);
  });

  it("pgd takes steps of stepSize epsilon", () => {
    const expected = values(mul(sign(slope), 0.1 * 0.25 * 3));
    for (const [i, d] of against("pgd", { steps: 3, start: "zero" }).entries()) expect(d).toBeCloseTo(expected[i] as number, 6);
  });

  it("pgd-corner ends in a corner however short its steps", () => {
    const expected = values(mul(sign(slope), 0.1));
    for (const [i, d] of against("pgd-corner", { steps: 1, stepSize: 0.1 }).entries()) expect(d).toBeCloseTo(expected[i] as number, 6);
  });

  it("a random corner starts in a corner, which the box may not hold", () => {
    const start = values(randomSigns(randomKey(0), x.shape, 0.1));
    expect(start.every((d) => Math.abs(Math.abs(d) - 0.1) < 1e-7)).toBe(true);
  });
});

describe("names", () => {
  it("the paper's attack", () => {
    const named = parseAttack("pgd-50-10");
    expect(named?.attack.id).toBe("pgd");
    expect(named?.options).toEqual({ steps: 50, restarts: 10, stepSize: 0.25, start: "random" });
  });

  it("others", () => {
    expect(parseAttack("none")).toBeNull();
    expect(parseAttack("fgsm")?.options).toEqual({ steps: 1, restarts: 1, stepSize: 1, start: "zero" });
    expect(parseAttack("fgsm-rs")?.options).toMatchObject({ stepSize: 1.25, start: "random" });
    expect(parseAttack("pgd-corner-7")?.options.steps).toBe(7);
    for (const name of ["pgd-0", "fgsm-3", "autoattack", "pgd-5-0", "pgd", "apgd-ce-3", "toString"]) expect(() => parseAttack(name)).toThrow(/attack: name/);
  });

  it("of several attacks", () => {
    const plan = (name: string) => attackPlan(name)?.attacks.map(({ attack, options }) => [attack.id, options["restarts"]]);
    expect(attackPlan("none")).toBeNull();
    expect(plan("autoattack")).toEqual([
      ["apgd-ce", 1],
      ["apgd-t", 1],
      ["fab-t", 1],
      ["square", 1],
    ]);
    expect(plan("autoattack-plus")).toEqual([
      ["apgd-ce", 5],
      ["apgd-dlr", 5],
      ["fab", 5],
      ["square", 1],
      ["apgd-t", 1],
      ["fab-t", 1],
    ]);
    expect(plan("pgd-5-2+square")).toEqual([
      ["pgd", 2],
      ["square", 1],
    ]);
    expect(["pgd-50-10", "pgd-50-10+fgsm", "apgd-ce", "autoattack"].map((name) => attackPlan(name)?.selection)).toEqual([
      "highest-loss",
      "success",
      "success",
      "success",
    ]);
    expect(() => attackPlan("apgd-ce+nothing")).toThrow(/attack: name \(="nothing"\)/);
  });

  it("are their attacks' own", () => {
    for (const [name, { id }] of Object.entries(attacks)) expect(id).toBe(name);
  });
});
