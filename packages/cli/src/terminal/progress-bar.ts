/** @file A bar of so many columns, drawn in eighths of a column, and a small curve. */

const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
const LEVELS = "▁▂▃▄▅▆▇█";

/** A bar filled to a fraction in [0, 1]. */
export function progressBar(fraction: number, width: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, fraction)) * width * 8);
  const full = "█".repeat(Math.floor(eighths / 8)) + EIGHTHS[eighths % 8];
  return full + "░".repeat(Math.max(0, width - full.length));
}

/** The last values as a curve of one line; 0 is the bottom and `top` the top. */
export function sparkline(values: readonly number[], width: number, top: number): string {
  const recent = values.slice(-width);
  const level = (value: number) => Math.min(LEVELS.length - 1, Math.max(0, Math.floor((value / top) * LEVELS.length)));
  return recent.map((value) => LEVELS[Number.isFinite(value) ? level(value) : 0]).join("");
}
