/** @file The paper's ImageNet experiment (D.3): FGSM, FGSM-RS and FGSM + GradAlign in the three phases of Wong et al. 2020, with growing images. */
import { type PartialTrainConfig, resolveTrainConfig } from "@gradalign/robustness";
import type { Experiment, Measurement, Scale, Training } from "../paper/experiment.ts";
import { type CurvePoint, curveFigure } from "../support/curves.ts";
import { METHOD_COLORS } from "../support/figure.ts";
import { attackedGrid, basisOf, collapseOf, divergedWords, outcomesIn } from "../support/outcomes.ts";
import { type Cell, gridMethod } from "../support/resnet-grid.ts";
import { percent } from "../support/statistics.ts";

const METHODS = ["fgsm", "fgsm-rs", "fgsm-gradalign"] as const;
/** Smoke compiles one method's programs, of two phases. */
const TRAINED: Readonly<Record<Scale, readonly string[]>> = { paper: METHODS, laptop: METHODS, smoke: ["fgsm-rs"] };
const RADII: Readonly<Record<Scale, readonly number[]>> = { paper: [2, 4, 6], laptop: [2, 4, 6], smoke: [6] };
/** The only λ that is known: of the authors' script for 6/255. */
const LAMBDA = 0.1;
/** Training images are cut out at random; of those that are evaluated the middle is, with zeros around what is smaller. */
const TRANSFORMS = "train=random-resized-crop+flip,eval=center-crop";

const OPTIMIZER = { name: "sgd", momentum: 0.9, weightDecay: 1e-4, excludeNorms: true } as const;

type Settings = Pick<PartialTrainConfig, "model" | "epochs" | "trainSize" | "evalEvery" | "evalExamples"> & {
  readonly dataset: string;
  readonly schedule: { readonly name: "linear"; readonly peak: number; readonly points: string };
  readonly phases: string;
};

const SETTINGS: Readonly<Record<Scale, Settings>> = {
  paper: {
    dataset: `imagenet:size=288,${TRANSFORMS}`,
    model: { name: "resnet50", stem: "imagenet", normalization: "imagenet" },
    epochs: 15,
    schedule: { name: "linear", peak: 0.4, points: "0:0,1:1,6:0.1,12:0.01,15:0.001" },
    phases: "0:image-size=128,batch-size=512,data=imagenet-160;6:image-size=224,batch-size=224,data=imagenet-352;12:image-size=288,batch-size=128",
    evalEvery: 2500,
    evalExamples: 1000,
  },
  laptop: {
    dataset: "cifar10-jpegs:size=48,train=random-resized-crop:min-scale=0.35+flip",
    model: { name: "resnet18", width: 8, stem: "imagenet", normalization: "imagenet" },
    epochs: 9,
    trainSize: 5000,
    schedule: { name: "linear", peak: 0.1, points: "0:0,1:1,4:0.5,7:0.1,9:0.01" },
    phases: "0:image-size=24,batch-size=128;4:image-size=36,batch-size=64;7:image-size=48,batch-size=64",
    evalEvery: 78,
    evalExamples: 128,
  },
  smoke: {
    dataset: "made-up:size=12",
    model: { name: "resnet18", width: 2, stem: "imagenet", normalization: "imagenet" },
    epochs: 2,
    schedule: { name: "linear", peak: 0.05, points: "0:0,1:1,2:0.1" },
    phases: "0:image-size=8,batch-size=32;1:image-size=12,batch-size=16",
    evalEvery: 100,
    evalExamples: 16,
  },
};

/** Steps of 1/255, as Wong et al. evaluate. */
const attackOf: Readonly<Record<Scale, (eps: number) => { readonly attack: string; readonly examples: number }>> = {
  paper: (eps) => ({ attack: `pgd-50-10:step-size=${Number((1 / eps).toPrecision(4))}`, examples: 1000 }),
  laptop: (eps) => ({ attack: `pgd-50-1:step-size=${Number((1 / eps).toPrecision(4))}`, examples: 256 }),
  smoke: () => ({ attack: "pgd-2", examples: 32 }),
};

/** Which epochs the phases begin with, for figures. */
function phaseStarts(scale: Scale): number[] {
  return SETTINGS[scale].phases.split(";").map((phase) => Number.parseInt(phase, 10));
}

function cells(scale: Scale): Cell[] {
  return TRAINED[scale].flatMap((method) => RADII[scale].map((eps) => ({ method, eps, seed: 0 })));
}

function training(scale: Scale, { method: key, eps, seed }: Cell): Training {
  const { label, method } = gridMethod(key);
  const epsilon = eps / 255;
  const chosen = key === "fgsm-gradalign" ? { ...method, lambda: LAMBDA } : method;
  const config = resolveTrainConfig({ ...SETTINGS[scale], optimizer: OPTIMIZER, method: chosen, epsilon, seed } as PartialTrainConfig);
  return { label: `${label}, ε = ${eps}/255, seed ${seed}`, config, attacks: [{ ...attackOf[scale](eps), epsilon, which: "last" }] };
}

const grid = attackedGrid(cells, training);

/** Appendix D.3, ImageNet. */
export const imagenet: Experiment = {
  id: "imagenet",
  title: "ImageNet, in three phases with growing images",
  paper: "ImageNet in appendix D.3",
  summary:
    "FGSM, FGSM-RS and FGSM + GradAlign at ε = 2, 4 and 6 of 255: a ResNet trained on images that grow (in the paper from 128 to 224 and 288 pixels), one program per phase, with the optimiser's state carried through.",
  defaultScale: "laptop",
  changes: {
    paper: [
      "float32 instead of half precision; the last batch of an epoch, which is not whole, is left out.",
      "Images are read from the folders imagenet-160, imagenet-352 and imagenet of the data folder: shorter sides of 160 and 352 pixels, and as they are.",
      `λ = ${LAMBDA} is known for ε = 6/255 alone, from a file name of the authors; it is taken for the other radii too.`,
    ],
    laptop: [
      "5,000 training images of CIFAR-10, enlarged to 64 pixels and stored as JPEGs in a folder per class, instead of ImageNet; images of 24, 36 and 48 pixels instead of 128, 224 and 288; those that are evaluated are resized first, since their folder is of one size. Crops have at least 35 % of an image, not 8 %.",
      "ResNet-18 of width 8 instead of ResNet-50, 9 epochs instead of 15, batches of 128 and 64, peak learning rate 0.1.",
      "PGD-50 with one restart on 256 test images, evaluations during training on 128.",
      `λ = ${LAMBDA} at every radius.`,
    ],
    smoke: ["Made-up images of 8, then 12 pixels, a ResNet-18 of width 2, two epochs, FGSM-RS at ε = 6/255 alone: nothing can be concluded from it."],
  },
  trainings: grid.trainings,
  async measure(lab, scale) {
    const { measurements } = await grid.measure(lab, scale);
    const largest = RADII[scale].at(-1) as number;
    const curves = cells(scale).flatMap((cell): Measurement[] => {
      if (cell.eps !== largest) return [];
      const { id, evaluations } = lab.finished(training(scale, cell));
      return evaluations.map(({ epoch, test_pgd_acc: pgd, test_clean_acc: clean, gradient_alignment: alignment }) => ({
        ...{ quantity: "curve", training: id, method: cell.method, eps: cell.eps, seed: cell.seed, epoch, pgd, clean, alignment },
      }));
    });
    return { measurements: [...measurements, ...curves] };
  },
  page({ measurements }, scale) {
    const rows = outcomesIn(measurements);
    const told = scale !== "smoke";
    const largest = RADII[scale].at(-1) as number;
    const at = (method: string, eps: number) => rows.filter((row) => row.method === method && row.eps === eps);
    const collapses = (method: string, radii: readonly number[]): boolean => radii.some((eps) => at(method, eps).some((row) => row.overfitting_epoch !== null));
    const fateOf = (row: (typeof rows)[number]): string =>
      row.diverged ? "diverged" : row.overfitting_epoch === null ? "does not overfit" : `overfits at epoch ${collapseOf(row)}`;
    const words = (method: string, radii: readonly number[]): string => {
      const each = radii.flatMap((eps) => {
        const own = at(method, eps);
        const { label } = gridMethod(method);
        return own.length === 0 ? [] : [`${label} at ${eps}/255: ${percent(own.map((row) => row.robust))} under attack, ${own.map(fateOf).join(", ")}`];
      });
      return each.join("; ") || "not trained at this scale";
    };
    const curves = measurements.filter((row) => row["quantity"] === "curve") as unknown as {
      readonly method: string;
      readonly epoch: number;
      readonly pgd: number;
      readonly alignment: number | null;
    }[];
    const colors = Object.fromEntries(METHODS.map((method) => [gridMethod(method).label, METHOD_COLORS[method] as string]));
    const points = (value: (row: (typeof curves)[number]) => number | null): CurvePoint[] =>
      curves.flatMap((row) => {
        const found = value(row);
        return found === null ? [] : [{ epoch: row.epoch, value: found, series: gridMethod(row.method).label }];
      });
    const caption = `ε = ${largest}/255, evaluated while training on test images of the phase's size. Dashed: the images grow.`;
    const changes = phaseStarts(scale).slice(1);
    const small = RADII[scale].filter((eps) => eps < largest);
    return {
      claims: [
        {
          text: "At the smaller radii FGSM training does not overfit catastrophically on ImageNet.",
          holds: told ? !collapses("fgsm", small) : null,
          evidence: words("fgsm", small),
        },
        {
          text: "At ε = 6/255 FGSM-RS overfits catastrophically.",
          holds: told ? collapses("fgsm-rs", [largest]) : null,
          evidence: words("fgsm-rs", [largest]),
        },
        {
          text: "At ε = 6/255 neither FGSM nor FGSM + GradAlign does.",
          holds: told ? !collapses("fgsm", [largest]) && !collapses("fgsm-gradalign", [largest]) : null,
          evidence: `${words("fgsm", [largest])}; ${words("fgsm-gradalign", [largest])}`,
        },
      ],
      comparisons: [],
      sections: [
        {
          title: "Accuracy",
          tables: [
            {
              title: "The last model, on the largest images",
              caption: `${basisOf(rows.slice(0, 1)).replace(/, ε = [\d./]+|:STEP-SIZE=[\d.]+/g, "")}; steps of 1/255.${divergedWords(rows)}`,
              columns: ["method", "ε", "clean", "under attack", "overfits at epoch"],
              rows: rows.map((row) => [gridMethod(row.method).label, row.epsilon, percent(row.clean), percent(row.robust), collapseOf(row)]),
            },
          ],
        },
        {
          title: "Through the phases",
          figures: [
            curveFigure({
              ...{ id: "imagenet-pgd", title: "Accuracy under PGD-10", caption, axis: "accuracy under PGD-10", scale: "percent", colors, changes },
              points: points(({ pgd }) => pgd),
            }),
            curveFigure({
              ...{ id: "imagenet-alignment", title: "Gradient alignment", caption, axis: "gradient alignment", scale: "cosine", colors, changes },
              points: points(({ alignment }) => alignment),
            }),
          ],
        },
      ],
    };
  },
};
