/** @file The data sets of a grid, each loaded once; at smoke scale made-up images stand in for one that cannot be had. */
import { madeUpImages, type Scale } from "@gradalign/experiments";
import type { LoadedDataset } from "@gradalign/robustness/node";
import type { DataKind } from "@gradalign/runs/node";
import { DataError } from "@gradalign/tensor";
import { loadDataset } from "../run/dataset.ts";
import type { OutputStream } from "../terminal/streams.ts";

/** Where a command's images come from. */
export interface DatasetShelf {
  /** Whether a name stands for the real data set. */
  kindOf(name: string): DataKind;
  load(name: string, kind: DataKind): Promise<LoadedDataset>;
}

/** Loads a data set by name; replaced in tests. */
export type DatasetLoader = (name: string, output: OutputStream, signal?: AbortSignal) => Promise<LoadedDataset>;

/** As many made-up images as smoke scale takes at most. */
const MADE_UP = { train: 256, test: 128 };

/** Finds out which of the data sets can be had; what cannot is an error unless all that is wanted of it is smoke. */
export async function openShelf(
  wanted: readonly { readonly name: string; readonly scale: Scale }[],
  output: OutputStream,
  signal: AbortSignal,
  loader: DatasetLoader = loadDataset,
): Promise<DatasetShelf> {
  const loaded = new Map<string, LoadedDataset>();
  const missing = new Set<string>();
  for (const name of new Set(wanted.map((entry) => entry.name))) {
    try {
      loaded.set(name, await loader(name, output, signal));
    } catch (error) {
      const onlySmoke = wanted.every((entry) => entry.name !== name || entry.scale === "smoke");
      if (!(error instanceof DataError) || !onlySmoke) throw error;
      missing.add(name);
      output.write(`${name} cannot be had (${error.message.split("\n")[0]}); made-up images stand in for it\n`);
    }
  }
  const madeUp = new Map<string, LoadedDataset>();
  return {
    kindOf: (name) => (missing.has(name) ? "made-up" : "real"),
    async load(name, kind) {
      if (kind === "real") {
        const known = loaded.get(name) ?? (await loader(name, output, signal));
        loaded.set(name, known);
        return known;
      }
      const images = madeUp.get(name) ?? { dataset: madeUpImages(name, MADE_UP.train, MADE_UP.test), fingerprint: "made-up", classesFrom: "definition" };
      madeUp.set(name, images);
      return images;
    },
  };
}
