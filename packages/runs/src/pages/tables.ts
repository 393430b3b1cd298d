/** @file The tables of a report: outcome, settings, evaluations. */
import { datasets, type Evaluation, isDatasetName, selectionAccuracy } from "@gradalign/robustness";
import { PGD, runStyle } from "../figures/series.ts";
import type { ReportRun, RobustnessRecord } from "../run/run-data.ts";
import { describeSettings } from "../settings/describe.ts";
import { attackName, count, decimals, percent, radius } from "../words/format.ts";
import { type HtmlPart, html, type Markup } from "./html.ts";
import { lineSample, valuesTable } from "./parts.ts";

/** Accuracies of the saved models; with several runs, each row says whose. */
export function outcomeTable(runs: readonly ReportRun[]): Markup | undefined {
  const rows = runs.flatMap((run, i) => run.robustness.map((record) => ({ run, record, i })));
  if (rows.length === 0) return undefined;
  return html`<div class="scroll"><table>
<thead><tr>${runs.length > 1 && html`<th>run</th>`}<th>checkpoint</th><th class="number">iteration</th><th>attack</th><th class="number">ε</th><th class="number">images</th>
<th class="number">clean</th><th class="number">under attack</th><th class="number">95 % interval</th><th class="number">loss</th><th class="number">not finite</th></tr></thead>
<tbody>${rows.map(({ run, record, i }) => html`<tr>${runs.length > 1 && html`<th>${runName(run, i)}</th>`}${robustnessCells(record)}</tr>\n`)}</tbody>
</table></div>`;
}

function robustnessCells(record: RobustnessRecord): HtmlPart {
  const [low, high] = record.confidence95;
  const attacked = record.attack !== "none";
  return html`<td>${record.which}</td><td class="number">${count(record.iteration)}</td><td>${attackName(record.attack)}</td>
<td class="number">${radius(record.epsilon)}</td><td class="number">first ${count(record.n)}</td><td class="number">${percent(record.cleanAccuracy)}</td>
<td class="number">${attacked ? percent(record.robustAccuracy) : "–"}</td><td class="number">${attacked ? `${percent(low)} … ${percent(high)}` : "–"}</td>
<td class="number">${decimals(record.meanLoss, 3)}</td><td class="number">${percent(record.nonFiniteShare)}</td>`;
}

/** Measurements that may stand in one column: what was attacked, on how many images. */
interface ColumnGroup {
  readonly title: string;
  readonly columns: readonly { readonly name: string; readonly cell: (run: ReportRun) => string }[];
}

/** One row per run with the numbers at the end of its training. Only what was measured in the same way shares a column. */
export function summaryTable(runs: readonly ReportRun[]): Markup {
  const groups = [...savedGroups(runs), ...trainingGroups(runs)];
  const radii = new Set(runs.map(({ config }) => config.epsilon)).size > 1;
  const columns = groups.flatMap((group) => group.columns);
  return html`<div class="scroll"><table class="summary">
<thead><tr><th rowspan="2">run</th>${radii && html`<th rowspan="2" class="number">ε</th>`}${groups.map(
    ({ title, columns: own }) => html`<th colspan="${own.length}" class="group">${title}</th>`,
  )}<th rowspan="2">outcome</th></tr>
<tr>${columns.map(({ name }) => html`<th class="number">${name}</th>`)}</tr></thead>
<tbody>${runs.map(
    (run, i) =>
      html`<tr><th>${runName(run, i)}</th>${radii && html`<td class="number">${radius(run.config.epsilon)}</td>`}${columns.map(
        ({ cell }) => html`<td class="number">${cell(run)}</td>`,
      )}<td>${outcomeCell(run)}</td></tr>\n`,
  )}</tbody></table></div>`;
}

/** Attacks on the saved last model, by number of images. */
function savedGroups(runs: readonly ReportRun[]): ColumnGroup[] {
  const kinds = distinct(runs.flatMap((run) => lastRecords(run).map((record) => comparable(run, record))));
  const sizes = [...new Set(kinds.map(({ n }) => n))].sort((a, b) => b - a);
  return sizes.map((n) => ({
    title: `saved model, ${firstImages(n)}`,
    columns: [
      { name: "clean", cell: (run) => percent(lastRecords(run).find((record) => record.n === n)?.cleanAccuracy) },
      ...kinds
        .filter((kind) => kind.n === n && kind.attack !== "none")
        .map((kind) => ({
          name: kind.epsilon === null ? attackName(kind.attack) : `${attackName(kind.attack)}, ε = ${radius(kind.epsilon)}`,
          cell: (run: ReportRun) => percent(lastRecords(run).find((record) => isSame(comparable(run, record), kind))?.robustAccuracy),
        })),
    ],
  }));
}

/** The last evaluation during training, by number of images. */
function trainingGroups(runs: readonly ReportRun[]): ColumnGroup[] {
  const sizes = [...new Set(runs.filter((run) => run.evaluations.length > 0).map(evaluatedImages))].sort((a, b) => b - a);
  return sizes.map((n) => ({
    title: `last evaluation, ${firstImages(n)}`,
    columns: EVALUATED.map(({ name, show }) => ({
      name,
      cell(run) {
        const last = run.evaluations.at(-1);
        return last && evaluatedImages(run) === n ? show(last) : "–";
      },
    })),
  }));
}

const EVALUATED: readonly { readonly name: string; readonly show: (evaluation: Evaluation) => string }[] = [
  { name: "clean", show: (e) => percent(e.test_clean_acc) },
  { name: "FGSM", show: (e) => percent(e.test_fgsm_acc) },
  { name: PGD, show: (e) => percent(e.test_pgd_acc) },
  { name: "gradient alignment", show: (e) => decimals(e.gradient_alignment, 3) },
  { name: "cos δ", show: (e) => decimals(e.cos_fgsm_pgd, 3) },
];

/** What makes two attacks' figures comparable; a radius of null is that of the training. */
interface Comparable {
  readonly attack: string;
  readonly n: number;
  readonly epsilon: number | null;
}

function comparable({ config }: ReportRun, { attack, n, epsilon }: RobustnessRecord): Comparable {
  return { attack, n, epsilon: epsilon === config.epsilon ? null : epsilon };
}

function isSame(a: Comparable, b: Comparable): boolean {
  return a.attack === b.attack && a.n === b.n && a.epsilon === b.epsilon;
}

function distinct(kinds: readonly Comparable[]): Comparable[] {
  return kinds.filter((kind, i) => kinds.findIndex((other) => isSame(kind, other)) === i);
}

/** Every attack on the saved last model. */
export function lastRecords(run: ReportRun): RobustnessRecord[] {
  return run.robustness.filter((record) => record.which === "last");
}

/** Test images that evaluations during training use. */
export function evaluatedImages({ config: { dataset, evalExamples }, testImages }: ReportRun): number {
  return Math.min(evalExamples, testImages ?? (isDatasetName(dataset) ? datasets[dataset].splits.test : evalExamples));
}

/** The number of images in words. */
export function firstImages(n: number): string {
  return `first ${count(n)} test image${n === 1 ? "" : "s"}`;
}

function outcomeCell({ outcome, overfitting, config }: ReportRun): HtmlPart {
  if (overfitting)
    return html`<span class="bad">catastrophic overfitting, iteration ${count(overfitting.iteration)} (epoch ${overfitting.epoch.toFixed(1)})</span>`;
  if (outcome === null) return "–";
  if (outcome.kind === "healthy" && config.method.name === "standard") return "no adversary";
  return outcome.kind === "healthy" ? "no catastrophic overfitting" : html`<span class="bad">${outcome.kind}</span>`;
}

/** All settings; with several runs a column each, and the settings that differ stand out. */
export function settingsTable(runs: readonly ReportRun[]): Markup {
  return valuesTable(
    runs.map(({ config }) => describeSettings(config)),
    runs.length > 1 ? ["setting", ...runs.map(runName)] : [],
  );
}

/** Only where there are such: images whose logits are not finite. */
const NOT_FINITE = "not finite";
/** Only where images were held out. */
const VALIDATION = `validation ${PGD}`;

/** Only of runs that were watched. */
const [ATTACK_ALIGNMENT, FALLEN] = ["attack's alignment", "losses that fell"];

const EVALUATION_COLUMNS: readonly [string, (evaluation: Evaluation) => string][] = [
  ["iteration", (e) => count(e.iteration)],
  ["epoch", (e) => e.epoch.toFixed(2)],
  ["lr", (e) => e.lr.toPrecision(3)],
  ["train loss", (e) => decimals(e.train_loss, 3)],
  ["regulariser", (e) => decimals(e.train_reg, 4)],
  ["train acc.", (e) => percent(e.train_acc)],
  [`train ${PGD}`, (e) => percent(e.train_pgd_acc)],
  [VALIDATION, (e) => percent(selectionAccuracy(e))],
  ["clean", (e) => percent(e.test_clean_acc)],
  ["FGSM", (e) => percent(e.test_fgsm_acc)],
  [PGD, (e) => percent(e.test_pgd_acc)],
  ["FGSM loss", (e) => decimals(e.test_fgsm_loss, 3)],
  [`${PGD} loss`, (e) => decimals(e.test_pgd_loss, 3)],
  [NOT_FINITE, (e) => percent(e.non_finite)],
  ["alignment", (e) => decimals(e.gradient_alignment, 3)],
  ["cos δ", (e) => decimals(e.cos_fgsm_pgd, 3)],
  ["‖δ‖₂", (e) => decimals(e.delta_l2, 3)],
  [ATTACK_ALIGNMENT, (e) => decimals(e.attack_alignment, 3)],
  [FALLEN, (e) => percent(e.fallen_losses)],
];

/** Every evaluation in numbers, folded away. */
export function evaluationsTable(run: ReportRun, heading: string): Markup {
  const held = run.evaluations.some((evaluation) => evaluation.validation_pgd_acc !== undefined);
  const broken = run.evaluations.some((evaluation) => evaluation.non_finite > 0);
  const watched = run.evaluations.some(({ fallen_losses }) => fallen_losses !== undefined);
  const left = new Set([...(held ? [] : [VALIDATION]), ...(broken ? [] : [NOT_FINITE]), ...(watched ? [] : [ATTACK_ALIGNMENT, FALLEN])]);
  const columns = EVALUATION_COLUMNS.filter(([name]) => !left.has(name));
  return html`<details><summary>${heading}</summary><div class="scroll"><table>
<thead><tr>${columns.map(([name]) => html`<th class="number">${name}</th>`)}</tr></thead>
<tbody>${run.evaluations.map((evaluation) => html`<tr>${columns.map(([, show]) => html`<td class="number">${show(evaluation)}</td>`)}</tr>\n`)}</tbody>
</table></div></details>`;
}

function runName(run: ReportRun, i: number): Markup {
  return html`${lineSample(runStyle(i))}${i + 1} ${run.label}`;
}
