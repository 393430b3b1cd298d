/**
 * @file Lengths in pixel space as people write them: in steps of 1/255, `8` or `8/255`.
 *
 * A bare number between 0 and 1 is refused: whoever writes 0.031 most likely means 8/255 and would get 0.031/255.
 */

const WRITTEN = /^((?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*\/\s*255$/i;

/** Steps of 1/255 that a number or a text such as `8/255` stands for; undefined if it stands for none, or could mean either of two. */
export function readLevels(value: unknown): number | undefined {
  if (typeof value === "number") return value === 0 || value >= 1 ? value : undefined;
  const steps = typeof value === "string" ? WRITTEN.exec(value.trim()) : null;
  return steps ? Number(steps[1]) : undefined;
}

/** What to write instead of a value that {@link readLevels} refuses: both readings of a number between 0 and 1. */
export function levelsRemedy(value: unknown): string {
  if (typeof value !== "number" || !(value > 0 && value < 1)) return "write 8 or 8/255";
  const steps = value * 255;
  // 0.031 is 8/255 rounded.
  const near = Math.abs(steps - Math.round(steps)) < 0.1 && steps > 0.5 ? Math.round(steps) : Number(steps.toPrecision(4));
  return `write ${near}/255${near >= 1 ? ` (or ${near})` : ""} if a share of the pixel range is meant, ${value}/255 if a part of one step is`;
}

/** Steps of 1/255 in the form that {@link readLevels} takes for exactly that. */
export function writeLevels(steps: number): string {
  return steps === 0 || steps >= 1 ? String(steps) : `${steps}/255`;
}
