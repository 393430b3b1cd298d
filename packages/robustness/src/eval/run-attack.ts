/**
 * @file An attack on one batch as the paper's code runs it: every step updates every example, and of several restarts the one with the highest
 * final loss counts, per example, and is judged alone. A restart that leaves logits that are not finite counts before all others: it
 * succeeded. Each example has random numbers of its own, so results do not depend on the batch size.
 */
import { add, and, broadcastAlong, ge, jit, type Key, lt, not, or, type Tensor, tensor, type Value, where } from "@gradalign/tensor";
import type { Attack, AttackOptions } from "../attacks/attack.ts";
import type { VictimTensors } from "../attacks/victim.ts";
import type { Threat } from "../threat/threat.ts";
import { attackProgram, type RowTensors } from "./attack-program.ts";
import type { Passes } from "./oracle.ts";
import type { ClassifierPrograms, Scored, Scores } from "./programs.ts";

/** What an attack found, tensors on the device: the perturbation, [N, C, H, W], and how the model fares at x + delta. */
export interface AttackResult extends Scored {
  readonly delta: Tensor;
}

/** The images to attack and the tensors of the classifier. */
export interface AttackTarget {
  readonly tensors: VictimTensors;
  readonly x: Tensor;
  readonly labels: Tensor;
  /** Each example's number, which with the seed and the restart determines its random numbers. */
  readonly indices: readonly number[];
}

/** How a batch is attacked. */
export interface RunOptions {
  /** Radius, in the threat's units. */
  readonly epsilon: number;
  readonly keyOf: (index: number, restart: number) => Key;
  readonly pause?: () => Promise<void>;
  /** Told after each run of runners that count: how many of each example's gradients were zero, and NaN or infinite. */
  readonly onBlind?: (zero: ArrayLike<number>, notFinite: ArrayLike<number>) => void;
}

/** An attack ready to run on batches. */
export interface AttackRunner {
  run(target: AttackTarget, options: RunOptions): Promise<AttackResult>;
  /** Passes over each image of a run that has been. */
  passes(): Passes;
  dispose(): void;
}

interface Attempt extends Scores {
  readonly delta: Value;
}

/**
 * Prepares an attack on a compiled classifier, which keeps its programs; with `counting` they count blind gradients.
 *
 * @throws ConfigError for an attack that is not defined in the threat model.
 */
export function attackRunner(
  programs: ClassifierPrograms,
  attack: Attack,
  options: AttackOptions,
  threat: Threat,
  how?: { readonly counting: boolean },
): AttackRunner {
  const { device } = programs;
  const program = attackProgram(programs, attack, options, threat, how);
  const move = jit((x: Value, delta: Value): Value => add(x, delta), { device, batchInvariant: true });
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
    { device, batchInvariant: true },
  );

  const attempt = async (target: AttackTarget, run: number, { epsilon, keyOf, pause, onBlind }: RunOptions): Promise<AttackResult> => {
    const { tensors, x, labels, indices } = target;
    const keys = keyTensor(indices.map((index) => keyOf(index, run)));
    const rows: RowTensors = { x, labels, target: labels, keys };
    const moment = { run, epsilon, threat, shape: x.shape.slice(1) };
    const steps = attack.steps(options);
    let state = program.begin(tensors, rows, { ...moment, iteration: 0 });
    try {
      for (let iteration = 0; iteration < steps; iteration++) {
        state = program.step(tensors, rows, state, { ...moment, iteration });
        await pause?.();
      }
    } catch (stopped) {
      dispose(keys, ...Object.values(state));
      throw stopped;
    }
    const delta = program.end(tensors, rows, state, { ...moment, iteration: steps });
    const point = move(x, delta);
    const scores = programs.score(tensors, point, labels);
    const blind = program.blind(state);
    if (blind && onBlind) onBlind(await blind.zero.read(), await blind.notFinite.read());
    dispose(point, keys, ...Object.values(state));
    return { delta, ...scores };
  };

  const runs = attack.runs?.(options, 0) ?? 1;
  return {
    async run(target, how) {
      let best = await attempt(target, 0, how);
      for (let run = 1; run < runs; run++) {
        const found = await attempt(target, run, how);
        const kept: AttackResult = worse(best, found);
        for (const tried of [best, found]) dispose(...Object.values(tried));
        best = kept;
      }
      return best;
    },
    passes() {
      const [begin, step, end] = (["begin", "step", "end"] as const).map((part) => program.passes(part)) as [Passes, Passes, Passes];
      const steps = attack.steps(options);
      // A run is judged by a pass of its own.
      return {
        forward: runs * (begin.forward + steps * step.forward + end.forward + 1),
        backward: runs * (begin.backward + steps * step.backward + end.backward),
      };
    },
    dispose() {
      for (const compiled of [move, worse]) compiled.dispose();
    },
  };
}

/** Keys as a tensor, int32 [N, 2]. */
export function keyTensor(keys: readonly Key[]): Tensor {
  return tensor(Int32Array.from(keys.flat()), [keys.length, 2]);
}

function dispose(...tensors: Tensor[]): void {
  for (const value of tensors) value.dispose();
}
