/**
 * @file Phases: from which epoch on a training takes batches of another size, other images, or images of another size. Weights, statistics and
 * the optimiser's state go through all of them; each phase is a program of its own.
 */
import { ConfigError } from "@gradalign/tensor";
import { externalName, integerOr, textOr, type ValuesOf } from "../options/option.ts";
import { readOptions, readWritten } from "../options/written.ts";

/** What a phase may have of its own; what it leaves out is the run's. */
export const phaseOptions = {
  batchSize: integerOr(undefined, { least: 1, help: "images per step", remedy: "write e.g. 128" }),
  imageSize: integerOr(undefined, { least: 1, unit: "pixels", help: "height and width that images are cut to", remedy: "write e.g. 224" }),
  data: textOr(undefined, {
    argument: "name|folder",
    help: "the data set",
    rule: "a name or a folder without commas and semicolons",
    accepts: (name) => /^[^,;]+$/.test(name),
    remedy: "write e.g. imagenet-160",
  }),
};

/** A phase: the epoch it begins with, from 0, and what it has of its own. */
export interface Phase extends Partial<ValuesOf<typeof phaseOptions>> {
  readonly from: number;
}

/**
 * Phases as they are written, `0:image-size=128,batch-size=512;6:image-size=224`.
 *
 * @throws ConfigError for another form, an option or a value that there is not, or epochs that do not rise from 0.
 */
export function readPhases(source: string, text: string): Phase[] {
  const phases = text.split(";").map((part): Phase => {
    const { name, texts } = readWritten(source, part.trim());
    if (!/^\d{1,9}$/.test(name)) throw new ConfigError(`${source} (="${text}"): each phase begins with its first epoch and a colon, got "${part.trim()}"`);
    return { from: Number(name), ...readOptions(source, "a phase", phaseOptions, texts) };
  });
  const rises = phases.every(({ from }, i) => (i === 0 ? from === 0 : from > (phases[i - 1] as Phase).from));
  if (!rises) throw new ConfigError(`${source} (="${text}"): the first phase begins with epoch 0, each other one with a later epoch than the one before it`);
  return phases;
}

/** What is wrong with a text as phases; undefined if nothing is. */
function problemOf(text: string): string | undefined {
  try {
    readPhases("phases", text);
    return undefined;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message.replace(/^phases(: | \(="[^"]*"\):? )/, "");
  }
}

/** The setting. */
export const phasesOption = textOr(undefined, {
  argument: "epoch:option=value,…;…",
  help: `other batches or images from an epoch on: ${Object.keys(phaseOptions).map(externalName).join(", ")} of each phase`,
  rule: "phases as epoch:option=value,option=value, with semicolons between them",
  accepts: (text) => problemOf(text) === undefined,
  problem: problemOf,
  remedy: "write e.g. 0:image-size=128,batch-size=512;6:image-size=224",
});

/** The settings that decide when a training does what. */
interface Timed {
  readonly epochs: number;
  readonly batchSize: number;
  readonly phases?: string | undefined;
}

/** The phases of these settings; one where they say nothing of any. */
export function phasesOf({ phases }: Pick<Timed, "phases">): readonly Phase[] {
  return phases === undefined ? [{ from: 0 }] : readPhases("config: phases", phases);
}

/** Images per step in a phase. */
export function batchSizeIn({ batchSize }: Phase, config: Pick<Timed, "batchSize">): number {
  return batchSize ?? config.batchSize;
}

/** What each phase trains on, as it is written: the run's data set, its path and its images' `size` replaced by what the phase has of its own. */
export function phaseData({ dataset, ...timed }: Pick<Timed, "phases"> & { readonly dataset: string }): string[] {
  const colon = dataset.search(/:[A-Za-z-]+=/);
  const [path, written] = colon < 0 ? [dataset, []] : [dataset.slice(0, colon), dataset.slice(colon + 1).split(",")];
  return phasesOf(timed).map(({ data = path, imageSize }) => {
    const options = imageSize === undefined ? written : [`size=${imageSize}`, ...written.filter((option) => !option.startsWith("size="))];
    return options.length === 0 ? data : `${data}:${options.join(",")}`;
  });
}

/** A phase's part of a training; epochs and iterations are counted from 0 through all of it. */
export interface Part {
  /** Number of the phase. */
  readonly phase: number;
  readonly batchSize: number;
  readonly firstEpoch: number;
  /** The epoch after the last. */
  readonly endEpoch: number;
  readonly firstIteration: number;
  readonly endIteration: number;
  readonly iterationsPerEpoch: number;
  /** Number of its first batch, for the keys of what is drawn: those of epoch 0, which only initialises statistics, and of the phases before are less. */
  readonly firstBatch: number;
}

/** Which iteration belongs to which phase and epoch. */
export interface Timetable {
  readonly parts: readonly Part[];
  readonly iterations: number;
  /** The part that iteration `index` belongs to. */
  partOf(index: number): Part;
  /** Epochs done after so many iterations, fractional. */
  epochsAfter(iterations: number): number;
}

/**
 * When a training does what.
 *
 * @param examples how many images each phase trains on; the rest of them that makes no batch is left out of each epoch.
 */
export function timetableOf(config: Timed, examples: readonly number[]): Timetable {
  const parts: Part[] = [];
  const phases = phasesOf(config);
  for (const [phase, { from: firstEpoch, ...own }] of phases.entries()) {
    const batchSize = batchSizeIn({ from: firstEpoch, ...own }, config);
    const iterationsPerEpoch = Math.floor((examples[phase] as number) / batchSize);
    const endEpoch = phases[phase + 1]?.from ?? config.epochs;
    const firstIteration = parts.at(-1)?.endIteration ?? 0;
    const endIteration = firstIteration + (endEpoch - firstEpoch) * iterationsPerEpoch;
    const firstBatch = firstIteration + (parts[0]?.iterationsPerEpoch ?? iterationsPerEpoch);
    parts.push({ phase, batchSize, firstEpoch, endEpoch, firstIteration, endIteration, iterationsPerEpoch, firstBatch });
  }
  const last = parts.at(-1) as Part;
  const partOf = (index: number): Part => parts.find(({ endIteration }) => index < endIteration) ?? last;
  return {
    parts,
    iterations: last.endIteration,
    partOf,
    epochsAfter(iterations) {
      const { firstEpoch, firstIteration, iterationsPerEpoch } = partOf(iterations);
      return firstEpoch + (iterations - firstIteration) / iterationsPerEpoch;
    },
  };
}
