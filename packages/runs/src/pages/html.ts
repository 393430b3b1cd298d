/** @file Building HTML text in which everything inserted is escaped unless it is markup already. */

/** Text that is markup. */
export class Markup {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
  toString(): string {
    return this.text;
  }
}

/** What a template takes: markup as it is, text and numbers escaped, lists item by item, nothing for the rest. */
export type HtmlPart = Markup | string | number | readonly HtmlPart[] | null | undefined | false;

/**
 * A template tag.
 *
 * @example
 * html`<td>${name}</td>`;
 */
export function html(strings: TemplateStringsArray, ...parts: HtmlPart[]): Markup {
  return new Markup(strings.map((string, i) => string + (i < parts.length ? render(parts[i]) : "")).join(""));
}

/** Declares text to be markup, such as what Plot made. */
export function markup(text: string): Markup {
  return new Markup(text);
}

function render(part: HtmlPart): string {
  if (part === null || part === undefined || part === false) return "";
  if (part instanceof Markup) return part.text;
  if (Array.isArray(part)) return part.map(render).join("");
  return String(part).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
