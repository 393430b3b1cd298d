/** @file The loss around an image on a grid of two perturbations, after the loss surfaces of the literature: from above, and along FGSM's. */
import * as Plot from "@observablehq/plot";
import type { FigureOptions } from "./draw.ts";

/** Losses on a square grid, row by row; along a row the steps go along FGSM's perturbation. */
export interface LossGrid {
  /** Points along each side. */
  readonly size: number;
  /** Where both coordinates begin and end: 0 is the image, 1 its full perturbation. */
  readonly from: number;
  readonly to: number;
  readonly losses: ArrayLike<number>;
}

const lossAt = ({ size, from, to, losses }: LossGrid, along: number, across: number): number => {
  const place = (coordinate: number): number => Math.round(((coordinate - from) / (to - from)) * (size - 1));
  return losses[place(across) * size + place(along)] as number;
};

/** The grid from above: lighter is a higher loss. */
export function surfaceFigure(grid: LossGrid & { readonly across: string; readonly width: number }): FigureOptions {
  const { size, from, to, across, width } = grid;
  const losses = Array.from(grid.losses);
  const [low, high] = [Math.min(...losses), Math.max(...losses)];
  const marks = [{ x: 0, y: 0, name: "image" }, { x: 1, y: 0, name: "FGSM" }, ...(across === "PGD" ? [{ x: 0, y: 1, name: "PGD" }] : [])];
  return {
    ariaLabel: "Loss around the image",
    ariaDescription: `From ${low.toFixed(2)} to ${high.toFixed(2)}; ${marks.map(({ x, y, name }) => `${name}: ${lossAt(grid, x, y).toFixed(2)}`).join(", ")}.`,
    width,
    height: Math.min(width, 300),
    marginLeft: 44,
    marginBottom: 40,
    marginRight: 10,
    marginTop: 12,
    x: { label: "along FGSM's δ", domain: [from, to], ticks: [0, 0.5, 1], labelAnchor: "center", labelArrow: "none", labelOffset: 34 },
    y: {
      label: `along ${across === "PGD" ? "PGD's δ" : across}`,
      domain: [from, to],
      ticks: [0, 0.5, 1],
      labelAnchor: "center",
      labelArrow: "none",
      labelOffset: 38,
    },
    color: { type: "linear", scheme: "viridis", domain: [low, Math.max(high, low + 1e-6)] },
    marks: [
      // Of losses that are all the same there are no contours.
      Plot.rect([low], { x1: from, y1: from, x2: to, y2: to, fill: Plot.identity }),
      Plot.contour(losses, { width: size, height: size, x1: from, y1: from, x2: to, y2: to, fill: Plot.identity, thresholds: 14, stroke: "none" }),
      Plot.dot(marks, { x: "x", y: "y", r: 3.5, fill: "white", stroke: "black" }),
      Plot.text(marks, { x: "x", y: "y", text: "name", dy: -11, fill: "white", stroke: "black", strokeWidth: 3, fontWeight: 600 }),
    ],
  };
}

/** The loss along FGSM's perturbation, and what the gradient at the image promises: where they part, FGSM is fooled. */
export function sliceFigure(grid: LossGrid & { readonly most: number; readonly width: number }): FigureOptions {
  const { size, from, to, most, width } = grid;
  const points = Array.from({ length: size }, (_, i) => {
    const along = from + ((to - from) * i) / (size - 1);
    return { along, loss: lossAt(grid, along, 0) };
  });
  const [start, end] = [lossAt(grid, 0, 0), lossAt(grid, 1, 0)];
  // Neighbours on the grid stand for the gradient at the image.
  const step = (to - from) / (size - 1);
  const slope = (lossAt(grid, step, 0) - lossAt(grid, -step, 0)) / (2 * step);
  const promised = [0, to].map((along) => ({ along, loss: start + slope * along }));
  const top = points.filter(({ along }) => along >= 0 && along <= 1).reduce((best, point) => (point.loss > best.loss ? point : best));
  return {
    ariaLabel: "Loss along FGSM's perturbation",
    ariaDescription: `At the image ${start.toFixed(2)}, at FGSM's perturbation ${end.toFixed(2)}; highest between them ${top.loss.toFixed(2)}, at ${top.along.toFixed(2)} of it.`,
    width,
    height: 150,
    marginLeft: 44,
    marginBottom: 36,
    marginRight: 10,
    marginTop: 16,
    x: { label: "along FGSM's δ", domain: [from, to], ticks: [0, 0.5, 1], labelAnchor: "center", labelArrow: "none", labelOffset: 32 },
    y: { label: "loss", domain: [0, most], grid: true, ticks: 4 },
    marks: [
      Plot.ruleX([0, 1], { stroke: "var(--muted)", strokeDasharray: "2,3" }),
      Plot.lineY(promised, { x: "along", y: "loss", stroke: "var(--muted)", clip: true }),
      Plot.lineY(points, { x: "along", y: "loss", stroke: "var(--fgsm)", strokeWidth: 2 }),
      Plot.dot([top], { x: "along", y: "loss", fill: "var(--alarm)", r: 3.5 }),
    ],
  };
}
