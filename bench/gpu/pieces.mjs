/** @file Files in pieces, for machines that are reached through transports with a limit per file. */
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, readSync, renameSync, statSync, writeFileSync, writeSync } from "node:fs";
import { basename, join } from "node:path";

/**
 * Writes a file's pieces of at most `bytes` bytes into a folder, as NAME.000, NAME.001 and so on; returns their number.
 *
 * @param {string} file
 * @param {string} folder
 * @param {number} bytes
 */
export function splitFile(file, folder, bytes) {
  mkdirSync(folder, { recursive: true });
  const source = openSync(file, "r");
  const size = statSync(file).size;
  const count = Math.max(1, Math.ceil(size / bytes));
  for (let piece = 0; piece < count; piece++) {
    const data = Buffer.alloc(Math.min(bytes, size - piece * bytes));
    readSync(source, data, 0, data.length, piece * bytes);
    writeFileSync(join(folder, `${basename(file)}.${String(piece).padStart(3, "0")}`), data);
  }
  closeSync(source);
  return count;
}

/**
 * Puts all files of a folder of pieces together in another, but those that are there; returns their names. Throws where a piece is missing.
 *
 * @param {string} folder
 * @param {string} target
 */
export function joinPieces(folder, target) {
  /** @type {Map<string, string[]>} */
  const pieces = new Map();
  for (const name of readdirSync(folder).sort()) {
    const [, file, number] = /^(.+)\.(\d{3})$/.exec(name) ?? [];
    if (file === undefined) continue;
    const known = pieces.get(file) ?? [];
    if (Number(number) !== known.length) throw new Error(`${folder}: piece ${known.length} of ${file} is missing; copy the folder again`);
    pieces.set(file, [...known, join(folder, name)]);
  }
  mkdirSync(target, { recursive: true });
  for (const [file, parts] of pieces) {
    const path = join(target, file);
    if (existsSync(path)) continue;
    // A call that is cut off leaves no half of a file under its name.
    const output = openSync(`${path}.part`, "w");
    for (const part of parts) writeSync(output, readFileSync(part));
    closeSync(output);
    renameSync(`${path}.part`, path);
  }
  return [...pieces.keys()];
}
