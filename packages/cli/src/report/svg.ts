/** @file Observable Plot without a browser: figures as SVG markup that takes its colours from the page. */
import type { FigureOptions } from "@gradalign/experiments";
import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";

const { document } = parseHTML("<!doctype html><html><body></body></html>");

/** Draws a figure as markup: an SVG, after a colour legend if the options ask for one. */
export function drawFigure(options: FigureOptions): string {
  const drawn = Plot.plot({ ...options, document: document as unknown as Document });
  const svg = drawn.tagName.toLowerCase() === "svg" ? drawn : drawn.lastElementChild;
  svg?.setAttribute("role", "img");
  return drawn.outerHTML;
}
