/** @file Observable Plot without a browser: figures as SVG markup that takes its colours from the page. */
import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";

const { document } = parseHTML("<!doctype html><html><body></body></html>");

/** Plot's options, with what a screen reader says of the figure. */
export interface FigureOptions extends Plot.PlotOptions {
  /** Names the figure. */
  readonly ariaLabel: string;
  /** Says what it shows. */
  readonly ariaDescription: string;
}

/** Draws a figure as markup: an SVG, after a colour legend if the options ask for one. */
export function drawFigure(options: FigureOptions): string {
  const drawn = Plot.plot({ ...options, document: document as unknown as Document });
  const svg = drawn.tagName.toLowerCase() === "svg" ? drawn : drawn.lastElementChild;
  svg?.setAttribute("role", "img");
  return drawn.outerHTML;
}
