/**
 * @file Attacks at evaluation: one compiled step, looped over from the host, with all tensors staying on the device.
 *
 * As the paper's code does: the model sees x + delta as it is (a random start may leave the box before the first step), every step
 * updates every example, and of several restarts the one with the highest final loss counts, per example, and is judged alone. A
 * restart that leaves logits that are not finite counts before all others: it succeeded. Each example has random numbers of its own,
 * so results do not depend on the batch size.
 *
 * What an attack found is projected once more, to the box and then to the ball: delta's norm, taken in exact arithmetic, is at most
 * epsilon, and x + delta, in float32, lies in [0, 1].
 */
import {
  add,
  and,
  broadcastAlong,
  type Compiled,
  type Device,
  ge,
  jit,
  type Key,
  lt,
  not,
  or,
  type Tensor,
  tensor,
  type Value,
  where,
} from "@gradalign/tensor";
import { type Attack, type AttackOptions, checkThreat } from "../attacks/attack.ts";
import { toFinite } from "../nn/finite.ts";
import type { Params } from "../nn/params.ts";
import { boxDelta } from "../threat/box.ts";
import type { Threat } from "../threat/threat.ts";
import type { ModelPrograms, Scored, Scores } from "./programs.ts";

/** What an attack found, tensors on the device: the perturbation, [N, C, H, W], and how the model fares at x + delta. */
export interface AttackResult extends Scored {
  readonly delta: Tensor;
}

/** The model and the images to attack. */
export interface AttackTarget {
  readonly params: Params;
  readonly state: Params;
  readonly x: Tensor;
  readonly labels: Tensor;
  /** Each example's number, which with the seed and the restart determines its random start. */
  readonly indices: readonly number[];
}

/** An attack ready to run on batches of one size. */
export interface AttackRunner {
  run(target: AttackTarget, keyOf: (index: number, restart: number) => Key, pause?: () => Promise<void>): Promise<AttackResult>;
  dispose(): void;
}

interface Attempt extends Scores {
  readonly delta: Value;
}

/**
 * Prepares an attack of radius `epsilon` (in the threat's units) on a compiled model.
 *
 * @throws ConfigError for an attack that is not defined in the threat model.
 */
export function attackRunner(programs: ModelPrograms, attack: Attack, options: AttackOptions, threat: Threat, epsilon: number, device: Device): AttackRunner {
  checkThreat(attack, threat);
  const alpha = options.stepSize * epsilon;
  // Radius and step are inputs, so one program serves every epsilon.
  const site = (x: Value, radius: Value) => ({ x, threat, epsilon: radius });
  const start = jit((x: Value, key: Value, radius: Value): Value => attack.start(site(x, radius), key, options), { device });
  const move = jit((x: Value, delta: Value): Value => add(x, delta), { device });
  // A gradient that overflowed still says where to go.
  const step = jit((x: Value, delta: Value, gradient: Value, radius: Value, length: Value) => attack.step(site(x, radius), delta, toFinite(gradient), length), {
    device,
  });
  const finish = jit(
    (x: Value, delta: Value, radius: Value, limit: Value): Value => threat.project(boxDelta(x, attack.finish(site(x, radius), delta)), limit),
    { device },
  );
  const worse = jit(
    (best: Attempt, other: Attempt): Attempt => {
      const broken = (attempt: Attempt): Value => lt(attempt.finite, 1);
      const wins = or(broken(other), and(not(broken(best)), ge(other.losses, best.losses)));
      return {
        delta: where(broadcastAlong(wins, best.delta.shape, [0]), other.delta, best.delta),
        losses: where(wins, other.losses, best.losses),
        correct: where(wins, other.correct, best.correct),
        finite: where(wins, other.finite, best.finite),
      };
    },
    { device },
  );
  const compiled: readonly Compiled<never, unknown>[] = [start, move, step, finish, worse] as never;

  const attempt = async (target: AttackTarget, initial: Tensor, pause: () => Promise<void>): Promise<Attempt> => {
    const { params, state, x, labels } = target;
    let delta = initial;
    for (let i = 0; i < options.steps; i++) {
      const point = move(x, delta) as Tensor;
      const gradient = programs.gradient(params, state, point, labels) as Tensor;
      const next = step(x, delta, gradient, epsilon, alpha) as Tensor;
      dispose(point, gradient, delta);
      delta = next;
      await pause();
    }
    const final = finish(x, delta, epsilon, floorFloat32(epsilon)) as Tensor;
    const point = move(x, final) as Tensor;
    const scores: Scores = programs.score(params, state, point, labels);
    dispose(point, delta);
    return { delta: final, ...scores };
  };

  return {
    async run(target, keyOf, pause = async () => {}) {
      const { x, indices } = target;
      let best: Attempt | null = null;
      for (let restart = 0; restart < options.restarts; restart++) {
        const initial = options.start === "random" ? await randomStarts(start, x, indices, restart, keyOf, epsilon) : zerosLike(x);
        const found = await attempt(target, initial, pause);
        if (!best) best = found;
        else {
          const kept: Attempt = worse(best, found);
          for (const tried of [best, found]) dispose(...(Object.values(tried) as Tensor[]));
          best = kept;
        }
      }
      return best as unknown as AttackResult;
    },
    dispose() {
      for (const program of compiled) program.dispose();
    },
  };
}

/** One start per example, each from a key of its own. */
async function randomStarts(
  start: Compiled<[Value, Value, Value], Value>,
  x: Tensor,
  indices: readonly number[],
  restart: number,
  keyOf: (index: number, restart: number) => Key,
  epsilon: number,
): Promise<Tensor> {
  const size = x.shape.slice(1).reduce((product, extent) => product * extent, 1);
  const one = zerosLike(x, [1, ...x.shape.slice(1)]);
  const starts = new Float32Array(indices.length * size);
  for (const [i, index] of indices.entries()) {
    const drawn = start(one, Int32Array.from(keyOf(index, restart)), epsilon) as Tensor;
    starts.set(await drawn.read(), i * size);
    drawn.dispose();
  }
  one.dispose();
  return tensor(starts, x.shape);
}

/** The largest float32 that is not above a number of at least 0. */
function floorFloat32(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer);
  if (Math.fround(value) > value) (bits[0] as number)--;
  return new Float32Array(bits.buffer)[0] as number;
}

function zerosLike(x: Tensor, shape: readonly number[] = x.shape): Tensor {
  return tensor(new Float32Array(shape.reduce((product, extent) => product * extent, 1)), shape);
}

function dispose(...tensors: Tensor[]): void {
  for (const value of tensors) value.dispose();
}
