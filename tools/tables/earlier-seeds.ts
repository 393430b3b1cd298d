/** @file FGSM + GradAlign over ten seeds in an earlier study, whose file has a form of its own; until it is run again. */
import { join } from "node:path";
import { paragraph, table } from "./markdown.ts";
import { RESULTS, readResults } from "./results.ts";

interface Run {
  readonly seed: number;
  readonly method: string;
  readonly overfitting: { readonly epoch: number } | null;
  readonly clean: number;
  readonly pgd_50_10: number;
  readonly fgsm: number;
  readonly gradient_alignment: number;
  readonly lowest_alignment: number;
}

const NAME = "collapse-by-seed-earlier.json";

/** The study's table of FGSM + GradAlign. */
export function earlierSeedsRegion(): string {
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const runs = readResults<readonly Run[]>(join(RESULTS, NAME)).filter(({ method }) => method === "fgsm-gradalign");
  const rows = runs.map(({ seed, overfitting, clean, pgd_50_10, fgsm, gradient_alignment, lowest_alignment }) => [
    ...[String(seed), percent(clean), percent(fgsm), percent(pgd_50_10)],
    ...[gradient_alignment.toFixed(2), lowest_alignment.toFixed(2), overfitting ? overfitting.epoch.toFixed(1) : "–"],
  ]);
  return [
    table(["seed", "clean", "FGSM", "PGD-50-10", "alignment", "lowest", "overfits at epoch"], rows),
    paragraph(`From [${NAME}](/experiments/results/${NAME}) (commit d1d3312, 2026-11-22).`),
  ].join("\n\n");
}
