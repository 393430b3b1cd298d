/** @file Figures as Plot's options, and drawing them in a document: a browser's, or in Node `nodeDocument()`. */
import * as Plot from "@observablehq/plot";

/** Plot's options, with what a screen reader says of the figure. */
export interface FigureOptions extends Plot.PlotOptions {
  /** Names the figure. */
  readonly ariaLabel: string;
  /** Says what it shows. */
  readonly ariaDescription: string;
}

/** Draws a figure, which takes its colours from the page: an SVG, after a colour legend if the options ask for one. */
export function drawFigure(options: FigureOptions, document: Document): SVGSVGElement | HTMLElement {
  const drawn = Plot.plot({ ...options, document });
  const svg = drawn.tagName.toLowerCase() === "svg" ? drawn : drawn.lastElementChild;
  svg?.setAttribute("role", "img");
  // Of an image its description is read, not its parts; Plot names these for style sheets.
  for (const part of svg?.children ?? []) part.setAttribute("aria-hidden", "true");
  const axes = (["x", "y"] as const).map((name) => {
    const scale = drawn.scale(name);
    return scale && { type: scale.type, domain: scale.domain, range: scale.range, percent: scale.percent, label: options[name]?.label };
  });
  // What the page's script turns a place in the figure back into values with.
  if (axes.every((axis) => axis?.type === "linear" || axis?.type === "log") && !drawn.scale("fx") && !drawn.scale("fy")) {
    svg?.setAttribute("data-axes", JSON.stringify(axes));
  }
  return drawn;
}

/** As {@link drawFigure}, as markup. */
export function figureMarkup(options: FigureOptions, document: Document): string {
  return drawFigure(options, document).outerHTML;
}
