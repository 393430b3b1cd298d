/** @file The tables of a report: outcome, settings, evaluations. */
import { type Evaluation, selectionAccuracy } from "gradalign";
import { describeSettings } from "../settings/describe.ts";
import { count, decimals, percent, radius } from "../terminal/format.ts";
import { type HtmlPart, html, type Markup } from "./html.ts";
import type { ReportRun, RobustnessRecord } from "./report-data.ts";
import { runColor } from "./series.ts";

/** Accuracies of the saved models; with several runs, each row says whose. */
export function outcomeTable(runs: readonly ReportRun[]): Markup | undefined {
  const rows = runs.flatMap((run, i) => run.robustness.map((record) => ({ run, record, i })));
  if (rows.length === 0) return undefined;
  return html`<div class="scroll"><table>
<thead><tr>${runs.length > 1 && html`<th>run</th>`}<th>checkpoint</th><th class="number">iteration</th><th>attack</th><th class="number">ε</th><th class="number">images</th>
<th class="number">clean</th><th class="number">under attack</th><th class="number">95 % interval</th><th class="number">loss</th></tr></thead>
<tbody>${rows.map(({ run, record, i }) => html`<tr>${runs.length > 1 && html`<th>${runName(run, i)}</th>`}${robustnessCells(record)}</tr>\n`)}</tbody>
</table></div>`;
}

function robustnessCells(record: RobustnessRecord): HtmlPart {
  const [low, high] = record.confidence95;
  const attacked = record.attack !== "none";
  return html`<td>${record.which}</td><td class="number">${count(record.iteration)}</td><td>${record.attack.toUpperCase()}</td>
<td class="number">${radius(record.epsilon)}</td><td class="number">first ${count(record.n)}</td><td class="number">${percent(record.cleanAccuracy)}</td>
<td class="number">${attacked ? percent(record.robustAccuracy) : "–"}</td><td class="number">${attacked ? `${percent(low)} … ${percent(high)}` : "–"}</td>
<td class="number">${decimals(record.meanLoss, 3)}</td>`;
}

/** One row per run with the numbers at the end of its training. */
export function summaryTable(runs: readonly ReportRun[]): Markup {
  return html`<div class="scroll"><table>
<thead><tr><th>run</th><th class="number">clean</th><th class="number">FGSM</th><th class="number">PGD</th>${runs.some(strongest) && html`<th class="number">${attackNames(runs)}</th>`}
<th class="number">gradient alignment</th><th class="number">cos(δ FGSM, δ PGD)</th><th>catastrophic overfitting</th></tr></thead>
<tbody>${runs.map((run, i) => {
    const last = run.evaluations.at(-1);
    return html`<tr><th>${runName(run, i)}</th><td class="number">${percent(strongest(run)?.cleanAccuracy ?? last?.test_clean_acc)}</td>
<td class="number">${percent(last?.test_fgsm_acc)}</td><td class="number">${percent(last?.test_pgd_acc)}</td>
${runs.some(strongest) && html`<td class="number">${percent(strongest(run)?.robustAccuracy)}</td>`}
<td class="number">${decimals(last?.gradient_alignment, 3)}</td><td class="number">${decimals(last?.cos_fgsm_pgd, 3)}</td>
<td>${run.overfitting ? html`<span class="bad">iteration ${count(run.overfitting.iteration)} (epoch ${run.overfitting.epoch.toFixed(1)})</span>` : "none"}</td></tr>\n`;
  })}</tbody></table></div>`;
}

/** The attack on the last checkpoint that found the least accuracy. */
export function strongest(run: ReportRun): RobustnessRecord | undefined {
  return run.robustness
    .filter((record) => record.which === "last" && record.attack !== "none" && record.epsilon === run.config.epsilon)
    .sort((a, b) => a.robustAccuracy - b.robustAccuracy)[0];
}

function attackNames(runs: readonly ReportRun[]): string {
  return [...new Set(runs.flatMap((run) => strongest(run)?.attack.toUpperCase() ?? []))].join(", ");
}

/** All settings; with several runs a column each, and the settings that differ stand out. */
export function settingsTable(runs: readonly ReportRun[]): Markup {
  const columns = runs.map((run) => new Map(describeSettings(run.config)));
  const names = [...new Set(columns.flatMap((column) => [...column.keys()]))];
  const several = runs.length > 1;
  return html`<div class="scroll"><table>
${several && html`<thead><tr><th>setting</th>${runs.map((run, i) => html`<th>${runName(run, i)}</th>`)}</tr></thead>`}
<tbody>${names.map((name) => {
    const values = columns.map((column) => column.get(name) ?? "–");
    const differs = new Set(values).size > 1;
    return html`<tr${differs && html` class="differs"`}><th>${name}</th>${values.map((value) => html`<td>${value}</td>`)}</tr>\n`;
  })}</tbody></table></div>`;
}

/** Only where images were held out. */
const VALIDATION = "validation PGD";

const EVALUATION_COLUMNS: readonly [string, (evaluation: Evaluation) => string][] = [
  ["iteration", (e) => count(e.iteration)],
  ["epoch", (e) => e.epoch.toFixed(2)],
  ["lr", (e) => e.lr.toPrecision(3)],
  ["train loss", (e) => decimals(e.train_loss, 3)],
  ["regulariser", (e) => decimals(e.train_reg, 4)],
  ["train acc.", (e) => percent(e.train_acc)],
  ["train PGD", (e) => percent(e.train_pgd_acc)],
  [VALIDATION, (e) => percent(selectionAccuracy(e))],
  ["clean", (e) => percent(e.test_clean_acc)],
  ["FGSM", (e) => percent(e.test_fgsm_acc)],
  ["PGD", (e) => percent(e.test_pgd_acc)],
  ["FGSM loss", (e) => decimals(e.test_fgsm_loss, 3)],
  ["PGD loss", (e) => decimals(e.test_pgd_loss, 3)],
  ["alignment", (e) => decimals(e.gradient_alignment, 3)],
  ["cos δ", (e) => decimals(e.cos_fgsm_pgd, 3)],
  ["‖δ‖₂", (e) => decimals(e.delta_l2, 3)],
];

/** Every evaluation in numbers, folded away. */
export function evaluationsTable(run: ReportRun, heading: string): Markup {
  const held = run.evaluations.some((evaluation) => evaluation.validation_pgd_acc !== undefined);
  const columns = EVALUATION_COLUMNS.filter(([name]) => held || name !== VALIDATION);
  return html`<details><summary>${heading}</summary><div class="scroll"><table>
<thead><tr>${columns.map(([name]) => html`<th class="number">${name}</th>`)}</tr></thead>
<tbody>${run.evaluations.map((evaluation) => html`<tr>${columns.map(([, show]) => html`<td class="number">${show(evaluation)}</td>`)}</tr>\n`)}</tbody>
</table></div></details>`;
}

function runName(run: ReportRun, i: number): Markup {
  return html`<span class="swatch" style="background:${runColor(i)}"></span>${run.label}`;
}
