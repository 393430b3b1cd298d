/** @file A folder of files that is either wholly there or not at all. */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, renameSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { ConfigError } from "@gradalign/tensor";
import { makeFolder, removeLeftovers, temporaryName } from "./node-atomic-file.ts";
import { onFile } from "./node-file-error.ts";

/**
 * Writes files under a temporary folder's name, flushes them to the disk, and renames the folder into place.
 *
 * @param files content by name.
 * @throws ConfigError when something is in its place; FileError when it cannot be written. Nothing is left then.
 */
export function writeFolderAtomic(folder: string, files: Readonly<Record<string, Uint8Array | string>>): void {
  const path = resolve(folder);
  onFile("write", folder, () => {
    const empty = existsSync(path);
    if (empty && readdirSync(path).length > 0) throw new ConfigError(`"${folder}" must be empty or not there, it holds files; name another folder`);
    const remove = makeFolder(dirname(path));
    const temporary = temporaryName(path);
    removeLeftovers(dirname(path), basename(path));
    try {
      mkdirSync(temporary);
      for (const [name, content] of Object.entries(files)) {
        const descriptor = openSync(join(temporary, name), "wx");
        try {
          writeFileSync(descriptor, content);
          fsyncSync(descriptor);
        } finally {
          closeSync(descriptor);
        }
      }
      if (empty) rmdirSync(path);
      renameSync(temporary, path);
    } catch (error) {
      rmSync(temporary, { recursive: true, force: true });
      remove();
      throw error;
    }
  });
}
