/** @file Where measurements of a GPU are kept: a file in the data folder. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { TuningStore } from "@gradalign/tensor";
import { dataFolder } from "../data/node-cache-folder.ts";
import { makeFolder, writeFileAtomic } from "../files/node-atomic-file.ts";

/** For `createDevice({ backend: "webgpu", tuning: nodeTuning() })`: what was fastest on this GPU, for the next run. */
export function nodeTuning(folder: string = dataFolder()): TuningStore {
  const path = join(folder, "webgpu-tiles.json");
  return {
    async load() {
      try {
        return readFileSync(path, "utf8");
      } catch {
        return null;
      }
    },
    async save(text) {
      makeFolder(folder);
      writeFileAtomic(path, text);
    },
  };
}
