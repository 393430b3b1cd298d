/** @file The report's style sheet: light, dark and print, without any outside resource. */

/** The page's colours by CSS variable. Series are told apart also by the colour-blind (after Okabe and Ito), and all can be read as text. */
export const LIGHT_COLORS: Readonly<Record<string, string>> = {
  "--page": "#f6f7f9",
  "--surface": "#ffffff",
  "--text": "#1b2230",
  "--muted": "#667085",
  "--line": "#d9dee7",
  "--clean": "#00805c",
  "--fgsm": "#bd4b05",
  "--pgd": "#0b63b5",
  "--alignment": "#8a3fa0",
  "--cosine": "#007a85",
  "--alarm": "#c2253b",
  "--fine": "#00805c",
  "--link": "#0b63b5",
  "--run-1": "#bd4b05",
  "--run-2": "#0b63b5",
  "--run-3": "#00805c",
  "--run-4": "#a8438f",
  "--run-5": "#866a00",
  "--run-6": "#6d2f00",
  "--run-7": "#6b4fc9",
  "--run-8": "#646b79",
};

/** Those of the dark page. */
export const DARK_COLORS: Readonly<Record<string, string>> = {
  "--page": "#12151b",
  "--surface": "#1a1f28",
  "--text": "#e6e9ef",
  "--muted": "#98a2b3",
  "--line": "#323a48",
  "--clean": "#35c99a",
  "--fgsm": "#ff9150",
  "--pgd": "#62b0ff",
  "--alignment": "#d08ae6",
  "--cosine": "#3fd0dc",
  "--alarm": "#ff7285",
  "--fine": "#35c99a",
  "--link": "#62b0ff",
  "--run-1": "#ff9150",
  "--run-2": "#62b0ff",
  "--run-3": "#35c99a",
  "--run-4": "#f08cc8",
  "--run-5": "#e5c04a",
  "--run-6": "#8fd3ff",
  "--run-7": "#ab9bff",
  "--run-8": "#a7b0be",
};

/** Those that paper has otherwise than the light page. */
const PRINT_COLORS = { ...LIGHT_COLORS, "--page": "#ffffff", "--surface": "#ffffff", "--text": "#000000", "--muted": "#444444", "--line": "#cccccc" };

const declarations = (colors: Readonly<Record<string, string>>): string =>
  Object.entries(colors)
    .map(([name, color]) => `${name}: ${color};`)
    .join(" ");

/** The size of a figure's letters in pixels; larger on a telephone, which a media query tells. */
export const FIGURE_LETTERS = { usual: 11, telephone: 14.5, isTelephone: "(max-width: 560px)" } as const;

/** CSS of every report. */
export const PAGE_STYLE = `
:root { color-scheme: light dark; ${declarations(LIGHT_COLORS)} }
@media (prefers-color-scheme: dark) {
  :root { ${declarations(DARK_COLORS)} }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1160px; margin: 0 auto; padding: 32px 20px 64px; }
header { margin-bottom: 24px; }
h1 { margin: 0 0 4px; font-size: 26px; line-height: 1.25; letter-spacing: -0.01em; }
h2 { margin: 40px 0 12px; font-size: 18px; }
h3 { margin: 0; font-size: 15px; }
p { margin: 0; }
h1, h2, h3, p, .tile { overflow-wrap: anywhere; }
.subtitle, .caption, .note { color: var(--muted); }
.caption { font-size: 13px; margin: 2px 0 8px; max-width: 78ch; }
.note { font-size: 13px; margin-top: 8px; }
.verdict { margin-top: 18px; padding: 12px 16px; border-left: 4px solid var(--fine); background: var(--surface); border-radius: 0 8px 8px 0; }
.verdict + .verdict { margin-top: 8px; }
.verdict.overfitted { border-left-color: var(--alarm); }
.verdict strong { color: var(--fine); }
.verdict.overfitted strong { color: var(--alarm); }
.verdict.open { border-left-color: var(--muted); }
.verdict.open strong { color: var(--muted); }
.verdict .evidence { color: var(--muted); }
.good { color: var(--fine); font-weight: 600; }
.changes { margin: 0 0 8px; padding-left: 20px; }
.comparison tbody th { white-space: normal; min-width: 110px; }
.comparison td.source { white-space: normal; min-width: 170px; }
td.source { color: var(--muted); font-size: 13px; }
.table-title { margin: 20px 0 6px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin-top: 16px; }
.tile { background: var(--surface); border: 1px solid var(--line); border-radius: 10px; padding: 12px 14px; }
.tile .value { font-size: 25px; font-weight: 650; line-height: 1.2; font-variant-numeric: tabular-nums; }
.tile .name { color: var(--muted); font-size: 13px; }
.tile .detail { color: var(--muted); font-size: 12px; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 460px), 1fr)); gap: 16px; }
.figures .wide { grid-column: 1 / -1; }
.card { margin: 0; background: var(--surface); border: 1px solid var(--line); border-radius: 10px; padding: 16px 18px 12px; min-width: 0; }
.card figure { margin: 0; }
@media (min-width: 561px) {
  .figures .card:only-child > svg, .figures .card:only-child > figure > svg { width: min(100%, 700px); font-size: 8.5px; }
}
/* Larger letters than a figure was drawn for have the padding around it. */
.card svg { max-width: 100%; height: auto; overflow: visible; --plot-background: var(--surface); font-size: ${FIGURE_LETTERS.usual}px; }
.card [class$="-swatches"] { font-size: 12.5px; min-height: 24px; margin-bottom: 2px; }
.card [class$="-swatches"] svg { width: 12px; height: 12px; }
.card [aria-label$="grid"] { stroke: var(--line); stroke-opacity: 1; }
.panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 300px), 1fr)); gap: 8px 16px; }
.panel { min-width: 0; position: relative; }
.panel figcaption { font-weight: 600; font-size: 13px; text-align: center; }
.panels .panel:not(:only-child) > svg { width: min(100%, 440px); display: block; margin: 0 auto; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 16px; margin: 0 0 6px; padding: 0; list-style: none; font-size: 12.5px; }
.legend li { cursor: default; overflow-wrap: anywhere; }
.card .sample, .sample { width: 24px; height: 8px; margin-right: 6px; vertical-align: middle; }
.dim { opacity: 0.15; }
li.dim { opacity: 0.45; }
svg[data-axes] { touch-action: pan-y; cursor: crosshair; }
.cross { pointer-events: none; stroke-dasharray: 2,2; }
#tooltip { position: absolute; z-index: 1; pointer-events: none; max-width: min(340px, calc(100vw - 8px)); padding: 7px 10px; font-size: 12.5px; line-height: 1.4;
  background: var(--surface); border: 1px solid var(--line); border-radius: 8px; box-shadow: 0 3px 14px rgb(0 0 0 / 0.18); font-variant-numeric: tabular-nums; }
#tooltip div { display: flex; align-items: baseline; gap: 7px; }
#tooltip i { flex: none; width: 9px; height: 9px; border-radius: 3px; }
#tooltip span { flex: 1; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
#tooltip b { font-weight: 600; }
#tooltip .closest span { font-weight: 600; }
.downloads { display: flex; justify-content: flex-end; gap: 6px; }
.downloads button { font: inherit; font-size: 12px; color: var(--muted); background: none; border: 1px solid var(--line); border-radius: 6px; padding: 3px 9px; cursor: pointer; }
.downloads button:hover { color: var(--text); border-color: var(--muted); }
.download { display: inline-block; margin: -6px 0 10px; font-size: 13px; color: var(--link); }
.tiles-title { margin: 18px 0 -8px; color: var(--muted); font-size: 13px; font-weight: 600; }
th.group { text-align: center; border-left: 1px solid var(--line); }
.filters { display: grid; grid-template-columns: repeat(auto-fit, minmax(205px, 1fr)); gap: 16px; }
.filters .card { padding: 12px 14px; }
.figures + .scroll { margin-top: 16px; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 250px), 1fr)); gap: 12px; }
.gallery-title { margin-bottom: 8px; }
.example { margin: 0; background: var(--surface); border: 1px solid var(--line); border-radius: 10px; padding: 10px 12px; min-width: 0; }
.pictures { display: grid; grid-template-columns: repeat(3, 1fr); gap: 6px; max-width: 330px; }
.pictures img { width: 100%; image-rendering: pixelated; border-radius: 4px; }
.example figcaption { font-size: 13px; margin-top: 6px; overflow-wrap: anywhere; }
.confusion td { padding: 7px 10px; }
.values th { white-space: normal; overflow-wrap: anywhere; min-width: 110px; }
.values td { white-space: normal; overflow-wrap: anywhere; min-width: 150px; }
.wrap { max-width: 190px; overflow: hidden; text-overflow: ellipsis; }
.wrap:hover { white-space: normal; overflow-wrap: anywhere; }
/* Shadows at the edges tell of columns that are scrolled out of view. */
.scroll {
  overflow-x: auto;
  background:
    linear-gradient(to right, var(--surface) 40%, transparent) left / 40px 100%, linear-gradient(to left, var(--surface) 40%, transparent) right / 40px 100%,
    linear-gradient(to right, var(--line), transparent) left / 14px 100%, linear-gradient(to left, var(--line), transparent) right / 14px 100%, var(--surface);
  background-repeat: no-repeat; background-attachment: local, local, scroll, scroll, scroll;
  border: 1px solid var(--line); border-radius: 10px;
}
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 14px; }
th, td { text-align: left; padding: 7px 14px; border-bottom: 1px solid var(--line); vertical-align: top; white-space: nowrap; }
tbody tr:last-child > * { border-bottom: 0; }
thead th { color: var(--muted); font-weight: 600; font-size: 13px; }
tbody th { font-weight: 600; }
td.number, th.number { text-align: right; }
.sort { font: inherit; color: inherit; text-align: inherit; background: none; border: 0; padding: 7px 14px; margin: -7px -14px; cursor: pointer; }
.sort:hover { color: var(--text); }
th[aria-sort="descending"] .sort::after { content: " ↓"; }
th[aria-sort="ascending"] .sort::after { content: " ↑"; }
.bad { color: var(--alarm); font-weight: 600; }
.differs td { font-weight: 600; }
.swatch { display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin-right: 7px; }
code, pre { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: 13px; }
pre { margin: 0; padding: 12px 16px; overflow-x: auto; background: var(--surface); border: 1px solid var(--line); border-radius: 10px; white-space: pre-wrap; }
details { margin-top: 12px; }
summary { cursor: pointer; color: var(--muted); margin-bottom: 8px; }
footer { margin-top: 40px; color: var(--muted); font-size: 13px; }
@media ${FIGURE_LETTERS.isTelephone} {
  main { padding: 20px 14px 48px; }
  .card { padding: 12px 12px 8px; }
  .card svg { font-size: ${FIGURE_LETTERS.telephone}px; }
  .card [class$="-swatches"] { font-size: 13px; }
  .panels .panel:not(:only-child) > svg { font-size: 12px; }
  .legend { font-size: 13px; }
  .downloads button { padding: 7px 12px; }
  th, td { padding: 6px 9px; }
  .summary tbody th { white-space: normal; min-width: 110px; overflow-wrap: anywhere; }
  .comparison tbody th { min-width: 150px; }
  .comparison td.source { min-width: 260px; }
  .wrap { max-width: 120px; }
}
@media print {
  :root { color-scheme: light; ${declarations(PRINT_COLORS)} }
  body { font-size: 11pt; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  main { max-width: none; padding: 0; }
  .figures { grid-template-columns: 1fr 1fr; }
  .filters { grid-template-columns: repeat(4, 1fr); }
  .scroll { overflow: visible; }
  table { font-size: 8.5pt; }
  th, td { padding: 3px 6px; }
  .caption { break-after: avoid; }
  .card, .tile, .verdict, .example, tr { break-inside: avoid; }
  h2 { break-after: avoid; }
  details:not([open]) { display: none; }
  .downloads, .download { display: none; }
}
`;
