/** @file Figure 5: the filter that grows when the single-layer network overfits catastrophically, and what it does to linearity. */

import { evaluateAlignment, type Params } from "@gradalign/robustness";
import { grownFilter } from "@gradalign/runs";
import { type Tensor, tensor } from "@gradalign/tensor";
import * as Plot from "@observablehq/plot";
import type { Experiment, Figure, Measurement } from "../paper/experiment.ts";
import { PAPER_NUMBERS } from "../paper/numbers.ts";
import { laplaceLikeness, meanResponse, RANDOM_LIKENESS } from "../support/laplace.ts";
import { EPSILON, EXAMPLES, FILTERS, filtersJson, type HostFilters, hostFilters, singleLayerExperiment } from "../support/single-layer.ts";
import { decimals, percent } from "../support/statistics.ts";

const CHANNELS = ["red", "green", "blue"] as const;

interface Details {
  readonly seed: number;
  readonly training: string;
  readonly collapse: number | null;
  readonly grown: number;
  readonly before: HostFilters;
  readonly after: HostFilters;
  readonly alignment: { readonly before: number; readonly after: number; readonly zeroed: readonly number[] };
  readonly examples: number;
}

/** Figure 5. */
export const fig5: Experiment = singleLayerExperiment({
  id: "fig5",
  title: "The filter behind catastrophic overfitting",
  paper: "Figure 5, section 4",
  summary:
    "A single-layer network with four filters, trained with FGSM at ε = 10/255. Filters before and after catastrophic overfitting; gradient alignment after setting each of them to zero.",
  async look({ finished, seed }, lab, scale) {
    const dataset = await lab.dataset(finished.config.dataset);
    const [before, after] = [finished.load("best"), finished.load("last")];
    const filters = { before: await hostFilters(before), after: await hostFilters(after) };
    const n = EXAMPLES[scale];
    const align = (params: Params): Promise<number> =>
      evaluateAlignment(after.model, params, after.state, dataset.test, { device: lab.device, epsilon: EPSILON, n, seed });
    const zeroed: number[] = [];
    const total = FILTERS + 2;
    const alignment = { before: await align(before.params), after: await align(after.params) };
    for (let filter = 0; filter < FILTERS; filter++) {
      zeroed.push(await align(await withoutFilter(after.params, filter)));
      await lab.progress(3 + filter, total);
    }
    const grown = grownFilter(filters.after);
    const shared = { training: finished.id, seed, epsilon: "10/255", n, batch_norm: "none in this network" };
    const aligned = (model: string, value: number): Measurement => ({ quantity: "gradient alignment", ...shared, model, value });
    const likeness = (["before", "after"] as const).flatMap((when) =>
      filters[when].kernels.flatMap((channels, f) =>
        channels.map((kernel, c) => ({
          quantity: "Laplace-likeness",
          training: finished.id,
          seed,
          model: when === "before" ? "best" : "last",
          filter: `w${f + 1}`,
          channel: CHANNELS[c] as string,
          value: laplaceLikeness(kernel),
          mean_response: meanResponse(kernel),
        })),
      ),
    );
    return {
      measurements: [
        aligned("best (before)", alignment.before),
        aligned("last (after)", alignment.after),
        ...zeroed.map((value, f) => aligned(`last without w${f + 1}`, value)),
        ...likeness,
      ],
      details: {
        training: finished.id,
        grown,
        before: filtersJson(filters.before),
        after: filtersJson(filters.after),
        alignment: { ...alignment, zeroed },
        examples: n,
      },
    };
  },
  page({ measurements, details }) {
    const { seed, collapse, grown, before, after, alignment, examples } = details as unknown as Details;
    const name = `w${grown + 1}`;
    const numbers = PAPER_NUMBERS.cnn;
    const collapsed = collapse !== null;
    const zeroed = alignment.zeroed[grown] as number;
    const others = alignment.zeroed.filter((_, f) => f !== grown);
    const channels = after.kernels[grown] as readonly (readonly number[])[];
    const likeness = channels.map(laplaceLikeness);
    const strongest = channels.map((kernel) => Math.hypot(...kernel)).reduce((best, norm, c, all) => (norm > (all[best] as number) ? c : best), 0);
    const seeds = new Set(measurements.filter((row) => row["quantity"] === "accuracy").map((row) => row["seed"]));
    const collapses = new Set(measurements.filter((row) => row["quantity"] === "accuracy" && row["overfitting_epoch"] !== null).map((row) => row["seed"]));
    const basis = `n = ${examples}, seed ${seed}, ε = 10/255`;
    return {
      claims: [
        {
          text: "FGSM training of the single-layer network overfits catastrophically.",
          holds: collapsed || seeds.size < 2 ? collapsed || null : false,
          evidence: `on ${collapses.size} of ${seeds.size} seeds; shown: seed ${seed}${collapsed ? `, at epoch ${collapse.toFixed(1)}` : ", which did not"}`,
        },
        {
          text: "One filter grows with its outgoing weights, unlike the rest.",
          holds: collapsed ? after.outgoing.every((norm, f) => f === grown || norm < 0.67 * (after.outgoing[grown] as number)) : null,
          evidence: `${name}: ‖w‖ ${decimals(before.norms[grown], 2)} → ${decimals(after.norms[grown], 2)}, ‖u‖ ${decimals(before.outgoing[grown], 1)} → ${decimals(after.outgoing[grown], 1)}; largest ‖u‖ of the others ${decimals(Math.max(...after.outgoing.filter((_, f) => f !== grown)), 1)}`,
        },
        {
          text: "The grown filter is a variant of the Laplace filter.",
          holds: collapsed ? (likeness[strongest] as number) > 0.8 : null,
          evidence: `Laplace-likeness by channel: ${CHANNELS.map((channel, c) => `${channel} ${decimals(likeness[c], 2)}`).join(", ")} (1: a Laplace filter; a random kernel has ${decimals(RANDOM_LIKENESS, 2)} on average)`,
        },
        {
          text: "Setting the grown filter to zero largely recovers local linearity.",
          holds: collapsed ? zeroed > alignment.after + 0.3 && others.every((other) => other < zeroed) : null,
          evidence: `alignment ${decimals(alignment.after, 2)} → ${decimals(zeroed, 2)}; without another filter ${others.map((value) => decimals(value, 2)).join(", ")}`,
        },
      ],
      comparisons: [
        {
          quantity: "Alignment after catastrophic overfitting",
          paper: numbers.alignmentAfter,
          ours: decimals(alignment.after, 2),
          basis,
          agrees: collapsed ? Math.abs(alignment.after - numbers.alignmentAfter.value) < 0.1 : null,
        },
        {
          quantity: "The same with the grown filter set to zero",
          paper: numbers.alignmentZeroed,
          ours: decimals(zeroed, 2),
          basis,
          agrees: collapsed ? Math.abs(zeroed - numbers.alignmentZeroed.value) < 0.15 : null,
          remark: "“recovering its value before catastrophic overfitting”",
        },
        {
          quantity: "Alignment before (best model)",
          paper: null,
          ours: decimals(alignment.before, 2),
          basis,
          agrees: null,
        },
      ],
      sections: [
        {
          title: "Filters",
          text: "Before: the model with the best PGD accuracy on training images. After: the last model. All on one scale; the paper shows the green channel of w4.",
          figures: [
            kernelFigure("grown", `${name}, the filter that grew`, [
              { row: "before", kernels: before.kernels[grown] as readonly (readonly number[])[] },
              { row: "after", kernels: channels },
            ]),
            kernelFigure(
              "all",
              "All filters at the end",
              after.kernels.map((kernels, f) => ({ row: `w${f + 1}`, kernels })),
            ),
          ],
        },
        {
          title: "In numbers",
          text: "Laplace-likeness is the cosine between a 3 × 3 kernel and its nearest mixture of the 4- and the 8-neighbour Laplacian. The mean response is |Σw| / Σ|w|: 0 for a Laplace filter, 1 for a blur.",
          tables: [
            {
              title: "Filters before and after",
              columns: [
                "filter",
                "‖w‖ before",
                "after",
                "‖u‖ before",
                "after",
                "Laplace-likeness after (R, G, B)",
                "mean response after (R, G, B)",
                "alignment without it",
              ],
              rows: after.norms.map((norm, f) => [
                `w${f + 1}${f === grown ? " (grown)" : ""}`,
                decimals(before.norms[f], 2),
                decimals(norm, 2),
                decimals(before.outgoing[f], 2),
                decimals(after.outgoing[f], 2),
                (after.kernels[f] ?? []).map((kernel) => decimals(laplaceLikeness(kernel), 2)).join(", "),
                (after.kernels[f] ?? []).map((kernel) => decimals(meanResponse(kernel), 2)).join(", "),
                decimals(alignment.zeroed[f], 2),
              ]),
            },
            {
              title: "How each seed ended",
              columns: ["seed", "model", "clean", "under attack", "attack", "n", "overfits at epoch"],
              rows: measurements
                .filter((row) => row["quantity"] === "accuracy")
                .map((row) => [
                  row["seed"] as number,
                  row["model"] as string,
                  percent(row["clean"] as number),
                  percent(row["robust"] as number),
                  String(row["attack"]).toUpperCase(),
                  row["n"] as number,
                  row["overfitting_epoch"] === null ? "–" : decimals(row["overfitting_epoch"] as number, 1),
                ]),
            },
          ],
        },
      ],
    };
  },
});

/** Parameters with one filter's weights set to zero; its bias stays, as it has no part in gradients. */
async function withoutFilter(params: Params, filter: number): Promise<Params> {
  const name = "_model.0.weight";
  const weight = params[name] as Tensor;
  const data = Float32Array.from(await weight.read());
  const size = data.length / FILTERS;
  data.fill(0, filter * size, (filter + 1) * size);
  return { ...params, [name]: tensor(data, weight.shape) };
}

/** Kernels by row and colour channel, with their weights written in the cells. */
function kernelFigure(id: string, title: string, rows: readonly { readonly row: string; readonly kernels: readonly (readonly number[])[] }[]): Figure {
  const cells = rows.flatMap(({ row, kernels }) =>
    kernels.flatMap((kernel, c) => kernel.map((value, i) => ({ row, channel: CHANNELS[c] as string, x: i % 3, y: Math.floor(i / 3), value }))),
  );
  const largest = Math.max(1e-9, ...cells.map(({ value }) => Math.abs(value)));
  return {
    id,
    title,
    caption: `Red is positive, blue negative; the colours end at ±${largest.toFixed(2)}.`,
    options: {
      ariaLabel: title,
      ariaDescription: rows.map(({ row, kernels }) => `${row}, green channel: ${(kernels[1] ?? []).map((value) => value.toFixed(2)).join(" ")}`).join("; "),
      width: 460,
      height: rows.length * 116 + 40,
      marginLeft: 56,
      marginRight: 8,
      marginTop: 28,
      marginBottom: 6,
      x: { axis: null },
      y: { axis: null },
      fx: { domain: [...CHANNELS], label: null, padding: 0.1, axis: "top" },
      fy: { domain: rows.map(({ row }) => row), label: null, padding: 0.1, axis: "left" },
      color: { type: "diverging", scheme: "RdBu", reverse: true, domain: [-largest, largest], symmetric: true },
      marks: [
        Plot.cell(cells, { fx: "channel", fy: "row", x: "x", y: "y", fill: "value" }),
        Plot.text(cells, {
          fx: "channel",
          fy: "row",
          x: "x",
          y: "y",
          text: ({ value }: { value: number }) => value.toFixed(2),
          fill: ({ value }: { value: number }) => (Math.abs(value) > 0.6 * largest ? "#ffffff" : "#1b2230"),
          fontSize: 11,
        }),
        Plot.frame({ stroke: "var(--line)" }),
      ],
    },
  };
}
