/** @file Figure 6: the norms of filters and outgoing weights while the single-layer network overfits catastrophically. */
import { grownFilter } from "@gradalign/runs";
import type { Experiment, Measurement } from "../paper/experiment.ts";
import { PAPER_NUMBERS } from "../paper/numbers.ts";
import { type CurvePoint, curveFigure } from "../support/curves.ts";
import { seriesColor } from "../support/figure.ts";
import { collapseComparison, FILTERS, singleLayerExperiment } from "../support/single-layer.ts";
import { decimals } from "../support/statistics.ts";

const COLORS = Object.fromEntries(Array.from({ length: FILTERS }, (_, f) => [`w${f + 1}`, seriesColor(f)]));

/** Figure 6. */
export const fig6: Experiment = singleLayerExperiment({
  id: "fig6",
  title: "Weight norms in the single-layer network",
  paper: "Figure 6, section 4",
  summary: "Norm of each filter, and of the weights that read its feature map, over FGSM training at ε = 10/255.",
  look({ finished, seed }) {
    const numbered = (name: string, values: readonly number[] = []) => Object.fromEntries(values.map((value, f) => [`${name}${f + 1}`, value]));
    const norms: Measurement[] = finished.evaluations.map(({ iteration, epoch, filter_norms, outgoing_norms }) => ({
      quantity: "norms",
      training: finished.id,
      seed,
      epsilon: "10/255",
      iteration,
      epoch,
      ...numbered("w", filter_norms),
      ...numbered("u", outgoing_norms),
    }));
    return { measurements: norms };
  },
  page({ measurements, details }) {
    const { seed, collapse } = details as { seed: number; collapse: number | null };
    const rows = measurements.filter((row) => row["quantity"] === "norms");
    const indices = Array.from({ length: FILTERS }, (_, f) => f + 1);
    const points = (key: "w" | "u"): CurvePoint[] =>
      rows.flatMap((row) => indices.map((f) => ({ epoch: row["epoch"] as number, value: row[`${key}${f}`] as number, series: `w${f}` })));
    const at = (key: "w" | "u", epoch: number): number[] => {
      const nearest = rows.reduce((a, b) => (Math.abs((b["epoch"] as number) - epoch) < Math.abs((a["epoch"] as number) - epoch) ? b : a));
      return indices.map((f) => nearest[`${key}${f}`] as number);
    };
    const end = Math.max(...rows.map((row) => row["epoch"] as number));
    const last = { norms: at("w", end), outgoing: at("u", end) };
    const first = { norms: at("w", 1), outgoing: at("u", 1) };
    const grown = grownFilter(last);
    const name = `w${grown + 1}`;
    const others = (values: readonly number[]): number => Math.max(...values.filter((_, f) => f !== grown));
    const numbers = PAPER_NUMBERS.cnn;
    const basis = `seed ${seed}, ε = 10/255`;
    const collapsed = collapse !== null;
    const marks = collapsed ? [{ epoch: collapse }] : [];
    const compare = (quantity: string, paper: (typeof numbers)["grownFilterFirst"], ours: number, tolerance: number) => ({
      quantity,
      paper,
      ours: decimals(ours, 2),
      basis,
      agrees: collapsed ? Math.abs(Math.log(ours / paper.value)) < Math.log(tolerance) : null,
    });
    return {
      claims: [
        {
          text: "One filter's outgoing weights grow far beyond the others' after catastrophic overfitting.",
          holds: collapsed ? (last.outgoing[grown] as number) > 1.5 * others(last.outgoing) : null,
          evidence: `${name}: ${decimals(first.outgoing[grown], 1)} at epoch 1, ${decimals(last.outgoing[grown], 1)} at the end; largest of the others ${decimals(others(last.outgoing), 1)}`,
        },
        {
          text: "The norm of that filter grows, those of the others shrink.",
          holds: collapsed
            ? (last.norms[grown] as number) > (first.norms[grown] as number) && last.norms.every((norm, f) => f === grown || norm < (first.norms[f] as number))
            : null,
          evidence: last.norms.map((norm, f) => `w${f + 1} ${decimals(first.norms[f], 2)} → ${decimals(norm, 2)}`).join(", "),
        },
      ],
      comparisons: [
        collapseComparison(collapse, basis),
        compare("Grown filter's norm, epoch 1", numbers.grownFilterFirst, first.norms[grown] as number, 1.5),
        compare("Grown filter's norm, end", numbers.grownFilterLast, last.norms[grown] as number, 1.5),
        compare("Largest norm of the other filters, end", numbers.otherFilterLast, others(last.norms), 1.5),
        compare("Norm of its outgoing weights, epoch 1", numbers.grownOutgoingFirst, first.outgoing[grown] as number, 1.5),
        compare("Norm of its outgoing weights, end", numbers.grownOutgoingLast, last.outgoing[grown] as number, 1.5),
        compare("Largest norm of the others' outgoing weights, end", numbers.otherOutgoingLast, others(last.outgoing), 1.5),
      ],
      sections: [
        {
          title: "Figure",
          figures: [
            curveFigure({
              id: "filter-norms",
              title: "Norms of the filters",
              caption: "‖w‖₂ of each filter; dashed: catastrophic overfitting.",
              axis: "‖w‖₂",
              points: points("w"),
              colors: COLORS,
              scale: "linear",
              collapses: marks,
            }),
            curveFigure({
              id: "outgoing-norms",
              title: "Norms of the outgoing weights",
              caption: "‖u‖₂ of the linear weights that read each filter's feature map.",
              axis: "‖u‖₂",
              points: points("u"),
              colors: COLORS,
              scale: "linear",
              collapses: marks,
            }),
          ],
        },
      ],
    };
  },
});
