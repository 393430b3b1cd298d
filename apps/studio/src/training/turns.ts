/** @file Several trainings on one device, kept level: whoever has gone further waits for the others. */

/** Who takes turns. */
export interface Turns<Who> {
  /** To be awaited after each step of one of them, with the share of its way that is done. */
  wait(who: Who, done: number): Promise<void>;
  /** It takes no more turns: it has ended, or is interrupted. */
  leave(who: Who): void;
  /** Steps per second at most; null for as many as there can be. */
  pace: number | null;
}

/** Lets trainings take turns until they leave. */
export function takeTurns<Who>(all: readonly Who[], pace: number | null): Turns<Who> {
  const progress = new Map(all.map((who) => [who, 0]));
  let wake: (() => void)[] = [];
  const changed = (): void => {
    const waiting = wake;
    wake = [];
    for (const go of waiting) go();
  };
  const isAhead = (who: Who): boolean => {
    const own = progress.get(who);
    return own !== undefined && own > Math.min(...progress.values());
  };
  return {
    pace,
    async wait(who, done) {
      if (!progress.has(who)) return;
      progress.set(who, done);
      changed();
      const { pace: most } = this;
      if (most !== null) await new Promise((resolve) => setTimeout(resolve, 1000 / most));
      while (isAhead(who)) {
        await new Promise<void>((go) => {
          wake.push(go);
        });
      }
    },
    leave(who) {
      progress.delete(who);
      changed();
    },
  };
}
