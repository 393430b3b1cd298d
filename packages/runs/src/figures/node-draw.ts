/** @file Observable Plot without a browser: figures as SVG markup that takes its colours from the page. */
import { createRequire } from "node:module";
import * as Plot from "@observablehq/plot";
import type { FigureOptions } from "./figure-options.ts";

/** Loaded with the first figure: it is a fifth of the command's start. */
const require = createRequire(import.meta.url);
let document: Document | undefined;
const emptyDocument = (): Document => (require("linkedom") as typeof import("linkedom")).parseHTML("<!doctype html><html><body></body></html>").document;

/** Draws a figure as markup: an SVG, after a colour legend if the options ask for one. */
export function drawFigure(options: FigureOptions): string {
  document ??= emptyDocument();
  const drawn = Plot.plot({ ...options, document });
  const svg = drawn.tagName.toLowerCase() === "svg" ? drawn : drawn.lastElementChild;
  svg?.setAttribute("role", "img");
  const axes = [drawn.scale("x"), drawn.scale("y")].map(
    (scale) => scale && { type: scale.type, domain: scale.domain, range: scale.range, percent: scale.percent },
  );
  // What the page's script turns a place in the figure back into values with.
  if (axes.every((axis) => axis?.type === "linear" || axis?.type === "log") && !drawn.scale("fx") && !drawn.scale("fy")) {
    svg?.setAttribute("data-axes", JSON.stringify(axes));
  }
  return drawn.outerHTML;
}
