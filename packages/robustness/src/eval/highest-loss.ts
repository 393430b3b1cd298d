/**
 * @file The paper's selection as a round: every image, rightly answered or not, goes through all restarts, and the perturbation of the highest
 * loss is judged alone.
 */
import { tensor } from "@gradalign/tensor";
import type { NamedAttack } from "../attacks/plan.ts";
import type { Victim } from "../attacks/victim.ts";
import { keyFor } from "../keys.ts";
import { attackRounds, batchSizes, type Rounds, type RoundsOptions, type Tried } from "./attack-rounds.ts";
import type { Passes } from "./oracle.ts";
import { classifierPrograms } from "./programs.ts";
import { attackRunner } from "./run-attack.ts";

/** One attack's round; random starts are those of `evaluateRobustness` with the same seed. */
export function highestLossRounds(
  victim: Victim,
  { attack: named, key, ...options }: Omit<RoundsOptions, "attacks" | "seed"> & { readonly attack: NamedAttack; readonly key: number },
): Rounds {
  const { device, threat, epsilon, batchSize = 128, pause } = options;
  const judging = attackRounds(victim, { ...options, batchSize, attacks: [], seed: [0, 0] });
  const programs = classifierPrograms(victim, device);
  const runner = attackRunner(programs, named.attack, named.options, threat, { counting: true });
  const sizes = batchSizes(batchSize);
  const counted = { forward: 0, backward: 0 };
  return {
    rounds: [{ attack: 0, run: 0 }],
    everyImage: true,
    get passes(): Passes {
      const { forward, backward } = judging.passes;
      return { forward: forward + counted.forward, backward: backward + counted.backward };
    },
    answers: judging.answers,
    judge: judging.judge,
    async attack(_, subjects): Promise<Tried[]> {
      const tried: Tried[] = [];
      for (let first = 0; first < subjects.length; first += batchSize) {
        const batch = subjects.slice(first, first + batchSize);
        const size = sizes.find((rows) => rows >= batch.length) as number;
        const rows = Array.from({ length: size }, (_, row) => batch[Math.min(row, batch.length - 1)] as (typeof batch)[number]);
        const pixels = batch[0]?.image.length ?? 0;
        const x = new Float32Array(size * pixels);
        rows.forEach(({ image }, row) => {
          x.set(image, row * pixels);
        });
        const images = tensor(x, [size, ...victim.shape]);
        const labels = tensor(Int32Array.from(rows, ({ label }) => label));
        const blind = batch.map(() => ({ zero: 0, notFinite: 0 }));
        const onBlind = (zero: ArrayLike<number>, notFinite: ArrayLike<number>): void => {
          for (const [row, counts] of blind.entries()) {
            counts.zero += zero[row] as number;
            counts.notFinite += notFinite[row] as number;
          }
        };
        const found = await runner.run(
          { tensors: victim.tensors, x: images, labels, indices: rows.map(({ index }) => index) },
          { epsilon, keyOf: (index, restart) => keyFor(key, "evaluation", index, restart), onBlind, ...(pause ? { pause } : {}) },
        );
        const deltas = (await found.delta.read()) as Float32Array;
        for (const value of [images, labels, ...Object.values(found)]) value.dispose();
        const { forward, backward } = runner.passes();
        counted.forward += forward * batch.length;
        counted.backward += backward * batch.length;
        const left = batch.map((_, row) => deltas.slice(row * pixels, (row + 1) * pixels));
        tried.push(...(await judging.judge(batch, left)).map((judged, row) => ({ judged, ...(blind[row] as (typeof blind)[number]) })));
      }
      return tried;
    },
    dispose() {
      for (const made of [judging, runner, programs]) made.dispose();
    },
  };
}
