/** @file What a checkpoint holds beside the state, and how a run goes on from one. */
import type { StoredTensor } from "@gradalign/formats";
import { CheckpointError } from "../checkpoint/errors.ts";
import type { TrainConfig } from "./config.ts";
import type { BestCheckpoint, Evaluation } from "./events.ts";
import type { Guard, GuardRecord } from "./guard.ts";
import { type Arithmetic, arithmeticDifference, type RunSeal, requireSameConfig, requireSameData } from "./seal.ts";
import type { Session } from "./session.ts";
import { type Snapshot, storeTree } from "./snapshot.ts";

/** The best parameters so far, on the host, as `params/NAME` and `state/NAME`. */
export interface Best {
  readonly iteration: number;
  readonly accuracy: number;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

/** For events and checkpoints. */
export function describeBest({ iteration, accuracy }: Best, { validationSize }: TrainConfig): BestCheckpoint {
  return { iteration, ...(validationSize === undefined ? { train_pgd_acc: accuracy } : { validation_pgd_acc: accuracy }) };
}

/** Everything later bits depend on. */
export async function lastTensors(session: Session, best: Best | null, guard: Guard | null): Promise<Map<string, StoredTensor>> {
  const tensors = await storeTree(session.current);
  for (const [name, stored] of best?.tensors ?? []) tensors.set(`best/${name}`, stored);
  for (const [name, stored] of guard?.tensors() ?? []) tensors.set(name, stored);
  return tensors;
}

/** What a run goes on from. */
export interface Resumed {
  readonly evaluations: readonly Evaluation[];
  readonly best: Best | null;
  readonly seconds: number;
  readonly seal: RunSeal;
  readonly guard?: { readonly record: GuardRecord; readonly tensors: ReadonlyMap<string, StoredTensor> };
}

/** What a snapshot says of the run so far, once it is known to be this run's. */
export function checkResume({ run, evaluations, tensors: stored }: Snapshot, present: RunSeal, elsewhere: boolean): Resumed {
  if (!evaluations) throw new CheckpointError('train: resume needs a snapshot of kind "last"; this one cannot be trained further');
  requireSameConfig(run.config, present.config, "train");
  requireSameData(run.data, present.data, "train");
  const [before, here] = [run.arithmetic.at(-1), present.arithmetic[0]] as [Arithmetic, Arithmetic];
  const other = arithmeticDifference(before, here);
  if (other !== undefined && !elsewhere) {
    throw new CheckpointError(`train: the run cannot go on to the same bits: ${other}; resume it as and where it began, or allow the difference (elsewhere)`);
  }
  const prefix = "best/";
  const tensors = [...stored].filter(([name]) => name.startsWith(prefix)).map(([name, value]) => [name.slice(prefix.length), value] as const);
  const { best, seconds } = run;
  const accuracy = best ? (best.validation_pgd_acc ?? best.train_pgd_acc ?? 0) : 0;
  return {
    evaluations,
    best: best && { iteration: best.iteration, accuracy, tensors: new Map(tensors) },
    seconds,
    ...(run.guard ? { guard: { record: run.guard, tensors: stored } } : {}),
    seal: { ...present, arithmetic: other === undefined ? run.arithmetic : [...run.arithmetic, here] },
  };
}
