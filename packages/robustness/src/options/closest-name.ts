/** @file Guessing which name a misspelt one was meant to be. */

/** Dashes alone are missed more easily than any letter. */
const ONLY_DASHES = 0.5;

/** The known name nearest to a misspelt one; undefined when none is near. Short names must be nearer than long ones. */
export function closestName(misspelt: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let least = Math.max(1, Math.floor(misspelt.length / 3)) + 1;
  for (const name of known) {
    const edits = lettersOf(misspelt) === lettersOf(name) ? ONLY_DASHES : editDistance(misspelt.toLowerCase(), name);
    if (edits < least) {
      best = name;
      least = edits;
    }
  }
  return best;
}

const lettersOf = (name: string): string => name.toLowerCase().replaceAll(/[-_]/g, "");

/** Letters to add, take away, change, or swap with their neighbour (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let [before, row]: [number[], number[]] = [[], Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? (before[j - 2] as number) + 1 : Number.POSITIVE_INFINITY;
      next.push(Math.min(substituted, swapped, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    [before, row] = [row, next];
  }
  return row[b.length] as number;
}
