/** @file The sizes and colours that all figures share. */

/** Width and margins that keep text legible on a phone, where a figure is shrunk to the page's width. */
export const FIGURE_SIZE = { width: 460, height: 300, marginTop: 30, marginLeft: 52, marginRight: 18, marginBottom: 44 } as const;

/** A scale of shares, shown in percent. */
export const PERCENT_SCALE = { percent: true, tickFormat: (value: number) => `${value} %` } as const;

/** Colour of the i-th series; the page defines them for light and dark. */
export function seriesColor(i: number): string {
  return `var(--run-${1 + (i % 8)})`;
}

/** The colour of each training method, the same on every page. */
export const METHOD_COLORS: Readonly<Record<string, string>> = {
  standard: "var(--run-8)",
  fgsm: "var(--run-1)",
  "fgsm-rs": "var(--run-5)",
  "n-fgsm": "var(--run-4)",
  "fgsm-gradalign": "var(--run-3)",
  free: "var(--run-7)",
  "pgd-2": "var(--run-6)",
  "pgd-10": "var(--run-2)",
  "pgd-2-gradalign": "var(--run-4)",
};
