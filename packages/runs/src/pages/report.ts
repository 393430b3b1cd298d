/** @file The report of one run, and of several side by side, as a self-contained HTML file. */
import type { Evaluation } from "@gradalign/robustness";
import { comparisonFigures, runFigures } from "../figures/curves.ts";
import { figureMarkup } from "../figures/draw.ts";
import { filterGallery, largestWeight } from "../figures/filters.ts";
import { PGD } from "../figures/series.ts";
import type { ReportRun, RobustnessRecord } from "../run/run-data.ts";
import { describeRun, reproduceCommand } from "../settings/describe.ts";
import { describeAlarm } from "../words/alarms.ts";
import { attackName, count, decimals, duration, engineName, percent, radius } from "../words/format.ts";
import { VERDICTS } from "../words/verdicts.ts";
import { type CsvRow, csvLink } from "./csv.ts";
import { html, type Markup, markup } from "./html.ts";
import { htmlPage } from "./page.ts";
import { figureCard, type Tile, tileRow } from "./parts.ts";
import { evaluatedImages, evaluationsTable, firstImages, lastRecords, outcomeTable, settingsTable, summaryTable } from "./tables.ts";

/** The report of one run; `document` is what figures are drawn in, `nodeDocument()` in Node. */
export function runReport(run: ReportRun, document: Document): string {
  const outcome = outcomeTable([run]);
  return htmlPage({
    title: `${run.config.method.name} on ${run.config.dataset}`,
    subtitle: describeRun(run.config),
    body: html`<section aria-label="Outcome">
${verdict(run)}
${alarms(run)}
${tiles(run)}
</section>
${outcome && html`<section><h2>Accuracy of the saved models</h2>${robustnessCsv([run])}${outcome}${intervalNote()}</section>`}
<section><h2>While training</h2>${evaluationsCsv([run])}<div class="figures">${runFigures(run).map((figure) => figureCard(figure, document))}</div>
${evaluationsTable(run, `All ${run.evaluations.length} evaluations in numbers`)}</section>
${filterSection(run, "Filters", largestWeight([run]), document)}
<section><h2>Settings</h2>${settingsTable([run])}
<h2>Run it again</h2><pre>${reproduceCommand(run.config)}</pre></section>`,
    footer: footer([run]),
  });
}

/** One report of several runs: the same figures, coloured or split by run. Labels must be distinct. */
export function compareReport(runs: readonly ReportRun[], title: string, document: Document): string {
  return htmlPage({
    title,
    // Of more runs than can be read at a glance the settings' table tells more.
    subtitle: runs.length > 4 ? `${runs.length} runs` : runs.map((run) => `${run.label}: ${describeRun(run.config)}`).join(" — "),
    body: comparison(runs, document),
    footer: footer(runs),
  });
}

/** Runs side by side: how they ended, their curves and filters, settings and numbers. */
export function comparison(runs: readonly ReportRun[], document: Document): Markup {
  return html`<section aria-label="Outcome">
${runs.map((run) => [verdict(run, run.label), ...alarms(run, run.label)])}
<h2>At the end of training</h2>
${summaryTable(runs)}${intervalNote()}
</section>
<section><h2>While training</h2>${evaluationsCsv(runs)}<div class="figures">${comparisonFigures(runs).map((figure) => figureCard(figure, document))}</div></section>
${runs.map((run) => filterSection(run, `Filters, ${run.label}`, largestWeight(runs), document))}
<section><h2>Accuracy of the saved models</h2>${robustnessCsv(runs)}${outcomeTable(runs) ?? html`<p class="note">No saved model was attacked after training.</p>`}</section>
<section><h2>Settings</h2>${settingsTable(runs)}
<h2>Run them again</h2><pre>${runs.map((run) => reproduceCommand(run.config)).join("\n")}</pre>
${runs.map((run) => evaluationsTable(run, `${run.label}: all ${run.evaluations.length} evaluations in numbers`))}</section>`;
}

function verdict(run: ReportRun, label?: string): Markup {
  const name = label === undefined ? "" : `${label}: `;
  const { outcome, overfitting } = run;
  const last = run.evaluations.at(-1);
  if (outcome === null || !last) return html`<p class="verdict open">${name}<strong>Not evaluated yet.</strong></p>`;
  const where = overfitting ? ` found at iteration ${count(overfitting.iteration)}, epoch ${overfitting.epoch.toFixed(1)}` : "";
  // Without an adversary robustness was never to be expected.
  if (outcome.kind === "healthy" && run.config.method.name === "standard") {
    return html`<p class="verdict open">${name}<strong>Trained without an adversary.</strong> At the end, ${healthyState(last)}.</p>`;
  }
  const state = outcome.kind === "healthy" ? `. At the end, ${healthyState(last)}.` : `${where}: ${outcome.evidence}.`;
  return html`<p class="verdict${outcome.kind !== "healthy" && " overfitted"}">${name}<strong>${VERDICTS[outcome.kind]}</strong>${state}</p>`;
}

/** What a guard raised while the run trained. */
function alarms(run: ReportRun, label?: string): Markup[] {
  const name = label === undefined ? "" : `${label}: `;
  return (run.alarms ?? []).map((alarm) => html`<p class="verdict overfitted">${name}<strong>Guard:</strong> ${describeAlarm(alarm)}.</p>`);
}

function healthyState(last: Evaluation): string {
  return `accuracy under ${PGD} is ${percent(last.test_pgd_acc)} and gradient alignment ${decimals(last.gradient_alignment, 2)}`;
}

/** What is known of the last model, a row of tiles for each set of images it was measured on. */
function tiles(run: ReportRun): Markup | undefined {
  const last = run.evaluations.at(-1);
  if (last === undefined) return undefined;
  const records = lastRecords(run);
  const saved = [...new Set(records.map(({ n }) => n))].sort((a, b) => b - a).map((n) => savedTiles(records.filter((record) => record.n === n)));
  const evaluated: Tile[] = [
    ["clean accuracy", percent(last.test_clean_acc), ""],
    ["FGSM accuracy", percent(last.test_fgsm_acc), ""],
    [`${PGD} accuracy`, percent(last.test_pgd_acc), ""],
    ["gradient alignment", decimals(last.gradient_alignment, 3), "1 means locally linear"],
    [
      "iteration of the best",
      run.best ? count(run.best.iteration) : "–",
      run.best ? `${run.best.on} ${PGD} accuracy ${percent(run.best.pgdAccuracy)}` : "no best checkpoint",
    ],
  ];
  return html`${saved}${tileRow(`Last evaluation while training, ${firstImages(evaluatedImages(run))}`, evaluated)}`;
}

function savedTiles(records: readonly RobustnessRecord[]): Markup {
  const [first] = records as readonly [RobustnessRecord];
  const seeds = new Set(records.map(({ seed }) => seed)).size > 1;
  const attacked = records
    .filter(({ attack }) => attack !== "none")
    .map(({ attack, epsilon, seed, robustAccuracy, nonFiniteShare = 0 }): Tile => {
      const details = [`ε = ${radius(epsilon)}`, ...(seeds ? [`seed ${seed}`] : []), ...(nonFiniteShare > 0 ? [`${percent(nonFiniteShare)} not finite`] : [])];
      return [`${attackName(attack)} accuracy`, percent(robustAccuracy), details.join(", ")];
    });
  return tileRow(`Saved model, ${firstImages(first.n)}`, [["clean accuracy", percent(first.cleanAccuracy), ""], ...attacked]);
}

function filterSection(run: ReportRun, heading: string, largest: number, document: Document): Markup | undefined {
  const gallery = filterGallery(run, largest);
  if (gallery === undefined) return undefined;
  const rows = run.filters.map((snapshot) => `${snapshot.which}: iteration ${count(snapshot.iteration)}`).join("; ");
  return html`<section class="filter-section"><h2>${heading}</h2>
<p class="caption">The first layer's filters by colour channel, red positive and blue negative, all on one scale (${rows}).</p>
<div class="filters">${gallery.panels.map(
    (panel) =>
      html`<section class="card"><h3>${panel.title}</h3><p class="caption">${panel.caption}</p>${markup(figureMarkup(panel.options, document))}</section>\n`,
  )}</div>
<div class="card" style="display:inline-block;margin-top:16px;padding:8px 12px">${markup(figureMarkup(gallery.legend, document))}</div></section>`;
}

/** Every evaluation of the runs with all digits, to be saved. */
function evaluationsCsv(runs: readonly ReportRun[]): Markup {
  const rows = runs.flatMap(({ label, evaluations }) =>
    evaluations.map(({ filter_norms = [], outgoing_norms = [], ...numbers }): CsvRow => {
      const norms = [...filter_norms.map((norm, i) => [`filter_norm_${i + 1}`, norm]), ...outgoing_norms.map((norm, i) => [`outgoing_norm_${i + 1}`, norm])];
      return { run: label, ...numbers, ...Object.fromEntries(norms) };
    }),
  );
  return csvLink("evaluations.csv", "Evaluations as CSV", rows);
}

/** Every attack on saved models, to be saved. */
function robustnessCsv(runs: readonly ReportRun[]): Markup | undefined {
  const rows = runs.flatMap(({ label, robustness }) =>
    robustness.map(({ confidence95: [low, high], ...record }): CsvRow => ({ run: label, ...record, confidence95_low: low, confidence95_high: high })),
  );
  return rows.length === 0 ? undefined : csvLink("saved-models.csv", "These numbers as CSV", rows);
}

function intervalNote(): Markup {
  return html`<p class="note">Curves and last evaluations are of the first test images only (eval-examples, under Settings). PGD-K-R is PGD with K steps and R restarts. Intervals are Wilson's.</p>`;
}

function footer(runs: readonly ReportRun[]): string {
  const [machine] = runs.flatMap((run) => run.machine ?? []);
  // Runs that trained side by side shared the machine: their times say nothing.
  const took = runs.length === 1 ? `; training took ${duration(runs[0]?.evaluations.at(-1)?.seconds ?? 0)}` : "";
  const where = machine
    ? ` ${machine.version} on ${engineName(machine.node)}, ${machine.backend} backend, ${machine.threads} thread${machine.threads === 1 ? "" : "s"}`
    : "";
  return `Made by gradalign${where}${took}.`;
}
