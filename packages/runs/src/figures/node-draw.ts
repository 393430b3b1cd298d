/** @file Figures without a browser: as markup. */
import { createRequire } from "node:module";
import { drawFigure, type FigureOptions } from "./draw.ts";

/** Loaded with the first figure: it is a fifth of the command's start. */
const require = createRequire(import.meta.url);
let document: Document | undefined;
const emptyDocument = (): Document => (require("linkedom") as typeof import("linkedom")).parseHTML("<!doctype html><html><body></body></html>").document;

/** A figure as markup: an SVG, after a colour legend if the options ask for one. */
export function figureMarkup(options: FigureOptions): string {
  document ??= emptyDocument();
  return drawFigure(options, document).outerHTML;
}
