/** @file What pages are put together from: tiles, and figures with their words. */
import type { Figure } from "../figures/curves.ts";
import { figureMarkup } from "../figures/draw.ts";
import type { LineStyle } from "../figures/series.ts";
import { type HtmlPart, html, type Markup, markup } from "./html.ts";

/** A number that is read first. */
export type Tile = readonly [name: string, value: string, detail: string];

/** A row of tiles under its title. */
export function tileRow(title: string, list: readonly Tile[]): Markup {
  return html`<h3 class="tiles-title">${title}</h3><div class="tiles">${list.map(
    ([name, value, detail]) =>
      html`<div class="tile"><div class="name">${name}</div><div class="value">${value}</div><div class="detail">${detail}</div></div>\n`,
  )}</div>\n`;
}

/** A figure with its legend above its panels. */
export function figureCard({ id, title, caption, legend, panels }: Figure, document: Document): Markup {
  const several = panels.length > 1;
  const items = legend.map((line) => html`<li data-line="${line.name}">${lineSample(line)}${line.legend}</li>`);
  return html`<section class="card${several && " wide"}" id="${id}"><h3>${title}</h3><p class="caption">${caption}</p>${
    items.length > 0 && html`<ul class="legend">${items}</ul>`
  }<div class="panels">${panels.map(
    (panel) =>
      html`<figure class="panel" data-name="${several ? `${id}-${panel.title}` : id}">${
        several && html`<figcaption>${panel.title}</figcaption>`
      }${markup(figureMarkup(panel.options, document))}</figure>`,
  )}</div></section>\n`;
}

/** A table that scrolls where it is too wide. */
export function table(head: HtmlPart, rows: HtmlPart, kind = ""): Markup {
  return html`<div class="scroll"><table class="${kind}">${head && html`<thead><tr>${head}</tr></thead>`}<tbody>${rows}</tbody></table></div>`;
}

/** Values by name, in a column for each of what is compared, under heads, the first of them that of the names; what differs stands out. */
export function valuesTable(columns: readonly (readonly (readonly [string, string])[])[], heads: readonly HtmlPart[] = []): Markup {
  const maps = columns.map((column) => new Map(column));
  const names = [...new Set(columns.flatMap((column) => column.map(([name]) => name)))];
  return table(
    heads.length > 0 && heads.map((head) => html`<th>${head}</th>`),
    names.map((name) => {
      const values = maps.map((map) => map.get(name) ?? "–");
      return html`<tr${new Set(values).size > 1 && html` class="differs"`}><th>${name}</th>${values.map((value) => html`<td>${value}</td>`)}</tr>\n`;
    }),
    "values",
  );
}

/** A piece of a run's line. */
export function lineSample({ color, dash }: LineStyle): Markup {
  return html`<svg class="sample" width="24" height="8" aria-hidden="true"><line x1="0" x2="24" y1="4" y2="4" stroke="${color}" stroke-width="2.5" stroke-dasharray="${dash}"/></svg>`;
}
