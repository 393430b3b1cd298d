/** @file A classifier that is constant in small steps, or whose input gradients are of one size: gradients say nothing about where to go. */
import type { Subject } from "../attack-rounds.ts";
import type { Check } from "./check.ts";
import { ROWS } from "./probe.ts";

/** How far each pixel moves: a quarter of a level of an 8-bit image. */
const STEP = 1 / 1024;
/** Share of a gradient's entries of one absolute value that no smooth classifier has. */
const ONE_SIZE = 0.9;

/** On more than half of the images a small step changes no bit of the logits, or nearly all of the gradient has one size. */
export const quantizedGradients: Check = {
  id: "quantized-gradients",
  async before({ probe }) {
    const subjects = probe.subjects.slice(0, ROWS);
    const clean = await probe.clean();
    const gradients = await probe.gradients(subjects);
    const moved = await probe.answers(subjects.map((subject, i) => step(subject, gradients[i] as Float32Array)));
    const flat = moved.filter(({ logits, finite }, i) => finite && logits.every((value, k) => value === clean[i]?.logits[k])).length;
    const coarse = gradients.filter((gradient) => commonest(gradient) > ONE_SIZE).length;
    const of = subjects.length;
    const images = Math.max(flat, coarse);
    if (2 * images <= of) return null;
    const seen = [
      ...(2 * flat > of ? [`moving every pixel by 1/1024 along the gradient changes no bit of the logits of ${flat} of ${of} images`] : []),
      ...(2 * coarse > of ? [`more than ${100 * ONE_SIZE} % of the gradient's entries have the same size on ${coarse} of ${of} images`] : []),
    ];
    return { seen: seen.join("; "), images, of };
  },
};

/** The image a step up the gradient, or to alternating sides where that is zero. */
function step(subject: Subject, gradient: Float32Array): Subject {
  const image = subject.image.map((value, i) => Math.min(1, Math.max(0, value + STEP * (Math.sign(gradient[i] as number) || (i % 2 === 0 ? 1 : -1)))));
  return { ...subject, image };
}

/** The share of the commonest absolute value in a gradient; 0 if all of it is zero or some is not finite: other checks tell these. */
function commonest(gradient: Float32Array): number {
  if (!gradient.every(Number.isFinite)) return 0;
  const counts = new Map<number, number>();
  for (const value of gradient) counts.set(Math.abs(value), (counts.get(Math.abs(value)) ?? 0) + 1);
  let most = 0;
  for (const count of counts.values()) most = Math.max(most, count);
  return counts.get(0) === gradient.length ? 0 : most / gradient.length;
}
