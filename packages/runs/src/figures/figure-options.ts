/** @file Options of a figure. */
import type { PlotOptions } from "@observablehq/plot";

/** Plot's options, with what a screen reader says of the figure. */
export interface FigureOptions extends PlotOptions {
  /** Names the figure. */
  readonly ariaLabel: string;
  /** Says what it shows. */
  readonly ariaDescription: string;
}
