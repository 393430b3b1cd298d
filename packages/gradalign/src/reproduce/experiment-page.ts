/** @file An experiment's page: what the paper says and what was found, figures, numbers, and how to get them again. */
import { type Claim, type Comparison, type Experiment, type Figure, type Page, paperValue, type Section, type Table } from "@gradalign/experiments";
import { describeSettings, figureMarkup, html, htmlPage, type Markup, markup } from "@gradalign/runs";
import { nodeDocument } from "@gradalign/runs/node";
import type { Results } from "./result-data.ts";

const SCALE_NAMES = { paper: "the paper's scale", laptop: "laptop scale", smoke: "smoke scale: this only shows that everything runs" } as const;

const TRUST = {
  printed: "printed in the paper",
  "read-off": "read off a figure, ± 0.3 points or ± 0.02",
  derived: "follows from a printed formula",
} as const;

/** The whole page. */
export function experimentPage(experiment: Experiment, results: Results, page: Page): string {
  const { scale, changes, provenance, trainings, command } = results;
  return htmlPage({
    title: `${experiment.title}`,
    subtitle: `${experiment.paper} — ${SCALE_NAMES[scale]}`,
    body: html`<section aria-label="Summary"><p>${experiment.summary}</p>
${page.claims.map(claim)}
</section>
${page.comparisons.length > 0 && html`<section><h2>The paper and here</h2>${comparisonTable(page.comparisons)}</section>`}
${page.sections.map(section)}
<section><h2>How this was measured</h2>
${changes.length > 0 ? html`<ul class="changes">${changes.map((change) => html`<li>${change}</li>`)}</ul>` : html`<p class="note">Exactly the paper's setting.</p>`}
${
  trainings.length > 0 &&
  html`<p class="note">Accuracies, losses and cosines of networks are measured in eval mode (batch norm with running statistics, where there is batch norm) on the first n test
images; attacks during training see batch statistics. Training on ${trainings.some((t) => t.data === "made-up") ? html`<strong>made-up images, because the data set could not be had</strong>` : "the data set's own images"}.</p>`
}
${divergedNote(results)}
${trainings.length > 0 && trainingsTable(results)}</section>
<section><h2>Get this again</h2><pre>${command}</pre></section>`,
    footer: `gradalign ${provenance.version}${provenance.commit === null ? "" : `, commit ${provenance.commit}`}, Node ${provenance.node}, ${provenance.backend} backend, ${provenance.threads} thread${provenance.threads === 1 ? "" : "s"} of ${provenance.cores} on ${provenance.processor}, ${provenance.date.slice(0, 10)}. Data: data.json and data.csv beside this page.`,
  });
}

function claim({ text, holds, evidence }: Claim): Markup {
  const verdict = holds === null ? "Cannot be told here" : holds ? "Holds here" : "Does not hold here";
  return html`<p class="verdict${holds === false && " overfitted"}${holds === null && " open"}"><strong>${verdict}.</strong> ${text} <span class="evidence">${evidence}.</span></p>\n`;
}

function comparisonTable(comparisons: readonly Comparison[]): Markup {
  const trusts = [...new Set(comparisons.flatMap(({ paper }) => (paper ? [paper.trust] : [])))];
  return html`<div class="scroll"><table class="comparison">
<thead><tr><th>quantity</th><th class="number">paper</th><th class="number">here</th><th></th><th>where and how sure</th><th>ours from</th></tr></thead>
<tbody>${comparisons.map(
    ({
      quantity,
      paper,
      ours,
      basis,
      agrees,
      remark,
    }) => html`<tr><th>${quantity}</th><td class="number">${paper ? paperValue(paper) : "–"}</td><td class="number">${ours}</td>
<td>${agrees === null ? "" : agrees ? html`<span class="good">agrees</span>` : html`<span class="bad">differs</span>`}</td>
<td class="source">${paper ? `${paper.where} (${paper.trust})` : "not in the paper"}${remark && html`<br>${remark}`}</td><td class="source">${basis}</td></tr>\n`,
  )}</tbody></table></div>
<p class="note">${trusts.map((trust) => `${trust}: ${TRUST[trust]}`).join("; ")}.</p>`;
}

function section({ title, text, figures = [], tables = [] }: Section): Markup {
  return html`<section><h2>${title}</h2>${text && html`<p class="caption">${text}</p>`}
${figures.length > 0 && html`<div class="figures">${figures.map(figureCard)}</div>`}
${tables.map(dataTable)}</section>\n`;
}

function figureCard({ id, title, caption, wide, options }: Figure): Markup {
  return html`<section class="card${wide && " wide"}" id="${id}"><h3>${title}</h3><p class="caption">${caption}</p>${markup(figureMarkup(options, nodeDocument()))}</section>\n`;
}

function dataTable({ title, caption, columns, rows, sortable = false }: Table): Markup {
  const isNumeric = columns.map((_, i) => rows.length > 0 && rows.every((row) => row[i] === null || /^[-–+]?[\d.–]/.test(String(row[i]))));
  const table = html`${caption && html`<p class="caption">${caption}</p>`}<div class="scroll"><table${sortable && html` data-sortable`}>
<thead><tr>${columns.map((column, i) => html`<th${isNumeric[i] && html` class="number"`}>${column}</th>`)}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${row.map((cell, i) => html`<td${isNumeric[i] && html` class="number"`}>${cell === null ? "–" : cell}</td>`)}</tr>\n`)}</tbody></table></div>`;
  // A long table is there to be looked things up in, unless it can be sorted.
  if (rows.length > 12 && !sortable) return html`<details><summary>${title} (${rows.length} rows)</summary>${table}</details>`;
  return html`<h3 class="table-title">${title}</h3>${table}`;
}

/** Names the trainings whose numbers are not those of a model. */
function divergedNote({ trainings }: Results): Markup | undefined {
  const diverged = trainings.filter(({ doneBy }) => doneBy.diverged !== undefined);
  if (diverged.length === 0) return undefined;
  return html`<p class="note"><strong>Diverged: ${diverged.map(({ label }) => label).join("; ")}.</strong> A last model whose numbers are not finite counts as having no right
answers, 0 %, in tables, figures and means; the official code goes on and reports what such a model gets, the share of class 0.</p>`;
}

/** Settings that the trainings share, and those in which they differ. */
function trainingsTable({ trainings }: Results): Markup {
  const settings = trainings.map(({ config }) => new Map(describeSettings(config)));
  const names = [...new Set(settings.flatMap((map) => [...map.keys()]))];
  const differing = names.filter((name) => new Set(settings.map((map) => map.get(name))).size > 1);
  const shared = names.filter((name) => !differing.includes(name)).map((name) => `${name} ${settings[0]?.get(name)}`);
  return html`<p class="note">All trainings: ${shared.join(", ")}.</p>
<details><summary>${trainings.length} training${trainings.length > 1 && "s"} by content address</summary><div class="scroll"><table>
<thead><tr><th>training</th><th>commit</th>${differing.map((name) => html`<th>${name}</th>`)}</tr></thead>
<tbody>${trainings.map(({ id, doneBy }, i) => html`<tr><th>${id}</th><td>${doneBy.commit}</td>${differing.map((name) => html`<td>${settings[i]?.get(name) ?? "–"}</td>`)}</tr>\n`)}</tbody>
</table></div></details>`;
}
