/** @file A bar of so many columns, drawn in eighths of a column, and a small curve. */

const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
const LEVELS = "▁▂▃▄▅▆▇█";

/** A bar filled to a fraction in [0, 1]. */
export function progressBar(fraction: number, width: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, fraction)) * width * 8);
  const full = "█".repeat(Math.floor(eighths / 8)) + EIGHTHS[eighths % 8];
  return full + "░".repeat(Math.max(0, width - full.length));
}

/** The widest and the narrowest bar of a {@link statusLine}. */
const [WIDE_BAR, NARROW_BAR] = [24, 8];

/** As many parts as fit into so many columns, the first ones, two spaces before each. */
export function fittingParts(parts: readonly string[], columns: number): string {
  for (let shown = parts.length; shown > 0; shown--) {
    const text = ["", ...parts.slice(0, shown)].join("  ");
    if (text.length <= columns) return text;
  }
  return "";
}

/**
 * A bar, its percentage and what is to be said besides, on one line that is shorter than the terminal is wide. Where room is short the bar shrinks first;
 * then the last parts, which matter least, are left out.
 */
export function statusLine(fraction: number, parts: readonly string[], columns: number | undefined): string {
  const percentage = ` ${String(Math.floor(100 * Math.min(1, Math.max(0, fraction)))).padStart(3)} %`;
  const room = (columns || 80) - 1 - percentage.length;
  const rest = fittingParts(parts, room - NARROW_BAR);
  return `${progressBar(fraction, Math.max(1, Math.min(WIDE_BAR, room - rest.length)))}${percentage}${rest}`;
}

/** The last values as a curve of one line; 0 is the bottom and `top` the top. */
export function sparkline(values: readonly number[], width: number, top: number): string {
  const recent = values.slice(-width);
  const level = (value: number) => Math.min(LEVELS.length - 1, Math.max(0, Math.floor((value / top) * LEVELS.length)));
  return recent.map((value) => LEVELS[Number.isFinite(value) ? level(value) : 0]).join("");
}
