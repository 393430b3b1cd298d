/** @file Trainings that are opened: run folders, or what the browser kept; as sides that go on. */
import { detectOverfitting, identityOf, type ResidentDataset, requireSameData, type TrainConfig } from "@gradalign/robustness";
import type { TrainingSettings } from "@gradalign/runs";
import { ConfigError } from "@gradalign/tensor";
import { fewestSettings, isOfMethod } from "../fewest-settings.ts";
import type { NamedFile } from "../files.ts";
import { labelOf } from "../names.ts";
import type { OpenedSide } from "../protocol.ts";
import { type BySide, SIDES, type Side } from "../sides.ts";
import { trainConfigOf } from "../train-config.ts";
import type { LoadedData } from "./fetch-dataset.ts";
import { runFolders } from "./run-folders.ts";
import type { KeptSide } from "./shelf.ts";

/**
 * Both sides of dropped run folders: the two in order, or one on the left, and beside it a training from the beginning that differs in its method alone.
 *
 * @param settings of the page, for the method of the side that no folder is for.
 * @throws ConfigError when there is no run folder or more than two; what is wrong with a folder.
 */
export async function openRunFolders(
  files: readonly NamedFile[],
  settings: BySide<TrainingSettings>,
  dataset: ResidentDataset,
): Promise<{ readonly sides: BySide<KeptSide>; readonly labels: BySide<string> }> {
  const folders = await runFolders(files);
  if (folders.length < 1 || folders.length > 2) {
    throw new ConfigError(
      `there must be one run folder or two among the files, got ${folders.length || "none"}; choose the folder that train wrote (with config.json in it), or a .tar of it`,
    );
  }
  const [left, right] = (await Promise.all(folders.map(({ read }) => read()))).map(({ config, last, best }): KeptSide => {
    // The last step is evaluated in any case.
    return { config, last, best, done: (last.evaluations?.at(-1)?.epoch ?? 0) >= config.epochs };
  }) as [KeptSide, KeptSide?];
  const sides = { left, right: right ?? { config: beside(left.config, settings.right, dataset), last: null, best: null, done: false } };
  return { sides, labels: { left: labelOf(sides.left.config), right: labelOf(sides.right.config) } };
}

/** A training beside another: its settings, with the method of these. */
function beside(config: TrainConfig, settings: TrainingSettings, dataset: ResidentDataset): TrainConfig {
  const of = (all: TrainingSettings, isMethod: boolean) => Object.fromEntries(Object.entries(all).filter(([name]) => isOfMethod(name) === isMethod));
  return trainConfigOf({ ...of(fewestSettings(config, dataset), false), ...of(settings, true) }, dataset);
}

/**
 * Makes sure that what was trained on is what is here.
 *
 * @throws DataError naming what differs.
 */
export function checkSides(sides: BySide<KeptSide>, { dataset, fingerprint }: LoadedData): void {
  for (const side of SIDES) {
    const { last, config } = sides[side];
    if (last) requireSameData(last.run.data, identityOf([dataset], fingerprint), labelOf(config));
  }
}

/** What the page is told of sides that were opened. */
export function describeSides(sides: BySide<KeptSide>): BySide<OpenedSide> {
  const describe = (side: Side): OpenedSide => {
    const { config, last, done } = sides[side];
    const evaluations = last?.evaluations ?? [];
    const chance = 1 / (last?.run.data.classNames.length ?? 10);
    const found = config.method.name === "standard" ? null : detectOverfitting(evaluations, chance);
    return { config, evaluations, overfitting: found && { iteration: found.iteration, epoch: found.epoch, evidence: found.evidence }, done };
  };
  return { left: describe("left"), right: describe("right") };
}
