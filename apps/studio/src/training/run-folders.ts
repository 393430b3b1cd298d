/** @file The run folders among files that were dropped. */
import { type ReadRun, readRunFiles } from "@gradalign/runs";
import type { NamedFile } from "../files.ts";
import { bytesOf, unpacked } from "./files.ts";

/** A run folder, nothing of which is read yet. */
export interface RunFolder {
  /** Its path in what was dropped; empty where its files were dropped themselves. */
  readonly path: string;
  read(): Promise<ReadRun>;
}

/** The folders with settings and checkpoints, in order of their paths; archives are looked into. */
export async function runFolders(dropped: readonly NamedFile[]): Promise<RunFolder[]> {
  const files = new Map((await unpacked(dropped)).map(({ path, file }) => [path, file]));
  const folders = [...files.keys()].flatMap((path) => (/(^|\/)config\.json$/.test(path) ? [path.slice(0, -"config.json".length)] : []));
  return folders.sort().map((folder) => ({
    path: folder.replace(/\/$/, ""),
    read: () =>
      readRunFiles(
        async (path) => {
          const file = files.get(folder + path);
          return file && bytesOf(file);
        },
        folder === "" ? "the folder" : folder.slice(0, -1),
      ),
  }));
}
