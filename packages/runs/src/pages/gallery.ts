/** @file A gallery of attacked images: each as it is, its perturbation, and what the classifier answers to the two. */

import { epsilonOf } from "../evaluation/fraction.ts";
import type { EvaluationRecord } from "../evaluation/record.ts";
import type { ExampleImage } from "../evaluation/report-data.ts";
import { chosenImages, className, distanceText, normName } from "../evaluation/summary.ts";
import { count } from "../words/format.ts";
import { html, type Markup } from "./html.ts";
import { isPicture, pngAddress, reductionOf } from "./png.ts";

/** The first images that each attack broke, and the first that stand, as far as they are at hand. */
export function gallery(record: EvaluationRecord, examples: readonly ExampleImage[]): Markup {
  const images = new Map(examples.map((example) => [example.index, example]));
  const [first] = examples;
  const kinds = chosenImages(record);
  const title = html`<h2>Images</h2>`;
  if (kinds.length === 0) return html`<section>${title}<p class="note">No image was answered rightly, so none was attacked.</p></section>`;
  if (!first || !isPicture(first.shape)) {
    const why = first ? `Images of ${first.shape[0]} channels are not shown.` : "The images were not at hand when this page was made.";
    return html`<section>${title}<p class="note">${why}</p></section>`;
  }
  const square = reductionOf(first.shape);
  const smaller = square > 1 ? ` Of each square of ${square} × ${square} pixels one is shown.` : "";
  return html`<section id="images">${title}
<p class="caption">From left to right: the image, what was added to it, and the sum. ${scaling(record)} Grey is no change.
Chosen by number: the first that each attack broke, and the first that stand.${smaller}</p>
${kinds.map(({ attack, total, outcomes }) => {
  const shown = outcomes.flatMap((outcome) => {
    const example = images.get(outcome.index);
    return example ? [exampleFigure(record, example, outcome)] : [];
  });
  const heading = attack === null ? `Not broken: ${count(total)}` : `Broken by ${attack}: ${count(total)}`;
  return (
    shown.length > 0 &&
    html`<h3 class="tiles-title gallery-title">${heading} of ${count(record.outcomes.length)} images</h3><div class="gallery">${shown}</div>\n`
  );
})}</section>`;
}

/** What the picture of a perturbation is multiplied with; in l-infinity the same for all, so that they can be compared. */
function amplification({ threat }: EvaluationRecord, perturbation: ArrayLike<number>): number {
  const epsilon = epsilonOf(threat.epsilon);
  if (threat.norm === "linf") return epsilon > 0 ? 0.5 / epsilon : 1;
  const largest = Array.from(perturbation).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return largest > 0 ? 0.5 / largest : 1;
}

function scaling(record: EvaluationRecord): string {
  return record.threat.norm === "linf"
    ? `What was added is amplified ${factorText(amplification(record, []))} times: ±ε is white or black.`
    : "What was added is amplified until its largest value is white or black; the factor is given.";
}

function exampleFigure(record: EvaluationRecord, { shape, image, perturbed }: ExampleImage, outcome: EvaluationRecord["outcomes"][number]): Markup {
  const { index, label, predicted, brokenBy, run, norm, finite } = outcome;
  const right = className(record, label);
  const picture = (values: ArrayLike<number>, words: string, keepLargest = false): Markup =>
    html`<img src="${pngAddress({ shape, values }, keepLargest)}" alt="${words}">`;
  if (brokenBy === null || perturbed === null) {
    return html`<figure class="example"><div class="pictures">${picture(image, `Image ${index}: ${right}`)}</div>
<figcaption>image ${index}<br><b class="good">${right}</b>${brokenBy !== null && html` → <b class="bad">${className(record, predicted)}</b>`}</figcaption></figure>\n`;
  }
  const delta = Array.from(image, (value, i) => (perturbed[i] as number) - value);
  const factor = amplification(record, delta);
  const answer = finite ? className(record, predicted) : "not finite";
  return html`<figure class="example"><div class="pictures">${picture(image, `Image ${index} as it is: ${right}`)}${picture(
    delta.map((value) => 0.5 + factor * value),
    "What was added",
    true,
  )}${picture(perturbed, `Image ${index} under attack: answered as ${answer}`)}</div>
<figcaption>image ${index}: <b class="good">${right}</b> → <b class="bad">${answer}</b><br>${brokenBy}${run !== null && run > 0 && `, run ${run + 1}`}, ${normName(
    record.threat.norm,
  )} norm ${distanceText(record.threat.norm, norm)}${record.threat.norm !== "linf" && `, × ${factorText(factor)}`}</figcaption></figure>\n`;
}

function factorText(factor: number): string {
  return factor >= 100 ? factor.toFixed(0) : factor.toFixed(1);
}
