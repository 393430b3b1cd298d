/** @file How often the single-layer network overfits catastrophically: FGSM with and without GradAlign over ten seeds. */
import type { Evaluation } from "@gradalign/robustness";
import type { Experiment, Measurement, Scale } from "../paper/experiment.ts";
import { collapseOf, type Outcome, outcomeRows } from "../support/outcomes.ts";
import { EPSILON, singleLayerTraining } from "../support/single-layer.ts";
import { decimals, known, levels, mean, percent } from "../support/statistics.ts";

const METHODS = ["fgsm", "fgsm-gradalign"] as const;
type Method = (typeof METHODS)[number];

const TEN = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
const SEEDS: Readonly<Record<Scale, Readonly<Record<Method, readonly number[]>>>> = {
  paper: { fgsm: TEN, "fgsm-gradalign": TEN },
  laptop: { fgsm: TEN, "fgsm-gradalign": [] },
  smoke: { fgsm: [0], "fgsm-gradalign": [0] },
};

/** The laptop's trainings are the paper's, but for their number. */
const grid = (scale: Scale) =>
  METHODS.flatMap((method) =>
    SEEDS[scale][method].map((seed) => ({ method, seed, training: singleLayerTraining(scale === "smoke" ? scale : "paper", method, seed, ["last"]) })),
  );

/** How a run ended: the attack on its last model, and its last evaluation. */
interface Ending extends Outcome {
  readonly fgsm: number;
  readonly fgsm_n: number;
  readonly alignment: number | null;
  readonly lowest_alignment: number;
  readonly largest_outgoing: number;
}

/** Not a figure of the paper, which shows one run: what one run is worth. */
export const collapseBySeed: Experiment = {
  id: "collapse-by-seed",
  title: "Catastrophic overfitting over ten seeds",
  paper: "of section 4's network; the paper shows one seed",
  summary: "The single-layer network with four filters at ε = 10/255, trained from ten seeds with FGSM, and with FGSM + GradAlign.",
  defaultScale: "laptop",
  changes: {
    paper: ["The paper shows one run of FGSM and none of GradAlign with this network; recipe and λ are the paper's."],
    laptop: ["The recipe is the paper's. FGSM alone is trained, without GradAlign beside it."],
    smoke: ["128 images, two epochs, one seed: nothing can be concluded from it."],
  },
  trainings: (scale) => grid(scale).map(({ training }) => training),
  async measure(lab, scale) {
    return {
      measurements: grid(scale).flatMap(({ method, seed, training }) => {
        const { evaluations, config } = lab.finished(training);
        const last = evaluations.at(-1) as Evaluation;
        const ending: Omit<Ending, keyof Outcome> = {
          fgsm: last.test_fgsm_acc,
          fgsm_n: config.evalExamples,
          alignment: last.gradient_alignment,
          lowest_alignment: Math.min(...evaluations.map((evaluation) => known(evaluation.gradient_alignment))),
          largest_outgoing: Math.max(...(last.outgoing_norms ?? [])),
        };
        return outcomeRows(lab, { method, eps: levels(EPSILON), seed }, training).map((row): Measurement => ({ ...row, ...ending }));
      }),
    };
  },
  page({ measurements }, scale) {
    const rows = measurements as unknown as readonly Ending[];
    const of = (method: Method): readonly Ending[] => rows.filter((row) => row.method === method);
    const [fgsm, gradAlign] = [of("fgsm"), of("fgsm-gradalign")];
    const collapses = (runs: readonly Ending[]): readonly Ending[] => runs.filter(({ overfitting_epoch }) => overfitting_epoch !== null);
    const [collapsed, healthy] = [collapses(fgsm), fgsm.filter(({ overfitting_epoch }) => overfitting_epoch === null)];
    const told = scale !== "smoke";
    const robust = (runs: readonly Ending[]): number => mean(runs.map((run) => run.robust));
    const clean = (runs: readonly Ending[]): number => mean(runs.map((run) => run.clean));
    return {
      claims: [
        {
          text: "FGSM training overfits catastrophically.",
          holds: told ? collapsed.length > 0 : null,
          evidence:
            `on ${collapsed.length} of ${fgsm.length} seeds` +
            (collapsed.length === 0
              ? ""
              : `, at epochs ${span(collapsed, "overfitting_epoch", 1)}; at the end PGD accuracy ${percentSpan(collapsed, "robust")}, alignment ${span(collapsed, "alignment", 2)}, largest norm of a filter's outgoing weights ${span(collapsed, "largest_outgoing", 1)}`),
        },
        ...(gradAlign.length === 0
          ? []
          : [
              {
                text: "FGSM + GradAlign does not.",
                holds: told ? collapses(gradAlign).length === 0 : null,
                evidence: `on ${collapses(gradAlign).length} of ${gradAlign.length} seeds; at the end PGD accuracy ${percentSpan(gradAlign, "robust")}, alignment ${span(gradAlign, "alignment", 2)} and never below ${span(gradAlign, "lowest_alignment", 2).split(" ")[0]}`,
              },
              {
                text: "GradAlign costs no robustness where FGSM stays healthy, and some clean accuracy.",
                holds: told && healthy.length > 0 ? robust(gradAlign) > robust(healthy) - 0.01 && clean(gradAlign) > clean(healthy) - 0.05 : null,
                evidence: `means: PGD ${percent(robust(gradAlign))} against ${percent(robust(healthy))} of ${healthy.length} healthy FGSM runs; clean ${percent(clean(gradAlign))} against ${percent(clean(healthy))}`,
              },
            ]),
      ],
      comparisons: [],
      sections: [
        {
          title: "Each training",
          tables: [
            {
              title: "The last model by seed",
              caption: `Clean and ${rows[0]?.attack.toUpperCase()} accuracy on the first ${rows[0]?.n} test images; FGSM accuracy and gradient alignment on the first ${rows[0]?.fgsm_n}.`,
              columns: ["method", "seed", "clean", "FGSM", "PGD", "alignment", "lowest", "‖u‖₂", "overfits at epoch"],
              rows: rows.map((row) => [
                row.method,
                row.seed,
                percent(row.clean),
                percent(row.fgsm),
                percent(row.robust),
                decimals(row.alignment, 2),
                decimals(row.lowest_alignment, 2),
                decimals(row.largest_outgoing, 1),
                collapseOf(row),
              ]),
            },
          ],
        },
      ],
    };
  },
};

/** Smallest and largest of a column, `12.3 to 22.6`. */
function span(rows: readonly Ending[], key: keyof Ending, digits: number): string {
  const values = rows.map((row) => Number(row[key] ?? Number.NaN));
  return `${decimals(Math.min(...values), digits)} to ${decimals(Math.max(...values), digits)}`;
}

function percentSpan(rows: readonly Ending[], key: keyof Ending): string {
  const values = rows.map((row) => 100 * Number(row[key]));
  return `${Math.min(...values).toFixed(1)} to ${Math.max(...values).toFixed(1)} %`;
}
