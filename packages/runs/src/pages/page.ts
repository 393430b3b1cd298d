/** @file A report as one HTML file that asks for nothing from outside. */
import { type HtmlPart, html, markup } from "./html.ts";
import { pageScript } from "./page-script.ts";
import { PAGE_STYLE } from "./page-style.ts";

/** The parts of a page. */
export interface PageOptions {
  readonly title: string;
  readonly subtitle: string;
  readonly body: HtmlPart;
  readonly footer: string;
}

/** The whole document as text. */
export function htmlPage({ title, subtitle, body, footer }: PageOptions): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="gradalign">
<title>${title}</title>
<link rel="icon" href="data:,">
<style>${markup(PAGE_STYLE)}</style>
</head>
<body>
<main>
<header>
<h1>${title}</h1>
<p class="subtitle">${subtitle}</p>
</header>
${body}
<footer>${footer}</footer>
</main>
<script>(${markup(pageScript.toString())})();</script>
</body>
</html>
`.toString();
}
