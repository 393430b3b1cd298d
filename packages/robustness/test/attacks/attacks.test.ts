/** @file What every attack keeps to, and what each does on a model simple enough to know the answer. */

import {
  type AscentAttack,
  type AscentOptions,
  type Attack,
  attackOptions,
  attackPlan,
  attacks,
  ensembles,
  fgsm,
  fgsmRs,
  linf,
  parseAttack,
  pgd,
  pgdCorner,
  randomCorner,
  randomSigns,
  square,
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
        options: { ...attackOptions(attack), steps: Math.min(attackOptions(attack).steps, 4), ...options },
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
    if (attackOptions(attack).start === "random") expect(run(0.1, 5)).not.toEqual(run(0.1, 6));
  });
});

describe("steps", () => {
  const site = { x: tensor(new Float32Array(48).fill(0.5), shape), threat: linf, epsilon: 0.1 };
  const against = (name: string, options: Partial<AscentOptions>): number[] => {
    const attack = ascents[name] as AscentAttack;
    return values(unrollAttack(attack, { site, gradient: () => slope, key: randomKey(0), options: { ...attackOptions(attack), ...options } }));
  };

  it("fgsm goes to the corner the gradient points to", () => {
    const expected = values(mul(sign(slope), 0.1));
    for (const [i, d] of against("fgsm", {}).entries()) expect(d).toBeCloseTo(expected[i] as number, 6);
  });

  it("pgd takes steps of stepSize epsilon", () => {
    const expected = values(mul(sign(slope), 0.1 * 0.25 * 3));
    for (const [i, d] of against("pgd", { steps: 3, start: "zero" }).entries()) expect(d).toBeCloseTo(expected[i] as number, 6);
  });

  it("pgd with momentum follows what is left of earlier gradients, each over its mean size", () => {
    const momentum = 0.75;
    const other = mul(
      slope,
      tensor(
        Float32Array.from({ length: 48 }, (_, i) => (i % 2 === 0 ? -0.3 : 2)),
        shape,
      ),
    );
    let call = 0;
    const delta = unrollAttack(pgd, {
      site,
      gradient: () => [slope, other][call++] as Value,
      key: randomKey(0),
      options: { ...attackOptions(pgd), steps: 2, start: "zero", momentum },
    });
    const [a, b] = [values(slope), values(other)];
    const per = 12;
    const size = (v: number[], i: number): number => {
      const row = v.slice(i - (i % per), i - (i % per) + per);
      return row.reduce((sum, d) => sum + Math.abs(d), 0) / per;
    };
    const followed = a.map((d, i) => (momentum * d) / size(a, i) + (b[i] as number) / size(b, i));
    expect(followed.some((d, i) => Math.sign(d) !== Math.sign(b[i] as number))).toBe(true);
    for (const [i, d] of values(delta).entries()) {
      expect(d).toBeCloseTo(0.1 * 0.25 * (Math.sign(a[i] as number) + Math.sign(followed[i] as number)), 6);
    }
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
    expect(named?.options).toEqual({ steps: 50, restarts: 10, stepSize: 0.25, start: "random", momentum: 0 });
  });

  it("others", () => {
    expect(parseAttack("none")).toBeNull();
    expect(parseAttack("fgsm")?.options).toEqual({ steps: 1, restarts: 1, stepSize: 1, start: "zero" });
    expect(parseAttack("fgsm-rs")?.options).toMatchObject({ stepSize: 1.25, start: "random" });
    expect(parseAttack("pgd-corner-7")?.options.steps).toBe(7);
    for (const name of ["pgd-0", "fgsm-3", "autoattack", "pgd-5-0", "pgd", "apgd-ce-3", "toString"]) expect(() => parseAttack(name)).toThrow(/attack: name/);
  });

  it("with options, which are all there and plain", () => {
    expect(parseAttack("apgd-t:targets=5,restarts=2")?.options).toEqual({
      steps: 100,
      restarts: 2,
      eot: 1,
      radii: "constant",
      rho: 0.75,
      targets: 5,
      order: "confidence",
    });
    expect(parseAttack("pgd-20:step-size=0.1,start=zero")?.options).toEqual({ steps: 20, stepSize: 0.1, start: "zero", restarts: 1, momentum: 0 });
    expect(parseAttack("pgd:steps=7")?.options).toEqual(parseAttack("pgd-7")?.options);
    const own = { ...pgd, id: "mine" };
    const plan = attackPlan(["apgd-ce:steps=50+square", { attack: own as Attack, options: { steps: 3 } }]);
    expect(plan).toMatchObject({ name: "apgd-ce:steps=50+square+mine", selection: "success" });
    expect(plan?.attacks.map(({ attack, options }) => [attack.id, options])).toEqual([
      ["apgd-ce", { steps: 50, restarts: 1, eot: 1, radii: "constant", rho: 0.75 }],
      ["square", { queries: 5000, restarts: 1, p: 0.8 }],
      ["mine", { steps: 3, stepSize: 0.25, start: "random", restarts: 1, momentum: 0 }],
    ]);
    for (const { attacks: planned } of Object.keys(ensembles).flatMap((name) => attackPlan(name) ?? [])) {
      for (const { options } of planned) expect(JSON.parse(JSON.stringify(options))).toEqual(options);
    }
  });

  it.each([
    ["autoatack", /^attack: name \(="autoatack"\) must be one of none, fgsm, .*, autoattack-rand; did you mean autoattack\?$/],
    ["apgd-cf+square", /^attack: name \(="apgd-cf"\) must be one of .*; did you mean apgd-ce\?$/],
    ["pgd", 'attack: name (="pgd") must say how many steps; write e.g. pgd-50 or pgd-50-10'],
    ["pgd:restarts=3", 'attack: name (="pgd:restarts=3") must say how many steps; write e.g. pgd-50 or pgd-50-10'],
    ["apgd-t:targets=0", "attack: apgd-t: targets (=0) must be an integer of at least 1; write e.g. 9, all but the label of ten"],
    [
      "apgd-t:target=3",
      'attack: apgd-t: target (="3") is not an option of apgd-t, which has steps, restarts, eot, radii, rho, targets, order; did you mean targets?',
    ],
    ["pgd-5:step-size=big", 'attack: pgd: step-size (="big") must be a number above 0 and up to 100; write e.g. 0.25 for a quarter of the radius'],
    ["pgd-5:start=none", 'attack: pgd: start (="none") must be zero or random; choose one of them'],
    ["pgd-5:steps=6", "attack: pgd: steps (=6) must be given once, got 5 in the name pgd-5"],
    ["apgd-t:malt", 'attack (="apgd-t:malt") must be NAME or NAME:option=value,option=value, each option once'],
    ["apgd-ce:", 'attack (="apgd-ce:") must be NAME or NAME:option=value,option=value, each option once'],
  ])("%s is refused with value, rule and remedy", (name, message) => {
    expect(() => attackPlan(name)).toThrow(
      expect.objectContaining({ code: "ConfigError", message: typeof message === "string" ? message : expect.stringMatching(message) }),
    );
  });

  it("of one's own attacks are checked as those of the registry", () => {
    expect(() => attackPlan([{ attack: pgd as Attack, options: { steps: -1 } }])).toThrow(
      "attack: pgd.steps (=-1) must be an integer of at least 1; write e.g. 100",
    );
    expect(() => attackOptions(square, { querys: 3 } as object)).toThrow(
      "attack: square.querys (=3) is not an option of square, which has queries, restarts, p; leave it out, or write queries",
    );
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
    for (const [name, { id, help }] of Object.entries(attacks)) {
      expect(id).toBe(name);
      expect(help).toMatch(/[^.]$/);
    }
  });
});
