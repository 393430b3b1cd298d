/** @file Files that are either wholly there or not at all, whenever the process or the machine stops. */
import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, mkdirSync, mkdtempSync, openSync, readdirSync, realpathSync, renameSync, rmdirSync, rmSync, statSync, writeSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { FileError, onFile } from "./node-file-error.ts";
import { isRunning } from "./node-process.ts";

/** Names of unfinished files: the name they were to get, and the process that wrote them. */
const TEMPORARY_FILE = /^\.(.+?)(?:\.(\d+))?\.[0-9a-f]{12}\.tmp$/;

/** A name for an unfinished file beside the one it is to become. */
export function temporaryName(file: string): string {
  return join(dirname(file), `.${basename(file)}.${process.pid}.${randomBytes(6).toString("hex")}.tmp`);
}

/**
 * Writes a file under a temporary name, flushes it to the disk, and renames it into place; a symbolic link's target is what is replaced.
 * The folder must exist.
 *
 * @throws FileError naming the file when it cannot be written; what was there before is then as it was.
 */
export function writeFileAtomic(file: string, content: Uint8Array | string): void {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  onFile("write", file, () => {
    const target = targetOf(file);
    const temporary = temporaryName(target);
    removeLeftovers(dirname(target), basename(target));
    try {
      const descriptor = openSync(temporary, "wx");
      try {
        writeAll(descriptor, bytes);
        fsyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
      renameSync(temporary, target);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
    syncFolder(dirname(target));
  });
}

/** Writes all bytes at the descriptor's position. */
function writeAll(descriptor: number, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length; ) written += writeSync(descriptor, bytes, written, bytes.length - written);
}

/** The file that a name stands for; nothing but a regular file is ever replaced. */
function targetOf(file: string): string {
  let target = file;
  try {
    target = realpathSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return file;
  }
  const found = statSync(target);
  if (found.isDirectory()) throw new FileError(`cannot write ${file}: it is a folder, not a file; name a file`);
  if (!found.isFile()) throw new FileError(`cannot write ${file}: it is a device or a pipe, not a regular file; name a file`);
  return target;
}

/**
 * Makes a folder and those above it.
 *
 * @returns what removes again those that were made, as far as they are empty.
 * @throws FileError naming it when it cannot be made.
 */
export function makeFolder(folder: string): () => void {
  const path = resolve(folder);
  const first = onFile("make the folder", folder, () => makeMissing(path));
  return () => {
    if (first === undefined) return;
    try {
      for (let made = path; made.length >= first.length; made = dirname(made)) rmdirSync(made);
    } catch {
      // Not empty: it is wanted.
    }
  };
}

/** Makes a folder and what is missing above it; the first that was made. In Node 20 `recursive` never ends where /proc or the like refuses a new folder. */
function makeMissing(path: string): string | undefined {
  const isThere = (): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
  const above = dirname(path);
  let first: string | undefined;
  try {
    mkdirSync(path);
    return path;
  } catch (error) {
    if (isThere()) return undefined;
    if ((error as NodeJS.ErrnoException).code !== "ENOENT" || above === path) throw error;
    first = makeMissing(above);
  }
  try {
    mkdirSync(path);
    return first ?? path;
  } catch (error) {
    // Another process may have made it meanwhile.
    if (isThere()) return first;
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw new FileError(`cannot make the folder ${path}: nothing can be made in ${above}; name another place`, { cause: error });
  }
}

/**
 * Makes sure, before long work begins, that a folder can be made and written to. Leaves nothing behind.
 *
 * @throws FileError naming the folder when it cannot.
 */
export function requireWritable(folder: string): void {
  onFile("write to", folder, () => {
    let existing = folder;
    // A dangling link is there, but cannot be made a folder.
    while (!statSync(existing, { throwIfNoEntry: false })) existing = dirname(existing);
    try {
      rmdirSync(mkdtempSync(join(existing, ".gradalign-")));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      // It is there: a file system of the system's own, such as /proc.
      throw new FileError(`cannot write to ${folder}: nothing can be made in ${existing}; name another place`, { cause: error });
    }
  });
}

/** As {@link requireWritable}, for a file that is to be written at the end: its folder must be there, and nothing but a file in its place. */
export function requireWritableFile(file: string): void {
  onFile("write", file, () => {
    const target = targetOf(file);
    rmdirSync(mkdtempSync(join(dirname(target), ".gradalign-")));
  });
}

/** Removes unfinished files and folders of processes that are no more: all in the folder, for its owner, or those that were to become one file. */
export function removeLeftovers(folder: string, file?: string): void {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    // Not there yet: nothing to remove.
    return;
  }
  for (const name of names) {
    const match = TEMPORARY_FILE.exec(name);
    if (match && (file === undefined || match[1] === file) && !(match[2] !== undefined && isRunning(Number(match[2]))))
      rmSync(join(folder, name), { recursive: true, force: true });
  }
}

/** Flushes a folder's list of names, so that a rename survives a power cut. */
function syncFolder(folder: string): void {
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
