/** @file The browser's storage as the worker uses it: the training that goes on is kept there, others are listed, opened and forgotten. */
import type { KeptTraining, Report } from "../protocol.ts";
import { type BySide, SIDES, type Side } from "../sides.ts";
import { type Keeper, keepOn } from "./keeper.ts";
import type { Pair } from "./pair.ts";
import { type KeptSide, openShelf, type Shelf } from "./shelf.ts";

/** What a training is called there. */
export type TrainingLabel = Pick<KeptTraining, "id" | "labels" | "backend" | "dataName">;

/** The storage. */
export interface Keepers {
  /** Tells the page what there is. */
  tell(): Promise<void>;
  /** From now on this training is the one that is kept. */
  begin(label: TrainingLabel, pair: Pair): Promise<void>;
  /** A side of it has come further. */
  note(pair: Pair, side: Side): void;
  settled(): Promise<void>;
  /** A training that was kept; undefined where it is gone. */
  open(id: string): Promise<{ readonly label: KeptTraining; readonly sides: BySide<KeptSide> } | undefined>;
  forget(id: string): Promise<void>;
}

/** How far a side is. */
export function progressOf({ config: { epochs }, last }: KeptSide): KeptTraining["progress"][Side] {
  return { epoch: last?.epoch ?? 0, epochs };
}

/** Uses the browser's storage, or, where there is none, says so and keeps nothing. */
export function keepers(report: (message: Report) => void): Keepers {
  let problem: string | null = null;
  let keeper: Keeper | null = null;
  const fail = (message: string): void => {
    problem = message;
    void tell();
  };
  const shelf: Promise<Shelf | null> = openShelf(() => void tell()).catch((error: unknown) => {
    problem = error instanceof Error ? error.message : String(error);
    return null;
  });
  const tell = async (): Promise<void> => {
    const trainings = await shelf.then((one) => one?.list()).catch(() => undefined);
    report({ type: "kept", trainings: trainings ?? [], problem });
  };
  return {
    tell,
    async begin(label, pair) {
      await keeper?.close();
      keeper = null;
      const there = await shelf;
      if (!there) return tell();
      const sides = { left: pair.side("left"), right: pair.side("right") };
      const whole = { ...label, saved: Date.now(), progress: { left: progressOf(sides.left), right: progressOf(sides.right) } };
      keeper = keepOn(there, whole, fail);
      await there.begin(whole, sides).catch((error: unknown) => fail(error instanceof Error ? error.message : String(error)));
      await tell();
    },
    note(pair, side) {
      const content = pair.side(side);
      keeper?.note(side, content, progressOf(content));
    },
    async settled() {
      await keeper?.settled();
    },
    async open(id) {
      return (await shelf)?.read(id);
    },
    async forget(id) {
      await (await shelf)?.remove(id);
      await tell();
    },
  };
}

/** Both sides from their beginning. */
export function unbegun(configs: BySide<KeptSide["config"]>): BySide<KeptSide> {
  const [left, right] = SIDES.map((side): KeptSide => ({ config: configs[side], last: null, best: null, done: false })) as [KeptSide, KeptSide];
  return { left, right };
}
