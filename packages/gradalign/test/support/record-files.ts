/** @file Small made-up data sets in CIFAR-10's binary format: each class has its own stripes, under noise. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Writes `train.bin` and `test.bin` into a folder. */
export function writeRecordFiles(folder: string, trainCount: number, testCount: number): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "train.bin"), records(trainCount, 1));
  writeFileSync(join(folder, "test.bin"), records(testCount, 2));
}

function records(count: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(count * 3073);
  let state = seed;
  for (let i = 0; i < count; i++) {
    const label = i % 10;
    bytes[i * 3073] = label;
    for (let p = 0; p < 3072; p++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      const stripes = 60 * Math.sin(((p % 32) * (label + 1)) / 5 + Math.floor(p / 1024));
      bytes[i * 3073 + 1 + p] = 128 + stripes + ((state >>> 24) - 128) / 4;
    }
  }
  return bytes;
}
