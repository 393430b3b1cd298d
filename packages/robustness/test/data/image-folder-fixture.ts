/** @file A folder of small images for tests: as many files of each class as asked for, all different. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileOf } from "../images/vectors.ts";

const FILES = ["17x33-444.jpg", "17x33-422.jpg", "17x33-420.jpg", "40x23-420.jpg", "64x64-444.jpg", "type2-8.png", "type3-4.png", "lossy.webp"];

/** The i-th of an endless list of files, as bytes: what follows the image's end makes it different. */
export function imageFile(i: number): Uint8Array {
  const file = fileOf(FILES[i % FILES.length] as string);
  return i < FILES.length ? file : Uint8Array.from([...file, ...new TextEncoder().encode(String(i))]);
}

/** Writes files by their names below a folder. */
export function writeFiles(folder: string, files: Readonly<Record<string, Uint8Array | string>>): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
}

/** `train/CLASS/0.jpg` and so on: `train` images of each class, then `test` of each. */
export function imageFolder(folder: string, classes: readonly string[], train: number, test: number): void {
  let i = 0;
  for (const [split, count] of [
    ["train", train],
    ["val", test],
  ] as const) {
    for (const name of classes) for (let n = 0; n < count; n++) writeFiles(folder, { [`${split}/${name}/${n}.jpg`]: imageFile(i++) });
  }
}
