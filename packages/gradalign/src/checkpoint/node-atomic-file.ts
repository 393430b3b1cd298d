/** @file Files that are either wholly there or not at all, whenever the process or the machine stops. */
import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** Names of unfinished files; what matches is left over from a stopped process. */
export const TEMPORARY_FILE: RegExp = /^\.(.+)\.[0-9a-f]{12}\.tmp$/;

/**
 * Writes a file under a temporary name, flushes it to the disk, and renames it into place.
 * The folder must exist. File system errors pass through.
 */
export function writeFileAtomic(file: string, bytes: Uint8Array): void {
  const temporary = join(dirname(file), `.${basename(file)}.${randomBytes(6).toString("hex")}.tmp`);
  try {
    const descriptor = openSync(temporary, "wx");
    try {
      for (let written = 0; written < bytes.length; ) written += writeSync(descriptor, bytes, written, bytes.length - written);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  syncFolder(dirname(file));
}

/** Flushes a folder's list of names, so that a rename survives a power cut. */
export function syncFolder(folder: string): void {
  let descriptor: number;
  try {
    descriptor = openSync(folder, "r");
  } catch {
    // Windows cannot open folders; its renames are journalled by the file system.
    return;
  }
  try {
    fsyncSync(descriptor);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Some network and virtual file systems refuse to flush folders; nothing more can be done there.
    if (code !== "EINVAL" && code !== "EPERM" && code !== "ENOTSUP") throw error;
  } finally {
    closeSync(descriptor);
  }
}
