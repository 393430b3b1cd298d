/**
 * @file The paper's numbers that pages compare with ours, each with its place and how it was obtained.
 *
 * `printed`: stands in the paper's text or tables. `read-off`: taken from a figure, good to about 0.3 points of accuracy or 0.02 of
 * a cosine. `derived`: follows from a printed formula. Numbers known only from other sources are left out.
 */
import type { PaperNumber, Trust } from "./experiment.ts";

const number = (trust: Trust, where: string, value: number, extra: Partial<PaperNumber> = {}): PaperNumber => ({ value, where, trust, ...extra });
const printed = (where: string, value: number, extra?: Partial<PaperNumber>) => number("printed", where, value, extra);
const readOff = (where: string, value: number, extra?: Partial<PaperNumber>) => number("read-off", where, value, extra);
const percent = (value: number, where: string, deviation?: number) => printed(where, value, { unit: "%", ...(deviation === undefined ? {} : { deviation }) });

/** Numbers by experiment and name. */
export const PAPER_NUMBERS = {
  lemma1: {
    boundAtZero: number("derived", "Eq. 4 at α = 0", 1 / Math.sqrt(3)),
    boundAtRecommended: number("derived", "Eq. 4 at α = 1.25 ε", 0.8883),
    boundAtTwo: number("derived", "Eq. 4 at α = 2 ε", 1),
    levelsAtRecommended: printed("section 3, ε = 8/255, α = 1.25 ε: about 7/255 per pixel", 7),
  },
  lemma2: {
    least: printed("Lemma 2", 0.5),
    atOne: number("derived", "Lemma 2, p = 27, ε = 1/255", 0.902),
    atFour: number("derived", "Lemma 2, p = 27, ε = 4/255", 0.806),
    atEight: number("derived", "Lemma 2, p = 27, ε = 8/255", 0.725),
    atSixteen: number("derived", "Lemma 2, p = 27, ε = 16/255", 0.612),
  },
  corners: {
    fgsm: percent(0, "section 3, ε = 8/255, 5 seeds, last model", 0),
    "pgd-10": percent(50.48, "section 3, ε = 8/255, 5 seeds", 0.2),
    "pgd-10 corners": percent(50.64, "section 3, ε = 8/255, 5 seeds", 0.23),
  },
  table1: {
    fgsm: percent(36.35, "Table 1, ε = 8/255, early stopping, 5 seeds", 1.74),
    "fgsm, smaller step": percent(45.35, "Table 1, α = 7/255, ε = 8/255, early stopping, 5 seeds", 0.48),
    "fgsm-rs": percent(45.6, "Table 1, ε = 8/255, early stopping, 5 seeds", 0.19),
  },
  fig4: {
    overfittingEpoch: printed("section 4: around epoch 23 of 30", 23, { unit: "epoch" }),
    pgdBefore: percent(40.1, "section 4, before catastrophic overfitting"),
    pgdAfter: percent(0, "section 4, after it"),
    fgsmBefore: percent(43.5, "section 4, before it"),
    fgsmAfter: percent(86.7, "section 4, after it"),
    alignmentInitial: printed("section 4, at initialisation", 0.85),
    alignmentBefore: printed("section 4, before it", 0.95),
    alignmentAfter: printed("section 4, after it", 0.05),
    lossRatioBefore: printed("section 4: mean PGD loss over mean FGSM loss before it, at most", 1.05),
    cosineAfter: readOff("Figure 4, FGSM, cos(δ FGSM, δ PGD) at the end", 0.05),
    pgdTrainingFgsm: readOff("Figure 4, PGD-10 training, FGSM accuracy at the end", 56, { unit: "%" }),
    pgdTrainingPgd: readOff("Figure 4, PGD-10 training, PGD accuracy at the end", 52, { unit: "%" }),
    pgdTrainingAlignment: readOff("Figure 4, PGD-10 training, alignment at the end", 0.95),
    standardAlignment: readOff("Figure 4, standard training, alignment at the end", 0.42),
    standardCosine: readOff("Figure 4, standard training, cos(δ FGSM, δ PGD) at the end", 0.15),
  },
  cnn: {
    overfittingEpoch: readOff("Figures 6 and 11", 6, { unit: "epoch" }),
    pgdBefore: readOff("Figure 11, before catastrophic overfitting", 18, { unit: "%" }),
    pgdAfter: readOff("Figure 11, at the end", 0, { unit: "%" }),
    fgsmAfter: readOff("Figure 11, at the end", 46.5, { unit: "%" }),
    alignmentInitial: readOff("Figure 11, at the beginning", 0.97),
    alignmentEnd: readOff("Figure 11, at the end", 0.11),
    alignmentAfter: printed("section 4, after catastrophic overfitting", 0.08),
    alignmentZeroed: printed("section 4, after it, with the grown filter set to zero", 0.71),
    cosineEnd: readOff("Figure 11, cos(δ FGSM, δ PGD) at the end", 0.05),
    grownFilterFirst: readOff("Figure 6, norm of w4 at epoch 1", 1.07),
    grownFilterLast: readOff("Figure 6, norm of w4 at epoch 30", 3.33),
    otherFilterLast: readOff("Figure 6, largest norm of the other filters at epoch 30", 0.66),
    grownOutgoingFirst: readOff("Figure 6, norm of w4's outgoing weights at epoch 1", 1.8),
    grownOutgoingLast: readOff("Figure 6, norm of w4's outgoing weights at epoch 30", 17.7),
    otherOutgoingLast: readOff("Figure 6, largest norm of the others' outgoing weights at epoch 30", 2.6),
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, PaperNumber>>>>;

/** A curve of figures 1 and 8, read off: PGD-50-10 (or clean) accuracy in % by radius in 1/255. */
export interface PaperCurve {
  readonly dataset: "cifar10" | "svhn";
  /** The method's name in the experiments' grid. */
  readonly method: string;
  readonly stopping: "none" | "early";
  readonly quantity: "pgd-50-10" | "clean";
  readonly points: Readonly<Record<number, number>>;
}

const from = (first: number, ...values: readonly number[]): Record<number, number> => Object.fromEntries(values.map((value, i) => [first + i, value]));

/** Figures 1 and 8 (5 seeds). Half-hidden markers are good to about one point. */
export const PAPER_CURVES: readonly PaperCurve[] = [
  curve("cifar10", "pgd-10", "none", from(1, 86.5, 80, 74.8, 67.8, 62.8, 58.2, 54, 50, 47.1, 44, 41.9, 39.3, 37.3, 35.5, 34.5, 33.2)),
  curve("cifar10", "fgsm-gradalign", "none", from(1, 84.5, 78, 72.7, 66, 60.5, 55.6, 51.4, 47.5, 43.7, 40.7, 37.4, 35.5, 33, 31.7, 30.7, 28.9)),
  curve("cifar10", "fgsm-gradalign", "none", from(1, 91.4, 90.6, 89.5, 87.9, 86.6, 84.5, 83.1, 81, 79.1, 77, 74.6, 71.6, 68.2, 64.9, 61.9, 58.4), "clean"),
  curve("cifar10", "free", "none", { ...from(1, 81.5, 74.4, 68.5, 62.3, 57.5, 52.3, 49.2, 45.8), ...from(11, 30.1, 0, 0, 0, 0, 0) }),
  curve("cifar10", "free", "none", from(1, 89.1, 87.9, 86.4, 85.1, 82.8, 81.2, 79.4, 77.9, 75.7, 73.6, 72.3, 53.8, 37.1, 54.6, 43.1, 48.1), "clean"),
  curve("cifar10", "pgd-2", "none", from(9, 45.4, 42.3, 39.5, 31.5, 28.8, 20.6, 18.3, 9.9)),
  curve("cifar10", "fgsm-rs", "none", { 6: 54, 9: 40.6, ...from(10, 0, 0, 0, 5.7, 5.2, 6.2, 0) }),
  curve("cifar10", "fgsm", "none", { ...from(7, 31, 0, 0, 7.6, 0), 14: 5 }),
  curve("cifar10", "fgsm", "early", { 8: 37.4, 9: 33.4, 11: 28, 12: 25, 14: 20.6, 15: 19.7, 16: 12.3 }),
  curve("cifar10", "fgsm-rs", "early", { 8: 44.5, 9: 40.8, 10: 32.5, 11: 29.8, 12: 26.5, 13: 25, 15: 21.8 }),
  curve("cifar10", "free", "early", { 8: 45.6, 11: 35.7, 12: 30.5, 13: 26.9, 14: 23.2, 15: 23.9, 16: 21 }),
  curve("cifar10", "pgd-2", "early", { 12: 37, 15: 29, 16: 27 }),
  curve("svhn", "pgd-10", "none", from(4, 73.9, 67.6, 62.2, 57.4, 52.1, 48.3, 44.8, 41.1, 38.4)),
  curve("svhn", "fgsm-gradalign", "none", from(1, 92.8, 86.4, 79.4, 71.2, 63.6, 55.9, 49.3, 42.1, 36.2, 32.2, 27.8, 24.1)),
  curve("svhn", "fgsm-gradalign", "none", from(1, 96.8, 96.6, 96.5, 95.9, 95, 94.4, 93.2, 92.3, 91.7, 90.6, 90, 88.5), "clean"),
  curve("svhn", "pgd-2", "none", from(5, 65.6, 59, 52.8, 47.3, 40.8, 34, 19.5, 14.4)),
  curve("svhn", "fgsm-rs", "none", { 4: 69.5, 6: 55, 7: 12.9, ...from(8, 0, 0, 0, 0, 0) }),
  curve("svhn", "fgsm", "none", { 5: 29, 6: 0.5, ...from(7, 0, 0, 0, 0, 0, 0) }),
  curve("svhn", "free", "none", from(7, 54, 43, 38, 19.3, 18.5, 18.5)),
];

function curve(
  dataset: PaperCurve["dataset"],
  method: string,
  stopping: PaperCurve["stopping"],
  points: Record<number, number>,
  quantity: PaperCurve["quantity"] = "pgd-50-10",
): PaperCurve {
  return { dataset, method, stopping, quantity, points };
}

/** The point of a curve as a number of the paper; undefined where the figure cannot be read. */
export function paperPoint(
  dataset: string,
  method: string,
  stopping: "none" | "early",
  quantity: PaperCurve["quantity"],
  eps: number,
): PaperNumber | undefined {
  const found = PAPER_CURVES.find((c) => c.dataset === dataset && c.method === method && c.stopping === stopping && c.quantity === quantity);
  const value = found?.points[eps];
  return value === undefined ? undefined : readOff(stopping === "early" ? "Figure 1, right" : "Figures 1 and 8", value, { unit: "%" });
}

/** A number of the paper with its unit and deviation. */
export function paperValue({ value, unit, deviation }: PaperNumber): string {
  const number = unit === "%" ? value.toFixed(deviation === undefined && Number.isInteger(value * 10) ? 1 : 2) : String(Number(value.toPrecision(4)));
  const suffix = unit === "%" ? " %" : "";
  return `${number}${deviation === undefined ? "" : ` ± ${deviation.toFixed(2)}`}${suffix}`;
}
