/** @file Lists that grow for as long as a page is open. */

/** A list in order of position, or, longer than `most`, without those that are missed least: the rest stays spread evenly, from the first to the last. */
export function bounded<T>(all: readonly T[], most: number, position: (element: T) => number): readonly T[] {
  const kept = [...all];
  while (kept.length > most) {
    const gap = (i: number): number => position(kept[i + 1] as T) - position(kept[i - 1] as T);
    let least = 1;
    for (let i = 2; i < kept.length - 1; i++) if (gap(i) < gap(least)) least = i;
    kept.splice(least, 1);
  }
  return kept;
}
