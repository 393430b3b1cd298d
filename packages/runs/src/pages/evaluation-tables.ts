/** @file The tables of an evaluation: attacks, radii, classes, and all that decides the numbers. */
import { networkText } from "../evaluation/command.ts";
import { fractionText } from "../evaluation/fraction.ts";
import type { EvaluationRecord } from "../evaluation/record.ts";
import { boundsBelow, type ClassOutcome, className, distanceText, imagesText, normName, type Share, targetsText, waterfall } from "../evaluation/summary.ts";
import { count, duration, engineName, percent } from "../words/format.ts";
import { type HtmlPart, html, type Markup } from "./html.ts";
import { table } from "./parts.ts";

/** Radii at which a table gives the bound, from 0 to ε. */
const TABLE_STEPS = 8;
/** So many classes fit beside each other. */
const MOST_COLUMNS = 20;

const number = (part: HtmlPart): Markup => html`<td class="number">${part}</td>`;
const heading = (part: HtmlPart): Markup => html`<th class="number">${part}</th>`;

/** A name, cut where it is long. */
const nameCell = (name: string, kind = ""): Markup => html`<th class="wrap ${kind}" title="${name}">${name}</th>`;

/** A share's 95 % interval. */
export function intervalText({ interval: [low, high] }: Pick<Share, "interval">): string {
  return `${percent(low)} … ${percent(high)}`;
}

/** What each attack was run on, what it broke and what is left. */
export function waterfallTable(record: EvaluationRecord): Markup {
  return table(
    html`<th>attack</th>${["attacked", "broken", "left", "accuracy", "95 % interval", "forward passes", "backward passes", "time"].map(heading)}`,
    waterfall(record).map(({ stage, left }) => {
      const cells = [
        ...(stage ? [count(stage.attacked), count(stage.broken)] : ["–", "–"]),
        ...[count(left.count), percent(left.share), intervalText(left)],
        ...(stage ? [count(stage.passes.forward), count(stage.passes.backward), duration(stage.seconds)] : ["–", "–", "–"]),
      ];
      return html`<tr>${nameCell(stage?.attack ?? "no attack")}${cells.map(number)}</tr>\n`;
    }),
  );
}

/** The bound at a few radii, and every point that was computed. */
export function radiusTable(record: EvaluationRecord): Markup {
  const { norm } = record.threat;
  const bounds = boundsBelow(record, TABLE_STEPS).map((point) => ({ ...point, by: "at most, by what was found" }));
  const computed = [...record.curve].sort((a, b) => a.epsilon - b.epsilon).map(({ attack, ...point }) => ({ ...point, by: `about, with ${attack}` }));
  return table(
    html`${heading("radius")}${heading("accuracy")}<th></th>`,
    [...bounds, ...computed].map(
      ({ epsilon, accuracy, by }) => html`<tr>${number(distanceText(norm, epsilon))}${number(percent(accuracy))}<td>${by}</td></tr>\n`,
    ),
  );
}

/** How each class fares, and what its images are taken for. */
export function classTable(record: EvaluationRecord, classes: readonly ClassOutcome[]): Markup {
  return table(
    html`<th>class</th>${["images", "clean", "95 % interval", "robust", "95 % interval"].map(heading)}<th>in the end most often taken for</th>`,
    classes.map(({ label, clean, robust, answers }) => {
      const others = answers.filter(({ predicted }) => predicted !== label).slice(0, 3);
      const words = others.map(({ predicted, count: images }) => `${className(record, predicted)} (${count(images)})`).join(", ");
      return html`<tr>${nameCell(className(record, label))}${number(count(clean.of))}${number(percent(clean.share))}${number(intervalText(clean))}${number(
        percent(robust.share),
      )}${number(intervalText(robust))}<td>${words || "–"}</td></tr>\n`;
    }),
  );
}

/** A row for each class, a column for each answer under attack; undefined where there are too many. */
export function confusionTable(record: EvaluationRecord, classes: readonly ClassOutcome[]): Markup | undefined {
  const labels = [...new Set(classes.flatMap(({ label, answers }) => [label, ...answers.map(({ predicted }) => predicted)]))].sort((a, b) => a - b);
  if (labels.length > MOST_COLUMNS) return undefined;
  return html`<div class="scroll"><table class="confusion"><thead><tr><th>class</th>${labels.map((label) => html`${nameCell(className(record, label), "number")}`)}</tr></thead>
<tbody>${classes.map(
    ({ label, answers, clean }) =>
      html`<tr>${nameCell(className(record, label))}${labels.map((predicted) => {
        const images = answers.find((answer) => answer.predicted === predicted)?.count ?? 0;
        const color = predicted === label ? "var(--fine)" : "var(--alarm)";
        // Pale enough for the text on it.
        const share = Math.round((40 * images) / clean.of);
        return html`<td class="number" style="background: color-mix(in srgb, ${color} ${share}%, var(--surface))">${images === 0 ? "·" : count(images)}</td>`;
      })}</tr>\n`,
  )}</tbody></table></div>`;
}

/** All that decides an evaluation's numbers, as name and value. */
export function describeEvaluation(record: EvaluationRecord): [string, string][] {
  const { model, data, threat, machine, code } = record;
  const { normalization, checkpoint } = model;
  return [
    ["model", model.file],
    ["format", model.format],
    ["model SHA-256", model.sha256],
    ["architecture", networkText(model) ?? "the graph in the file"],
    ...(checkpoint ? [["checkpoint", `${checkpoint.which}, iteration ${count(checkpoint.iteration)}`] as [string, string]] : []),
    ["parameters", count(model.parameters)],
    ["normalisation", normalization ? `mean ${normalization.mean.join(", ")}; std ${normalization.std.join(", ")}` : "none beside the model's own"],
    ["batch norm", model.batchNorm === "none" ? "none" : `${model.batchNorm} statistics`],
    ["data", imagesText(data)],
    ["data fingerprint", data.fingerprint],
    ["norm", normName(threat.norm)],
    ["ε", fractionText(threat.epsilon)],
    ["attack", record.attack],
    ...record.stages.map(({ attack, paper, options }, i): [string, string] => [
      `${i + 1}. ${attack}`,
      `${Object.entries(options)
        .map(([name, value]) => `${name} ${value}`)
        .join(", ")} (${paper})`,
    ]),
    ...(record.targets === undefined ? [] : [["has to be taken for", targetsText(record)] as [string, string]]),
    ["counts as broken", record.selection === "success" ? "an image that any run breaks" : "an image whose run with the highest loss breaks it"],
    ["seed", String(record.seed)],
    ["passes", `${count(record.passes.forward)} forward, ${count(record.passes.backward)} backward`],
    ["code", code.commit === null ? `gradalign ${code.version}` : `gradalign ${code.version}, commit ${code.commit.slice(0, 12)}`],
    [
      "arithmetic",
      Object.entries(record.arithmetic)
        .map(([name, value]) => `${name} ${value}`)
        .join(", ") || "–",
    ],
    ["machine", `${machine.processor}, ${engineName(machine.node)}, ${machine.backend}, ${machine.threads} thread${machine.threads === 1 ? "" : "s"}`],
    ["time", duration(record.seconds)],
    ["finished", record.written],
    ["evaluation id", record.id],
  ];
}
