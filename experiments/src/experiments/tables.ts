/** @file The tables of appendix D.3, without AutoAttack: clean and PGD accuracy at chosen radii, PGD-2 + GradAlign included. */
import type { Experiment, Scale } from "../paper/experiment.ts";
import { attackedGrid, basisOf, collapseOf, outcomesIn } from "../support/outcomes.ts";
import { type Cell, gridMethod, LAPTOP_RADII, RESNET_CHANGES, resnetTraining } from "../support/resnet-grid.ts";
import { AFFORDABLE, COMPARED, curveComparisons } from "../support/robustness-curves.ts";
import { mean, percent } from "../support/statistics.ts";

const METHODS = ["standard", ...COMPARED, "pgd-2-gradalign"] as const;
const GRID: Readonly<
  Record<Scale, { readonly radii: readonly (readonly ["cifar10" | "svhn", number])[]; readonly seeds: readonly number[]; readonly methods: readonly string[] }>
> = {
  paper: {
    radii: [
      ["cifar10", 8],
      ["cifar10", 16],
      ["svhn", 8],
      ["svhn", 12],
    ],
    seeds: [0, 1, 2, 3, 4],
    methods: METHODS,
  },
  laptop: {
    radii: LAPTOP_RADII.map((eps) => ["cifar10", eps] as const),
    seeds: [0],
    methods: ["standard", ...AFFORDABLE, "pgd-2-gradalign"],
  },
  smoke: { radii: [["cifar10", 8]], seeds: [0], methods: ["standard", "fgsm-gradalign", "pgd-2-gradalign"] },
};

const PGD2_GRADALIGN =
  "No command is published for PGD-2 + GradAlign: its λ is FGSM + GradAlign's, its peak learning rate PGD-2's (0.2 on CIFAR-10, where FGSM + GradAlign has 0.3).";

function cells(scale: Scale): Cell[] {
  const { radii, seeds, methods } = GRID[scale];
  return radii.flatMap(([dataset, eps]) => methods.flatMap((method) => seeds.map((seed) => ({ dataset, method, eps, seed }))));
}

/** Appendix D.3. */
export const tables: Experiment = {
  id: "tables",
  title: "Numbers at chosen radii",
  paper: "Tables of appendix D.3",
  summary:
    "Clean and PGD-50-10 accuracy without early stopping, mean ± standard deviation over seeds. AutoAttack, which the paper's tables have too, is left out; ImageNet is an experiment of its own.",
  defaultScale: "laptop",
  changes: {
    paper: [...RESNET_CHANGES.paper, PGD2_GRADALIGN],
    laptop: [
      ...RESNET_CHANGES.laptop,
      `CIFAR-10 alone, at ${LAPTOP_RADII.join(" and ")}/255; one seed instead of five; N-FGSM in place of PGD-10 and AT for Free.`,
      PGD2_GRADALIGN,
    ],
    smoke: [...RESNET_CHANGES.smoke, "Three methods on CIFAR-10."],
  },
  ...attackedGrid(cells, (scale, cell) => resnetTraining(scale, cell, ["last"])),
  page({ measurements }, scale) {
    const rows = outcomesIn(measurements);
    const largest = Math.max(...rows.filter((row) => row.dataset === "cifar10").map((row) => row.eps));
    const robust = (method: string): number[] =>
      rows.filter((row) => row.dataset === "cifar10" && row.method === method && row.eps === largest).map((row) => row.robust);
    const collapsed = (method: string): boolean => mean(robust(method)) < 0.5 * mean(robust("pgd-2-gradalign"));
    return {
      claims: [
        {
          text: "GradAlign prevents catastrophic overfitting of PGD-2 training at the large radius on CIFAR-10, and improves its robustness.",
          holds: scale === "smoke" ? null : mean(robust("pgd-2-gradalign")) >= mean(robust("pgd-2")),
          evidence: `ε = ${largest}/255: PGD-2 ${percent(robust("pgd-2"))}${collapsed("pgd-2") ? ", overfitted" : ""}, with GradAlign ${percent(robust("pgd-2-gradalign"))}`,
        },
      ],
      comparisons: curveComparisons(rows, scale, ["pgd-50-10", "clean"]),
      sections: [
        {
          title: "Tables",
          tables: GRID[scale].radii.map(([dataset, eps]) => {
            const own = rows.filter((row) => row.dataset === dataset && row.eps === eps);
            return {
              title: `${dataset === "svhn" ? "SVHN" : "CIFAR-10"}, ε = ${eps}/255`,
              caption: basisOf(own.slice(0, 1)).replace(/, seed.*$/, ""),
              columns: ["method", "seeds", "clean", "under attack", "overfits at epoch"],
              rows: GRID[scale].methods.map((method) => {
                const each = own.filter((row) => row.method === method);
                return [
                  gridMethod(method).label,
                  each.length,
                  percent(each.map((row) => row.clean)),
                  percent(each.map((row) => row.robust)),
                  each.map(collapseOf).join(", "),
                ];
              }),
            };
          }),
        },
      ],
    };
  },
};
