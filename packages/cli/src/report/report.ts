/** @file The report of one run, and of several side by side, as a self-contained HTML file. */
import { describeRun, reproduceCommand } from "../settings/describe.ts";
import { count, decimals, duration, percent, radius } from "../terminal/format.ts";
import { comparisonFigures, type Figure, runFigures } from "./curves.ts";
import { filterGallery, largestWeight } from "./filters.ts";
import { html, type Markup, markup } from "./html.ts";
import { htmlPage } from "./page.ts";
import type { ReportRun } from "./report-data.ts";
import { evaluationsTable, outcomeTable, settingsTable, strongest, summaryTable } from "./tables.ts";

/** The report of one run. */
export function runReport(run: ReportRun): string {
  const outcome = outcomeTable([run]);
  return htmlPage({
    title: `${run.config.method.name} on ${run.config.dataset}`,
    subtitle: describeRun(run.config),
    body: html`<section aria-label="Outcome">
${verdict(run)}
${tiles(run)}
</section>
${outcome && html`<section><h2>Accuracy of the saved models</h2>${outcome}${intervalNote()}</section>`}
<section><h2>While training</h2><div class="figures">${runFigures(run).map(figureCard)}</div>
${evaluationsTable(run, `All ${run.evaluations.length} evaluations in numbers`)}</section>
${filterSection(run, "Filters", largestWeight([run]))}
<section><h2>Settings</h2>${settingsTable([run])}
<h2>Run it again</h2><pre>${reproduceCommand(run.config)}</pre></section>`,
    footer: footer([run]),
  });
}

/** One report of several runs: the same figures, coloured or split by run. Labels must be distinct. */
export function compareReport(runs: readonly ReportRun[], title: string): string {
  return htmlPage({
    title,
    subtitle: runs.map((run) => `${run.label}: ${describeRun(run.config)}`).join(" — "),
    body: html`<section aria-label="Outcome">
${runs.map((run) => verdict(run, run.label))}
<h2>At the end of training</h2>
${summaryTable(runs)}${intervalNote()}
</section>
<section><h2>While training</h2><div class="figures">${comparisonFigures(runs).map(figureCard)}</div></section>
${runs.map((run) => filterSection(run, `Filters, ${run.label}`, largestWeight(runs)))}
<section><h2>Accuracy of the saved models</h2>${outcomeTable(runs) ?? html`<p class="note">No saved model was attacked after training.</p>`}</section>
<section><h2>Settings</h2>${settingsTable(runs)}
<h2>Run them again</h2><pre>${runs.map((run) => reproduceCommand(run.config)).join("\n")}</pre>
${runs.map((run) => evaluationsTable(run, `${run.label}: all ${run.evaluations.length} evaluations in numbers`))}</section>`,
    footer: footer(runs),
  });
}

function verdict(run: ReportRun, label?: string): Markup {
  const name = label === undefined ? "" : `${label}: `;
  if (run.overfitting === null) {
    const last = run.evaluations.at(-1);
    const state = last ? ` At the end, PGD accuracy is ${percent(last.test_pgd_acc)} and gradient alignment ${decimals(last.gradient_alignment, 2)}.` : "";
    return html`<p class="verdict">${name}<strong>No catastrophic overfitting.</strong>${state}</p>`;
  }
  const { iteration, epoch, evidence } = run.overfitting;
  return html`<p class="verdict overfitted">${name}<strong>Catastrophic overfitting</strong> found at iteration ${count(iteration)}, epoch ${epoch.toFixed(1)}: ${evidence}.</p>`;
}

function tiles(run: ReportRun): Markup | undefined {
  const last = run.evaluations.at(-1);
  if (last === undefined) return undefined;
  const attack = strongest(run);
  const list: [string, string, string][] = [
    attack
      ? ["clean accuracy", percent(attack.cleanAccuracy), `first ${count(attack.n)} test images`]
      : ["clean accuracy", percent(last.test_clean_acc), "last evaluation"],
    ["FGSM accuracy", percent(last.test_fgsm_acc), "last evaluation"],
    attack
      ? [`${attack.attack.toUpperCase()} accuracy`, percent(attack.robustAccuracy), `n = ${count(attack.n)}, ε = ${radius(attack.epsilon)}`]
      : ["PGD accuracy", percent(last.test_pgd_acc), "last evaluation"],
    ["gradient alignment", decimals(last.gradient_alignment, 3), "1 means locally linear"],
    [
      "iteration of the best",
      run.best ? count(run.best.iteration) : "–",
      run.best ? `${run.best.on} PGD accuracy ${percent(run.best.pgdAccuracy)}` : "no best checkpoint",
    ],
  ];
  return html`<div class="tiles">${list.map(
    ([name, value, detail]) =>
      html`<div class="tile"><div class="name">${name}</div><div class="value">${value}</div><div class="detail">${detail}</div></div>\n`,
  )}</div>`;
}

function figureCard(figure: Figure): Markup {
  return html`<section class="card${figure.wide && " wide"}" id="${figure.id}"><h3>${figure.title}</h3><p class="caption">${figure.caption}</p>${markup(figure.markup)}</section>\n`;
}

function filterSection(run: ReportRun, heading: string, largest: number): Markup | undefined {
  const gallery = filterGallery(run, largest);
  if (gallery === undefined) return undefined;
  const rows = run.filters.map((snapshot) => `${snapshot.which}: iteration ${count(snapshot.iteration)}`).join("; ");
  return html`<section class="filter-section"><h2>${heading}</h2>
<p class="caption">The first layer's filters by colour channel, red positive and blue negative, all on one scale (${rows}).</p>
<div class="filters">${gallery.panels.map(
    (panel) => html`<section class="card"><h3>${panel.title}</h3><p class="caption">${panel.caption}</p>${markup(panel.markup)}</section>\n`,
  )}</div>
<div class="card" style="display:inline-block;margin-top:16px;padding:8px 12px">${markup(gallery.legend)}</div></section>`;
}

function intervalNote(): Markup {
  return html`<p class="note">FGSM, PGD, alignment and the curves below are measured on the first test images only (eval-examples, under Settings). PGD-K-R is PGD with K steps and R restarts. Intervals are Wilson's.</p>`;
}

function footer(runs: readonly ReportRun[]): string {
  const [machine] = runs.flatMap((run) => run.machine ?? []);
  // Runs that trained side by side shared the machine: their times say nothing.
  const took = runs.length === 1 ? `; training took ${duration(runs[0]?.evaluations.at(-1)?.seconds ?? 0)}` : "";
  const where = machine
    ? ` ${machine.version} on Node ${machine.node}, ${machine.backend} backend, ${machine.threads} thread${machine.threads === 1 ? "" : "s"}`
    : "";
  return `Made by gradalign${where}${took}.`;
}
