/**
 * @file The guard of a run: when it looks, what it remembers, where it goes back to. All of it is in checkpoints, so that a run that was killed
 * alarms and goes back as one that was not. The iterations go on after an alarm; what is restored is the state, not the schedule.
 */
import type { StoredTensor } from "@gradalign/formats";
import { type AlarmState, isCollapse, lookedAt, NOTHING_SEEN, type Signs } from "../diagnostics/alarm.ts";

/** What an alarm said and did. */
export interface Alarm {
  readonly iteration: number;
  /** What fell, in words. */
  readonly evidence: string;
  /** The iteration whose state was restored; null where it was not. */
  readonly restored: number | null;
}

/** What a guard remembers besides states, as JSON. */
export interface GuardRecord {
  readonly alarm: AlarmState;
  /** A suspicion is not looked into before this iteration. */
  readonly next: number;
  readonly alarms: readonly Alarm[];
  /** Iterations of the states that are kept: one to go back to, and a newer one that is not old enough yet. */
  readonly kept: readonly number[];
}

type Tensors = ReadonlyMap<string, StoredTensor>;

/** What a guard asks of the run. */
export interface Guarded {
  signs(): Promise<Signs>;
  /** Accuracies under FGSM and PGD on one batch. */
  probe(): Promise<{ readonly fgsm: number; readonly pgd: number }>;
  state(): Promise<Tensors>;
  restore(tensors: Tensors): void;
}

/** A run's guard. */
export interface Guard {
  readonly alarms: readonly Alarm[];
  /** To be called after each iteration; the alarm, if there is one. */
  after(iteration: number): Promise<Alarm | null>;
  record(): GuardRecord;
  /** The states that are kept, as `guard/0/…` and `guard/1/…`. */
  tensors(): Map<string, StoredTensor>;
}

/** Looks per epoch; an alarm is then at most a tenth of an epoch late, even where one suspicion was not confirmed. */
const LOOKS = 40;
/** Looks after a suspicion that was not confirmed before the next is looked into. */
const PATIENCE = 2;
/** Share of an epoch between states that are kept; the one to go back to is that old at least. */
const APART = 0.5;

/** Takes the guard up from a checkpoint, or begins. */
export async function createGuard(
  mode: "warn" | "rollback",
  run: Guarded,
  iterationsPerEpoch: number,
  from?: { readonly record: GuardRecord; readonly tensors: Tensors },
): Promise<Guard> {
  const every = Math.ceil(iterationsPerEpoch / LOOKS);
  let { alarm, next, alarms, kept }: GuardRecord = from?.record ?? { alarm: NOTHING_SEEN, next: 0, alarms: [], kept: [] };
  const pathOf = (i: number): string => `guard/${i}/`;
  let states = kept.map(
    (_, i) => new Map([...(from?.tensors ?? [])].flatMap(([name, value]) => (name.startsWith(pathOf(i)) ? [[name.slice(pathOf(i).length), value]] : []))),
  );
  const keep = async (iteration: number): Promise<void> => {
    states = [...states.slice(-1), new Map(await run.state())];
    kept = [...kept.slice(-1), iteration];
  };
  if (!from && mode === "rollback") await keep(0);
  return {
    get alarms() {
      return alarms;
    },
    async after(iteration) {
      if (iteration % every !== 0 || (mode === "warn" && alarms.length > 0)) return null;
      const looked = lookedAt(alarm, await run.signs());
      alarm = looked.state;
      if (looked.suspicion === undefined) {
        if (mode === "rollback" && iteration - (kept.at(-1) ?? 0) >= APART * iterationsPerEpoch) await keep(iteration);
        return null;
      }
      if (iteration < next) return null;
      const { fgsm, pgd } = await run.probe();
      if (!isCollapse(fgsm, pgd)) {
        next = iteration + PATIENCE * every;
        return null;
      }
      const shown = (accuracy: number): string => `${(100 * accuracy).toFixed(1)}%`;
      const evidence = `${looked.suspicion}; on a training batch FGSM accuracy is ${shown(fgsm)}, PGD accuracy ${shown(pgd)}`;
      const [state, restored = null] = [states[0], kept[0]];
      if (state) {
        run.restore(state);
        [states, kept] = [[state], kept.slice(0, 1)];
      }
      const raised: Alarm = { iteration, evidence, restored };
      alarms = [...alarms, raised];
      return raised;
    },
    record: () => ({ alarm, next, alarms, kept }),
    tensors: () => new Map(states.flatMap((state, i) => [...state].map(([name, value]) => [pathOf(i) + name, value] as const))),
  };
}
