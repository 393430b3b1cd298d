/** @file Lemma 2: gradients of a randomly initialised single-layer network are aligned. Bound, limit, and finite networks. */
import * as Plot from "@observablehq/plot";
import type { Experiment, Measurement, PaperNumber, Scale } from "../paper/experiment.ts";
import { PAPER_NUMBERS } from "../paper/numbers.ts";
import { FIGURE_SIZE, seriesColor } from "../support/figure.ts";
import { decimals, deviation, mean } from "../support/statistics.ts";
import { estimateLimit, sampleAlignment } from "../theory/initial-alignment.ts";

interface Grid {
  readonly epsilons: readonly number[];
  readonly patches: readonly number[];
  readonly samples: number;
  readonly networks: number;
  readonly size: { readonly patches: number; readonly filters: number };
}
const FULL: Grid = {
  epsilons: [1, 2, 4, 6, 8, 10, 12, 16, 24, 32, 64, 128],
  patches: [9, 27, 75, 147],
  samples: 200_000,
  networks: 5,
  size: { patches: 128, filters: 512 },
};
const GRID: Readonly<Record<Scale, Grid>> = {
  paper: FULL,
  laptop: FULL,
  smoke: { epsilons: [4, 32], patches: [27], samples: 8192, networks: 1, size: { patches: 16, filters: 32 } },
};

/** Lemma 2 in numbers. */
export const lemma2: Experiment = {
  id: "lemma2",
  title: "Gradient alignment at initialisation",
  paper: "Lemma 2, section 4, and its visualisation in appendix A.2",
  summary:
    "Random single-layer networks on uniform patches: the lemma's lower bound, the limit of infinitely many filters and patches, and compiled gradients of finite networks.",
  defaultScale: "paper",
  changes: {
    paper: ["Patch sizes 9, 27, 75 and 147 (3 × 3 to 7 × 7, grey or colour); the finite networks have 128 patches and 512 filters, 5 draws each."],
    laptop: [],
    smoke: ["8,192 samples, one patch size, two radii, one network of 16 patches and 32 filters."],
  },
  trainings: () => [],
  async measure(lab, scale) {
    const { epsilons, patches, samples, networks, size } = GRID[scale];
    const measurements: Measurement[] = [];
    for (const patch of patches) {
      for (const eps of epsilons) {
        const { bound, limit, samples: drawn } = await estimateLimit(lab.device, patch, eps / 255, samples, 0);
        const cosines = await sampleAlignment(lab.device, { patch, ...size }, eps / 255, networks, 0);
        measurements.push({
          patch,
          epsilon: `${eps}/255`,
          epsilon_levels: eps,
          samples: drawn,
          seed: 0,
          bound,
          limit,
          networks,
          filters: size.filters,
          patches: size.patches,
          compiled: mean(cosines),
          compiled_deviation: deviation(cosines),
        });
        await lab.progress(measurements.length, patches.length * epsilons.length);
      }
    }
    return { measurements };
  },
  page({ measurements }) {
    const rows = measurements as unknown as readonly {
      patch: number;
      epsilon: string;
      epsilon_levels: number;
      samples: number;
      bound: number;
      limit: number;
      compiled: number;
      compiled_deviation: number;
      networks: number;
      filters: number;
      patches: number;
    }[];
    const patches = [...new Set(rows.map((row) => row.patch))];
    const names = patches.map((p) => `p = ${p}`);
    const at = (p: number, eps: number) => rows.find((row) => row.patch === p && row.epsilon_levels === eps);
    const numbers = PAPER_NUMBERS.lemma2;
    const compare = (eps: number, paper: PaperNumber) => {
      const row = at(27, eps);
      return {
        quantity: `Lower bound at p = 27, ε = ${eps}/255`,
        paper,
        ours: row ? `${decimals(row.bound, 3)} (limit ${decimals(row.limit, 3)}, networks ${decimals(row.compiled, 3)})` : "–",
        basis: row ? `${row.samples} samples of w and z, seed 0` : "not measured at this scale",
        agrees: row ? Math.abs(row.bound - paper.value) < 0.02 : null,
      };
    };
    const gap = Math.max(...rows.map((row) => Math.abs(row.compiled - row.limit)));
    const lines = (key: "bound" | "limit" | "compiled", extra: object) =>
      Plot.lineY(rows, { x: "epsilon_levels", y: key, stroke: (row: { patch: number }) => `p = ${row.patch}`, ...extra });
    return {
      claims: [
        {
          text: "The limit of the alignment is at least the bound, and never below 0.5.",
          holds: rows.every((row) => row.limit >= row.bound - 1e-3 && row.limit >= 0.5),
          evidence: `${rows.length} combinations of p and ε; smallest limit ${decimals(Math.min(...rows.map((row) => row.limit)), 3)}`,
        },
        {
          text: "For the radii of adversarial training, alignment at initialisation is close to 1.",
          holds: rows.filter((row) => row.epsilon_levels <= 16).every((row) => row.limit > 0.95),
          evidence: `smallest limit up to 16/255: ${decimals(Math.min(...rows.filter((row) => row.epsilon_levels <= 16).map((row) => row.limit)), 3)}`,
        },
        {
          text: "Gradients compiled for finite networks come close to the limit.",
          holds: gap < 0.05,
          evidence: `largest difference ${decimals(gap, 3)}; networks of ${rows[0]?.filters} filters on ${rows[0]?.patches} patches, ${rows[0]?.networks} each`,
        },
      ],
      comparisons: [compare(1, numbers.atOne), compare(4, numbers.atFour), compare(8, numbers.atEight), compare(16, numbers.atSixteen)],
      sections: [
        {
          title: "Figure",
          text: "The bound is loose: it falls to 0.5 where the alignment itself is still above 0.9.",
          figures: [
            {
              id: "lemma2",
              title: "Alignment at initialisation against ε",
              caption: "Solid: the limit. Dots: compiled gradients of finite networks. Dashed: the lemma's lower bound.",
              options: {
                ...FIGURE_SIZE,
                height: 330,
                ariaLabel: "Gradient alignment at initialisation by radius and patch size",
                ariaDescription: "The limit stays near 1 for small radii and falls slowly; the bound falls to one half.",
                x: { label: "ε (1/255)", type: "log", base: 2 },
                y: { label: "cosine", domain: [0.45, 1], grid: true },
                color: { domain: names, range: names.map((_, i) => seriesColor(i)), legend: true },
                marks: [
                  lines("bound", { strokeDasharray: "4,3", strokeWidth: 1.4 }),
                  lines("limit", { strokeWidth: 1.8 }),
                  Plot.dot(rows, { x: "epsilon_levels", y: "compiled", fill: (row: { patch: number }) => `p = ${row.patch}`, r: 3 }),
                ],
              },
            },
          ],
          tables: [
            {
              title: "In numbers",
              columns: ["p", "ε", "bound", "limit", "networks", "±"],
              rows: rows.map((row) => [
                row.patch,
                row.epsilon,
                decimals(row.bound, 4),
                decimals(row.limit, 4),
                decimals(row.compiled, 4),
                decimals(row.compiled_deviation, 4),
              ]),
            },
          ],
        },
      ],
    };
  },
};
