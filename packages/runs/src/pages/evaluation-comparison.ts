/** @file Accuracies of several evaluations beside each other: models by attacks. */

import { fractionText } from "../evaluation/fraction.ts";
import type { EvaluationRecord } from "../evaluation/record.ts";
import type { EvaluationReport } from "../evaluation/report-data.ts";
import { aimText, imagesText, normName, type WaterfallStep, waterfall } from "../evaluation/summary.ts";
import { percent } from "../words/format.ts";
import { intervalText } from "./evaluation-tables.ts";
import { type HtmlPart, html, type Markup } from "./html.ts";

/** What must be equal for accuracies to stand in one table: the threat, the targets, and the images. */
function setting({ threat, targets, data }: EvaluationRecord): string {
  const { name, split, fingerprint, first, count } = data;
  return JSON.stringify([threat.norm, threat.epsilon.numerator / threat.epsilon.denominator, targets ?? null, name, split, fingerprint, first, count]);
}

/** The attacks up to a step of the waterfall, with their constants: what an accuracy in a column was measured by. */
function attacksUntil({ stages, selection }: EvaluationRecord, step: number): string {
  return JSON.stringify([step === 0 ? "" : selection, stages.slice(0, step).map(({ attack, options }) => [attack, options])]);
}

interface Column {
  readonly key: string;
  readonly name: string;
}

/** A table for each threat and set of images, a row for each evaluation, a column for each list of attacks. */
export function accuracyTables(reports: readonly EvaluationReport[], names: readonly HtmlPart[]): Markup[] {
  const numbered = reports.map(({ record }, i) => ({ record, name: names[i], steps: waterfall(record) }));
  return [...new Set(reports.map(({ record }) => setting(record)))].map((shared) => {
    const rows = numbered.filter(({ record }) => setting(record) === shared);
    const [{ record: first }] = rows as [(typeof rows)[number]];
    const columns = columnsOf(rows.map(({ record }) => record));
    return html`<h3 class="table-title">${normName(first.threat.norm)}, ε = ${fractionText(first.threat.epsilon)}, ${imagesText(first.data)}${aimText(first)}</h3>
<div class="scroll"><table class="summary"><thead><tr><th>evaluation</th>${columns.map(({ name }) => html`<th class="number">${name}</th>`)}<th class="number">robust</th><th class="number">95 % interval</th><th class="number">warnings</th></tr></thead>
<tbody>${rows.map(({ record, name, steps }) => {
      const known = new Map(steps.map((step, i) => [attacksUntil(record, i), step]));
      const last = steps.at(-1) as WaterfallStep;
      return html`<tr><th>${name}</th>${columns.map(({ key }) => html`<td class="number">${percent(known.get(key)?.left.share)}</td>`)}<td class="number"><b>${percent(
        last.left.share,
      )}</b></td><td class="number">${intervalText(last.left)}</td><td class="number">${
        record.warnings.length > 0 ? html`<span class="bad">${record.warnings.length}</span>` : "0"
      }</td></tr>\n`;
    })}</tbody></table></div>`;
  });
}

/** Every list of attacks that some evaluation has come through, each after those that it begins with. */
function columnsOf(records: readonly EvaluationRecord[]): Column[] {
  const columns: (Column & { readonly list: readonly string[] })[] = [];
  for (const record of records) {
    const { stages } = record;
    for (let step = 0; step <= stages.length; step++) {
      const key = attacksUntil(record, step);
      if (columns.some((column) => column.key === key)) continue;
      const before = step === 0 ? -1 : columns.findIndex((column) => column.key === attacksUntil(record, step - 1));
      // A list goes on right of what it begins with; another one that begins so has its place behind it.
      const at = before === columns.length - 1 ? columns.length : columns.findIndex(({ list }, i) => i > before && list.length < step);
      columns.splice(at < 0 ? columns.length : at, 0, { key, name: "", list: stages.slice(0, step).map(({ attack }) => attack) });
    }
  }
  return columns.map(({ key, list }, i) => {
    const goesOn = list.length > 1 && columns[i - 1]?.list.length === list.length - 1;
    return { key, name: list.length === 0 ? "clean" : goesOn ? `+ ${list.at(-1)}` : list.join(" + ") };
  });
}
