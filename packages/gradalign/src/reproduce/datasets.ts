/**
 * @file The data sets of a grid, each loaded once; at smoke scale made-up images stand in for one that cannot be had. Folders of images lie in the
 * data folder; the one of JPEGs that stands in for ImageNet is made when it is first needed.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { madeUpImages, type Scale } from "@gradalign/experiments";
import { isDatasetName, type TrainConfig } from "@gradalign/robustness";
import { dataFolder, type LoadedDataset, readDataFolder } from "@gradalign/robustness/node";
import type { DataKind } from "@gradalign/runs/node";
import { DataError } from "@gradalign/tensor";
import { loadDataset } from "../run/dataset.ts";
import { loadRunData } from "../run/phase-data.ts";
import type { OutputStream } from "../terminal/streams.ts";
import { writeJpegFolder } from "./jpeg-folder.ts";

/** Where a command's images come from. */
export interface DatasetShelf {
  /** Whether a name stands for the real data set. */
  kindOf(name: string): DataKind;
  /** What a training with these settings is trained on. */
  load(config: Pick<TrainConfig, "dataset" | "phases">, kind: DataKind): Promise<LoadedDataset>;
}

/** Loads a data set by name; replaced in tests. */
export type DatasetLoader = (name: string, output: OutputStream, signal?: AbortSignal) => Promise<LoadedDataset>;

/** As many made-up images as smoke scale takes at most. */
const MADE_UP = { train: 256, test: 128 };

/** The folder of JPEGs that is made here. */
const JPEGS = "cifar10-jpegs";

/** A known data set, what a path names, or a folder in the data folder with options behind its name. */
async function loadByName(name: string, output: OutputStream, signal?: AbortSignal): Promise<LoadedDataset> {
  const path = pathOf(name);
  const folder = join(dataFolder(), path);
  if (isDatasetName(name) || !/^[\w.-]+$/.test(path)) return loadDataset(name, output, signal);
  if (path === JPEGS && !existsSync(folder)) {
    const cifar10 = await loadDataset("cifar10", output, signal);
    output.write(`writing ${folder}\n`);
    writeJpegFolder(folder, cifar10);
  }
  if (!existsSync(folder)) throw new DataError(`${path} is not in the data folder; put train/CLASS/… and val/CLASS/… into ${folder}`);
  const loaded = readDataFolder(`${folder}${name.slice(path.length)}`);
  return { ...loaded, dataset: { ...loaded.dataset, name } };
}

/** A data set's name without the options behind it. */
function pathOf(name: string): string {
  return name.replace(/:[A-Za-z-]+=.*$/, "");
}

/** Images that are made up even where others can be had. */
const MADE_UP_NAME = "made-up";

/** What a name stands for wherever its images can be had. */
export function alwaysOf(name: string): DataKind {
  return pathOf(name) === MADE_UP_NAME ? "made-up" : "real";
}

/** Finds out which of the data sets can be had; what cannot is an error unless all that is wanted of it is smoke. */
export async function openShelf(
  wanted: readonly { readonly name: string; readonly scale: Scale }[],
  output: OutputStream,
  signal: AbortSignal,
  loader: DatasetLoader = loadByName,
): Promise<DatasetShelf> {
  const loaded = new Map<string, LoadedDataset>();
  const missing = new Set<string>([MADE_UP_NAME]);
  for (const name of new Set(wanted.map((entry) => entry.name))) {
    const path = pathOf(name);
    if (missing.has(path)) continue;
    try {
      loaded.set(name, await loader(name, output, signal));
    } catch (error) {
      const onlySmoke = wanted.every((entry) => entry.name !== name || entry.scale === "smoke");
      if (!(error instanceof DataError) || !onlySmoke) throw error;
      missing.add(path);
      output.write(`${path} cannot be had (${error.message.split("\n")[0]}); made-up images stand in for it\n`);
    }
  }
  const madeUp = new Map<string, LoadedDataset>();
  const load = async (name: string, kind: DataKind): Promise<LoadedDataset> => {
    if (kind === "real") {
      const known = loaded.get(name) ?? (await loader(name, output, signal));
      loaded.set(name, known);
      return known;
    }
    const images = madeUp.get(name) ?? { dataset: madeUpImages(name, MADE_UP.train, MADE_UP.test), fingerprint: "made-up", classesFrom: "definition" };
    madeUp.set(name, images);
    return images;
  };
  return {
    kindOf: (name) => (missing.has(pathOf(name)) ? "made-up" : "real"),
    load: (config, kind) => loadRunData(config, (name) => load(name, kind)),
  };
}
