/** @file Figure 3: FGSM trained with a smaller radius, attacked with larger ones, against FGSM-RS. */
import * as Plot from "@observablehq/plot";
import type { Experiment, FinalAttack, Scale } from "../paper/experiment.ts";
import { FIGURE_SIZE, PERCENT_SCALE, seriesColor } from "../support/figure.ts";
import { LAPTOP_CHANGES, SECTION_SEEDS, sectionTraining } from "../support/laptop-network.ts";
import { attackedGrid, basisOf, collapseOf, divergedWords, type Outcome, outcomesIn } from "../support/outcomes.ts";
import type { Cell } from "../support/resnet-grid.ts";
import { percent } from "../support/statistics.ts";

interface Grid {
  /** Radii of FGSM training; the last is also FGSM-RS's. */
  readonly training: readonly number[];
  readonly evaluation: readonly number[];
  readonly seeds: readonly number[];
  readonly attack: string;
  readonly examples: number;
}
const GRID: Readonly<Record<Scale, Grid>> = {
  paper: {
    training: [4, 5, 6, 7, 8],
    evaluation: Array.from({ length: 16 }, (_, i) => i + 1),
    seeds: SECTION_SEEDS.paper,
    attack: "pgd-50-10",
    examples: 1000,
  },
  laptop: { training: [6, 8, 10], evaluation: [2, 4, 6, 8, 10, 12, 14, 16], seeds: SECTION_SEEDS.laptop, attack: "pgd-50-1", examples: 1000 },
  smoke: { training: [4, 8], evaluation: [8, 16], seeds: SECTION_SEEDS.smoke, attack: "pgd-2", examples: 32 },
};

function cells(scale: Scale): Cell[] {
  const { training, seeds } = GRID[scale];
  const largest = training.at(-1) as number;
  return seeds.flatMap((seed) => [...training.map((eps) => ({ method: "fgsm", eps, seed })), { method: "fgsm-rs", eps: largest, seed }]);
}

function attacks(scale: Scale): FinalAttack[] {
  const { evaluation, attack, examples } = GRID[scale];
  return evaluation.map((eps) => ({ attack, examples, epsilon: eps / 255, which: "last" as const }));
}

const seriesOf = ({ method, eps }: Pick<Outcome, "method" | "eps">): string => `${method === "fgsm" ? "FGSM" : "FGSM-RS"}, ε train = ${eps}/255`;

/** Figure 3. */
export const fig3: Experiment = {
  id: "fig3",
  title: "A smaller training radius against larger attacks",
  paper: "Figure 3, section 3",
  summary:
    "Robustness of FGSM training, without early stopping, with several training radii, against the radius of the attack; FGSM-RS with the largest beside it.",
  defaultScale: "laptop",
  changes: {
    paper: [...LAPTOP_CHANGES.paper, "The figure's axes are not legible from the text: training radii 4 to 8 and attack radii 1 to 16 are used."],
    laptop: [...LAPTOP_CHANGES.laptop, "Training radii 6, 8 and 10 (of 255) instead of up to 8; PGD-50 with one restart on 1,000 images."],
    smoke: LAPTOP_CHANGES.smoke,
  },
  ...attackedGrid(cells, (scale, cell) => sectionTraining(scale, cell, [], attacks(scale))),
  page({ measurements }, scale) {
    const rows = outcomesIn(measurements).map((row) => ({ ...row, series: seriesOf(row), at: Number(row.attack_epsilon.split("/")[0]) }));
    const names = [...new Set(rows.map((row) => row.series))];
    const { training } = GRID[scale];
    const largest = training.at(-1) as number;
    const colors = names.map((name, i) => (name.startsWith("FGSM-RS") ? "var(--run-8)" : seriesColor(i)));
    const accuracy = (method: string, eps: number, at: number): number[] =>
      rows.filter((row) => row.method === method && row.eps === eps && row.at === at).map((row) => row.robust);
    const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
    const full = mean(accuracy("fgsm", largest, largest));
    const smaller = training.slice(0, -1).map((eps) => ({ eps, value: mean(accuracy("fgsm", eps, largest)) }));
    const best = smaller.reduce((a, b) => (b.value > a.value ? b : a));
    const random = mean(accuracy("fgsm-rs", largest, largest));
    const told = scale !== "smoke";
    const points = names.flatMap((series) => {
      const own = rows.filter((row) => row.series === series);
      return [...new Set(own.map((row) => row.at))].map((at) => ({ series, at, value: mean(own.filter((row) => row.at === at).map((row) => row.robust)) }));
    });
    return {
      claims: [
        {
          text: `FGSM trained with a smaller radius is more robust at the large radius than FGSM trained with it.`,
          holds: told ? best.value > full : null,
          evidence: `attacked with ${largest}/255: trained with ${best.eps}/255 ${percent(best.value)}, trained with ${largest}/255 ${percent(full)}`,
        },
        {
          text: "It comes close to FGSM-RS or surpasses it.",
          holds: told ? best.value > random - 0.03 : null,
          evidence: `FGSM-RS trained with ${largest}/255: ${percent(random)}`,
        },
      ],
      comparisons: [],
      sections: [
        {
          title: "Figure",
          figures: [
            {
              id: "fig3",
              title: "Robustness against the radius of the attack",
              caption: `${basisOf(rows.slice(0, 1)).replace(/, ε = [\d./]+/, "")}. Means over seeds.${divergedWords(rows)}`,
              options: {
                ...FIGURE_SIZE,
                height: 330,
                ariaLabel: "Accuracy under attack by the attack's radius, one curve per training",
                ariaDescription: names
                  .map(
                    (name) =>
                      `${name}: ${points
                        .filter((p) => p.series === name)
                        .map((p) => percent(p.value))
                        .join(", ")}`,
                  )
                  .join("; "),
                x: { label: "ε of the attack (1/255)" },
                y: { label: "accuracy under attack", ...PERCENT_SCALE, grid: true, zero: true },
                color: { domain: names, range: colors, legend: true },
                marks: [
                  Plot.ruleX([largest], { stroke: "var(--muted)", strokeDasharray: "4,3" }),
                  Plot.lineY(points, { x: "at", y: "value", stroke: "series", strokeWidth: 1.8 }),
                  Plot.dot(points, { x: "at", y: "value", fill: "series", r: 3 }),
                ],
              },
            },
          ],
          tables: [
            {
              title: "In numbers",
              columns: ["training", "seed", "ε of the attack", "clean", "under attack", "overfits at epoch"],
              rows: rows.map((row) => [row.series, row.seed, row.attack_epsilon, percent(row.clean), percent(row.robust), collapseOf(row)]),
            },
          ],
        },
      ],
    };
  },
};
