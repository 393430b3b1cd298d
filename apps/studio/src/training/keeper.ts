/** @file Writes a training into the browser's storage while it goes on: the newest of each side, not more often than disks like. */
import type { KeptTraining } from "../protocol.ts";
import { type BySide, SIDES, type Side } from "../sides.ts";
import { hold, type KeptSide, type Shelf } from "./shelf.ts";

/** Milliseconds between two writings of a side. */
const INTERVAL = 1000;

/** Keeps one training. */
export interface Keeper {
  /** A side has come further; it is written soon. */
  note(side: Side, content: KeptSide, progress: KeptTraining["progress"][Side]): void;
  /** Resolves when all that was noted is written. */
  settled(): Promise<void>;
  /** Writes what was noted, and lets other tabs have the training. */
  close(): Promise<void>;
}

/** Keeps a training on the shelf; what goes wrong is told once, and the training goes on. */
export function keepOn(shelf: Shelf, begun: KeptTraining, onProblem: (message: string) => void): Keeper {
  let label = begun;
  const waiting = new Map<Side, KeptSide>();
  const writing: Partial<Record<Side, Promise<void>>> = {};
  let hurry = (): void => {};
  let hurried = new Promise<void>((resolve) => {
    hurry = resolve;
  });
  let broken = false;
  const release = hold(label.id);
  const write = async (side: Side): Promise<void> => {
    for (let content = waiting.get(side); content && !broken; content = waiting.get(side)) {
      waiting.delete(side);
      try {
        await shelf.write(label, side, content);
      } catch (error) {
        broken = true;
        onProblem(error instanceof Error ? error.message : String(error));
      }
      await Promise.race([hurried, new Promise((resolve) => setTimeout(resolve, INTERVAL))]);
    }
    delete writing[side];
  };
  const settled = async (): Promise<void> => {
    hurry();
    await Promise.all(SIDES.map((side) => writing[side]));
    hurried = new Promise((resolve) => {
      hurry = resolve;
    });
  };
  return {
    note(side, content, progress) {
      if (broken) return;
      label = { ...label, saved: Date.now(), progress: { ...label.progress, [side]: progress } as BySide<KeptTraining["progress"][Side]> };
      waiting.set(side, content);
      writing[side] ??= write(side);
    },
    settled,
    async close() {
      await settled();
      release();
    },
  };
}
