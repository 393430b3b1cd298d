/** @file The report of one evaluation, and of several side by side, as a self-contained HTML file. */
import type { Warning } from "@gradalign/robustness";
import { evaluationCommand, networkText } from "../evaluation/command.ts";
import { epsilonOf, fractionText } from "../evaluation/fraction.ts";
import type { EvaluationRecord } from "../evaluation/record.ts";
import type { EvaluationReport } from "../evaluation/report-data.ts";
import { aimText, boundsBelow, type ClassOutcome, classOutcomes, distanceText, imagesText, normName } from "../evaluation/summary.ts";
import type { Figure } from "../figures/curves.ts";
import { classFigure, comparedLines, type RadiusLine, radiusFigure, radiusLines, waterfallFigure } from "../figures/evaluation.ts";
import { runStyle } from "../figures/series.ts";
import { count, duration, percent } from "../words/format.ts";
import { type CsvRow, csvLink } from "./csv.ts";
import { accuracyTables } from "./evaluation-comparison.ts";
import { classTable, confusionTable, describeEvaluation, radiusTable, waterfallTable } from "./evaluation-tables.ts";
import { gallery } from "./gallery.ts";
import { type HtmlPart, html, type Markup } from "./html.ts";
import { htmlPage } from "./page.ts";
import { figureCard, lineSample, tileRow, valuesTable } from "./parts.ts";

/** Classes beyond which a figure shows the least robust ones. */
const MOST_CLASSES = 24;

/** The report of one evaluation; `document` is what figures are drawn in, `nodeDocument()` in Node. */
export function evaluationReport({ record, examples }: EvaluationReport, document: Document): string {
  const classes = classOutcomes(record);
  const confusion = confusionTable(record, classes);
  return htmlPage({
    title: `${networkText(record.model) ?? record.model.file} under ${record.attack}${aimText(record)}`,
    subtitle: `${threatText(record)}, ${imagesText(record.data)}`,
    body: html`<section aria-label="Outcome">
${tiles(record)}
<p class="note">${meaning(record)}</p>
</section>
<section id="warnings"><h2>Warnings</h2>${warnings(record)}</section>
<section><h2>What each attack left</h2>${outcomesCsv([{ label: "", record }])}
<div class="figures">${figureCard(waterfall(record), document)}${figureCard(radius(record), document)}</div>
${waterfallTable(record)}
<details><summary>Accuracy at smaller radii in numbers</summary>${radiusTable(record)}</details></section>
<section><h2>Classes</h2>${classesCsv(record, classes)}
<div class="figures">${figureCard(classFigures(record, classes), document)}</div>
${folded(classes.length > MOST_CLASSES, "All classes in numbers", classTable(record, classes))}
${confusion && html`<h3 class="table-title">What images are taken for in the end</h3><p class="caption">A row for each class, a column for each answer under attack; images that are answered wrongly already are counted with that answer.</p>${confusion}`}</section>
${gallery(record, examples)}
<section><h2>What was evaluated</h2>${valuesTable([describeEvaluation(record)])}
<h2>Get it again</h2><pre>${evaluationCommand(record)}</pre>
<p class="note">The same model, data, settings and version give the same outcome for every image; only times differ. Compare the hashes above.</p></section>`,
    footer: footer(record),
  });
}

/** One report of several evaluations: accuracies beside each other where they can be compared, and curves over each other. Labels must be distinct. */
export function compareEvaluations(reports: readonly EvaluationReport[], title: string, document: Document): string {
  const records = reports.map(({ record }) => record);
  const names = reports.map(({ label }, i) => html`${lineSample(runStyle(i))}${i + 1} ${label}`);
  return htmlPage({
    title,
    subtitle: `${reports.length} evaluations`,
    body: html`<section><h2>Accuracy</h2>${outcomesCsv(reports)}${accuracyTables(reports, names)}<p class="note">Only what was attacked in the same norm, at the same radius, on the same images stands in one table; + means: after the attacks to the left. ${INTERVALS}</p></section>
<section><h2>Accuracy against the radius</h2><div class="figures">${[...new Set(records.map(({ threat }) => threat.norm))].map((norm) =>
      figureCard(comparedRadius(reports, norm), document),
    )}</div></section>
<section id="warnings"><h2>Warnings</h2>${reports.map(({ record }, i) => html`<h3 class="table-title">${names[i]}</h3>${warnings(record)}`)}</section>
<section><h2>What was evaluated</h2>${valuesTable(records.map(describeEvaluation), ["", ...names])}
<h2>Get them again</h2><pre>${records.map(evaluationCommand).join("\n")}</pre></section>`,
    footer: footer(),
  });
}

const INTERVALS = "Intervals are Wilson's, 95 %.";

function threatText({ threat }: EvaluationRecord): string {
  return `${normName(threat.norm)}, ε = ${fractionText(threat.epsilon)}`;
}

function tiles(record: EvaluationRecord): Markup {
  const { outcomes, model, passes } = record;
  const robust = outcomes.filter((outcome) => outcome.robust).length;
  const clean = outcomes.filter((outcome) => outcome.clean).length;
  const interval = ([low, high]: readonly [number, number]) => `95 %: ${percent(low)} … ${percent(high)}`;
  return tileRow(`${model.file}, ${imagesText(record.data)}`, [
    ["clean accuracy", percent(record.cleanAccuracy), interval(record.cleanConfidence95)],
    ["robust accuracy", percent(record.robustAccuracy), interval(record.confidence95)],
    ["images", count(outcomes.length), `${count(clean)} right, ${count(clean - robust)} broken, ${count(robust)} stand`],
    ["norm and radius", `${normName(record.threat.norm)}, ${fractionText(record.threat.epsilon)}`, record.attack],
    ["passes", count(passes.forward + passes.backward), `${count(passes.forward)} forward, ${count(passes.backward)} backward`],
    ["time", duration(record.seconds), `seed ${record.seed}`],
  ]);
}

/** What the number means, and what was not a number. */
function meaning(record: EvaluationRecord): string {
  const broken = record.outcomes.filter(({ finite }) => !finite).length;
  const counted = record.selection === "success" ? "" : " Of several runs the one with the highest loss decides, as in the paper.";
  const infinite = broken === 0 ? "" : ` The logits of ${count(broken)} image${broken === 1 ? " are" : "s are"} not finite, which counts as a wrong answer.`;
  return (
    `Robust accuracy is the share of all images that are answered rightly as they are and that none of these attacks broke within ${threatText(record)}: ` +
    `an upper bound, as another attack may break more.${counted}${infinite} ${INTERVALS}`
  );
}

const CHECKS = "https://github.com/gradalign/gradalign/blob/main/docs/evaluation-checks.md";

function warnings({ warnings: found }: EvaluationRecord): HtmlPart {
  if (found.length === 0) return html`<p class="verdict"><strong>None.</strong> No check of this evaluation found a reason to doubt it.</p>`;
  return found.map(
    (warning) => html`<p class="verdict overfitted"><strong>${warning.id}</strong>${imagesOf(warning)}: ${warning.seen}
<span class="evidence"><a href="${CHECKS}#${warning.id}">What it means and what to do</a></span></p>\n`,
  );
}

function imagesOf({ images, of }: Warning): string {
  if (images === undefined) return "";
  return of === undefined ? `, ${count(images)} image${images === 1 ? "" : "s"}` : `, ${count(images)} of ${count(of)} images`;
}

function waterfall(record: EvaluationRecord): Figure {
  return {
    id: "waterfall",
    title: "Accuracy after each attack",
    caption: "Each attack is run on what those above it left: blue is left, red is what it broke. The line in a bar is the 95 % interval of what is left.",
    legend: [],
    panels: [{ title: "", options: waterfallFigure(record) }],
  };
}

function radius(record: EvaluationRecord): Figure {
  const lines = radiusLines(record);
  const words = (line: RadiusLine, i: number): string => (i === 0 ? "upper bound from what was found" : `estimate with ${line.name}`);
  return {
    id: "radius",
    title: "Accuracy against the radius",
    caption: `${boundWords(record)} ${record.curve.length > 0 ? ESTIMATED : ""}`,
    legend: lines.map((line, i) => ({ ...line, legend: words(line, i) })),
    panels: [{ title: "", options: radiusFigure(lines, [record], "Accuracy against the radius") }],
  };
}

/** What points of a record's curve are. */
const ESTIMATED = "Points are radii at which the attack named was tried on a few of the images that were left: estimates, which should fall to zero.";

/** What the bound rests on. */
function boundWords(record: EvaluationRecord): string {
  const epsilon = epsilonOf(record.threat.epsilon);
  const [, ...below] = boundsBelow(record, 2);
  const half = below[0] ? ` Half the radius, ${distanceText(record.threat.norm, epsilon / 2)}: at most ${percent(below[0].accuracy)}.` : "";
  return (
    "The line falls at the norm of each perturbation that was found, so it is an upper bound at radii up to ε (dotted) and says nothing beyond. FAB and FMN look for " +
    `small perturbations; the other attacks use all of ε, so that the line falls late.${half}`
  );
}

function comparedRadius(reports: readonly EvaluationReport[], norm: string): Figure {
  const styled = comparedLines(reports).filter(({ norm: own }) => own === norm);
  const title = `Accuracy against the radius, ${normName(norm)}`;
  return {
    id: `radius-${norm}`,
    title,
    caption: `Full lines fall at the norm of each perturbation that was found: upper bounds up to each evaluation's ε (dotted). ${ESTIMATED}`,
    legend: styled.map((line) => ({ ...line, legend: line.name })),
    panels: [
      {
        title: "",
        options: radiusFigure(
          styled,
          reports.map(({ record }) => record).filter(({ threat }) => threat.norm === norm),
          title,
        ),
      },
    ],
  };
}

function classFigures(record: EvaluationRecord, classes: readonly ClassOutcome[]): Figure {
  const some = classes.length > MOST_CLASSES ? ` The ${MOST_CLASSES} least robust of ${classes.length} classes.` : "";
  return {
    id: "classes",
    title: "Accuracy of each class under attack",
    caption: `Blue is what stands, red what was broken; the rest was answered wrongly already. The line in a bar is the 95 % interval of what stands.${some}`,
    legend: [],
    panels: [{ title: "", options: classFigure(record, classes, MOST_CLASSES) }],
  };
}

function folded(fold: boolean, heading: string, content: Markup): Markup {
  return fold ? html`<details><summary>${heading}</summary>${content}</details>` : content;
}

/** What became of every image, to be saved. */
function outcomesCsv(reports: readonly Pick<EvaluationReport, "label" | "record">[]): Markup {
  const rows = reports.flatMap(({ label, record }) =>
    record.outcomes.map((outcome): CsvRow => (label === "" ? { ...outcome } : { evaluation: label, ...outcome })),
  );
  return csvLink("images.csv", "Every image's outcome as CSV", rows);
}

function classesCsv(record: EvaluationRecord, classes: readonly ClassOutcome[]): Markup {
  const rows = classes.map(
    ({ label, clean, robust, answers }): CsvRow => ({
      class: label,
      name: record.data.classNames[label],
      images: clean.of,
      clean: clean.count,
      robust: robust.count,
      ...Object.fromEntries(answers.map(({ predicted, count: images }) => [`answered_${predicted}`, images])),
    }),
  );
  return csvLink("classes.csv", "These numbers as CSV", rows);
}

function footer(record?: EvaluationRecord): string {
  return record ? `Made by gradalign ${record.code.version}; the evaluation was finished ${record.written}.` : "Made by gradalign.";
}
