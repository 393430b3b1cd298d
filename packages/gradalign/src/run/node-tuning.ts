/** @file Where measurements of a GPU are kept: a file in the data folder. */
import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { TuningStore } from "@gradalign/tensor";
import { writeFileAtomic } from "../checkpoint/node-atomic-file.ts";
import { dataFolder } from "../data/node-cache-folder.ts";

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
      await mkdir(folder, { recursive: true });
      writeFileAtomic(path, new TextEncoder().encode(text));
    },
  };
}
