/** @file What every attack leaves at evaluation: perturbations inside the ball in exact arithmetic, images inside the box, in every threat model it claims. */

import {
  type Attack,
  type AttackOptions,
  apgdCe,
  attackOptions,
  attackRunner,
  cnn,
  fgsm,
  fgsmRs,
  keyFor,
  l1,
  l2,
  linf,
  modelPrograms,
  type Params,
  pgd,
  pgdCorner,
  randomCorner,
  square,
  type Threat,
  threats,
  unrollAttack,
} from "@gradalign/robustness";
import { evaluate, randomKey, type Tensor, tensor } from "@gradalign/tensor";
import { describe, expect, it } from "vitest";
import { openDevices } from "../../../tensor/test/support/devices.ts";

const COUNT = 6;
const shape = [3, 16, 16] as const;
const size = 3 * 16 * 16;
const model = cnn({ filters: 2, classes: 4, shape });
const params = evaluate(model.init(randomKey(3)).params) as Params;
// Every tenth pixel is black, every tenth white, the others of all sizes.
const pixels = Float32Array.from({ length: COUNT * size }, (_, i) => (i % 10 === 0 ? 0 : i % 10 === 5 ? 1 : ((i * 0.6180339) % 1) ** (1 + (i % 4))));
const x = tensor(pixels, [COUNT, ...shape]);
const labels = tensor(Int32Array.from({ length: COUNT }, (_, i) => i % 4));
const indices = Array.from({ length: COUNT }, (_, i) => i);

const keyOf = (index: number, restart: number) => keyFor(0, "evaluation", index, restart);

/** The paper's attacks, one with gradients and one without; the others' balls are in rounds.test.ts. */
const TESTED: readonly Attack[] = [fgsm, fgsmRs, pgd, pgdCorner, randomCorner, apgdCe, square];

/** An attack of few steps and two runs. */
const shortened = (attack: Attack): AttackOptions => ({
  ...attackOptions(attack),
  ...("queries" in attack.options ? { queries: 3 } : { steps: Math.min(Number(attackOptions(attack)["steps"]), 3) }),
  restarts: 2,
});

/** In float64. */
const norms: Readonly<Record<string, (delta: Float32Array) => number>> = {
  linf: (delta) => delta.reduce((largest, d) => Math.max(largest, Math.abs(d)), 0),
  l2: (delta) => Math.sqrt([...delta].reduce((total, d) => total + d * d, 0)),
  l1: (delta) => [...delta].reduce((total, d) => total + Math.abs(d), 0),
};
const claimed = (threat: Threat) => TESTED.filter(({ threats }) => !threats || threats.includes(threat.name));

describe.each((await openDevices()).tested)("on %s", (_, device) => {
  const programs = modelPrograms(model, device);
  const cases = Object.values(threats).flatMap((threat) => claimed(threat).map((attack) => ({ name: `${attack.id} in ${threat.name}`, attack, threat })));

  it.each(cases)("$name", async ({ attack, threat }) => {
    const options = shortened(attack);
    for (const epsilon of [8 / 255, 10 / 255, 0.05, 0.3, ...(threat === linf ? [0.9] : [1.7, 12])]) {
      const runner = attackRunner(programs, attack, options, threat);
      const { delta, ...scores } = await runner.run({ tensors: { params, state: {} }, x, labels, indices }, { epsilon, keyOf });
      const found = (await delta.read()) as Float32Array;
      for (const i of indices) {
        const norm = norms[threat.name]?.(found.subarray(i * size, (i + 1) * size)) as number;
        expect(norm, `ε = ${epsilon}, image ${i}`).toBeLessThanOrEqual(epsilon);
        // In l1 one pixel moves, which the box may not allow.
        if (threat !== l1) expect(norm).toBeGreaterThan(0.1 * Math.min(epsilon, 1));
      }
      const moved = found.map((d, i) => Math.fround(d + (pixels[i] as number)));
      expect(moved.every((value) => value >= 0 && value <= 1)).toBe(true);
      for (const value of [delta, ...Object.values(scores)]) value.dispose();
      runner.dispose();
    }
  });

  it.each([pgdCorner, randomCorner])("$id is refused in l2, which has no corners", (attack) => {
    const { id } = attack;
    const message = `attack: ${id} is defined in the threat model linf only, got l2; use another attack there, e.g. apgd-ce`;
    const refused = expect.objectContaining({ code: "ConfigError", message });
    expect(() => attackRunner(programs, attack, attackOptions(attack), l2)).toThrow(refused);
    const gradient = (point: Tensor["inputs"][number]) => point;
    expect(() => unrollAttack(attack, { site: { x, threat: l2, epsilon: 0.3 }, gradient, key: randomKey(0), options: attackOptions(attack) })).toThrow(refused);
  });
});
