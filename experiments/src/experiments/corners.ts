/** @file Section 3: PGD training whose perturbations are pushed to the ball's corners is as robust as PGD training. */
import type { Experiment } from "../paper/experiment.ts";
import { PAPER_NUMBERS } from "../paper/numbers.ts";
import { LAPTOP_CHANGES, SECTION_EPS, SECTION_SEEDS, sectionTraining } from "../support/laptop-network.ts";
import { attackedGrid, collapseOf, methodComparisons, outcomesIn } from "../support/outcomes.ts";
import { gridMethod } from "../support/resnet-grid.ts";
import { mean, percent } from "../support/statistics.ts";

const METHODS = ["fgsm", "pgd-10", "pgd-10-corner"] as const;
/** The experiment on diversity of section 3. */
export const corners: Experiment = {
  id: "corners",
  title: "Training on corners of the ball alone",
  paper: "section 3",
  summary: "PGD-10 training, the same with perturbations projected onto the corners {−ε, ε}ᵈ, and FGSM training, without early stopping.",
  changes: {
    paper: [
      ...LAPTOP_CHANGES.paper,
      "No command is published for corners: PGD starts at the image and steps by ε / 5, as in the commands for PGD-10; the official code's defaults are a random start and 2/255, which is ε / 4.",
    ],
    laptop: LAPTOP_CHANGES.laptop,
    smoke: LAPTOP_CHANGES.smoke,
  },
  defaultScale: "laptop",
  ...attackedGrid(
    (scale) => METHODS.flatMap((method) => SECTION_SEEDS[scale].map((seed) => ({ method, eps: SECTION_EPS[scale], seed }))),
    (scale, cell) => sectionTraining(scale, cell, ["last"]),
  ),
  page({ measurements }, scale) {
    const rows = outcomesIn(measurements);
    const of = (method: string) => rows.filter((row) => row.method === method);
    const robust = (method: string) => of(method).map((row) => row.robust);
    const [fgsm, pgd, corner] = METHODS.map((method) => mean(robust(method))) as [number, number, number];
    const numbers = PAPER_NUMBERS.corners;
    const papers = { fgsm: numbers.fgsm, "pgd-10": numbers["pgd-10"], "pgd-10-corner": numbers["pgd-10 corners"] };
    const told = scale !== "smoke";
    return {
      claims: [
        {
          text: "Training on corners of the ball alone gives the robustness of PGD training: diversity of perturbations is not what matters.",
          holds: told ? Math.abs(pgd - corner) < 0.03 : null,
          evidence: `PGD-10 ${percent(robust("pgd-10"))}, corners ${percent(robust("pgd-10-corner"))}`,
        },
        {
          text: "FGSM training, whose perturbations are corners too, overfits catastrophically.",
          holds: told ? fgsm < 0.5 * pgd : null,
          evidence: `FGSM ${percent(robust("fgsm"))}`,
        },
      ],
      comparisons: methodComparisons(papers, of, "no early stopping", scale),
      sections: [
        {
          title: "Each training",
          tables: [
            {
              title: "Accuracies of the last model",
              columns: ["method", "ε", "seed", "clean", "under attack", "overfits at epoch"],
              rows: rows.map((row) => [gridMethod(row.method).label, row.epsilon, row.seed, percent(row.clean), percent(row.robust), collapseOf(row)]),
            },
          ],
        },
      ],
    };
  },
};
