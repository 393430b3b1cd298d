import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bytesSource, crc32 } from "@gradalign/formats";
import { GradalignError } from "@gradalign/tensor";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readDataFolder } from "../../src/data/node-data-folder.ts";
import { npyHeader, npyImages, npyLabels, readNpy } from "../../src/data/npy.ts";
import { isResident } from "../../src/data/source.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gradalign-arrays-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A .npy file as NumPy writes it. */
function npy(descr: string, shape: readonly number[], bytes: Uint8Array, order = "False"): Buffer {
  const text = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': (${shape.join(", ")}${shape.length === 1 ? "," : ""}), }`;
  const header = Buffer.from(`${text.padEnd(117)}\n`, "latin1");
  return Buffer.concat([Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length & 255, header.length >> 8]), header, bytes]);
}

const counting = (length: number) => Uint8Array.from({ length }, (_, i) => i);
const int64 = (...values: number[]) => new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
const images = (bytes: Buffer) => npyImages(readNpy(bytesSource(bytes), "x"), "x");
const labels = (bytes: Buffer) => [...npyLabels(readNpy(bytesSource(bytes), "y"), "y")];

test("images are read in each order of their axes, labels of each type", () => {
  const last = images(npy("|u1", [2, 2, 2, 3], counting(24)));
  expect([last.shape, [...last.read(1, 1)]]).toEqual([
    [3, 2, 2],
    [12, 15, 18, 21, 13, 16, 19, 22, 14, 17, 20, 23],
  ]);
  const first = images(npy("|u1", [2, 3, 2, 2], counting(24)));
  expect([first.shape, [...first.read(0, 1)]]).toEqual([[3, 2, 2], [...counting(12)]]);
  expect(images(npy("|u1", [3, 2, 4], counting(24))).shape).toEqual([1, 2, 4]);
  expect(labels(npy("<i8", [3], int64(2, 0, 1)))).toEqual([2, 0, 1]);
  expect(labels(npy(">u2", [2, 1], Uint8Array.of(1, 0, 0, 5)))).toEqual([256, 5]);
  expect(labels(Buffer.concat([npyHeader([2], "<i4"), Buffer.from(Int32Array.of(7, 3).buffer)]))).toEqual([7, 3]);
});

test("other arrays are refused by what they are", () => {
  expect(() => images(npy("<f4", [1, 2, 2, 3], new Uint8Array(48)))).toThrow(/must be images of uint8 .* got \[1, 2, 2, 3\] of f4/);
  expect(() => images(npy("|u1", [1, 2, 2, 3], new Uint8Array(12), "True"))).toThrow(/Fortran/);
  expect(() => images(npy("|u1", [1, 2, 2, 3], new Uint8Array(11)))).toThrow(/is cut off or damaged: it has 11 bytes/);
  expect(() => images(npy("|O", [1], new Uint8Array(8)))).toThrow(/header that is not read/);
  expect(() => images(npy("|u1", [99999999, 99999999, 3], new Uint8Array(8)))).toThrow(/cut off or damaged/);
  expect(() => labels(npy("<i8", [1], int64(-1)))).toThrow(/label 0 \(=-1\) must be from 0/);
  expect(() => images(Buffer.from("PK\x03\x04, no array"))).toThrow(/is not a .npy file/);
});

test("CIFAR-10-C's files are cut by severity, CIFAR-10.1's have their labels beside them", () => {
  const pixels = new Uint8Array(50_000 * 12);
  for (let i = 0; i < 50_000; i++) pixels[i * 12] = Math.floor(i / 10_000) + 1;
  writeFileSync(join(folder, "fog.npy"), npy("|u1", [50_000, 2, 2, 3], pixels));
  writeFileSync(join(folder, "labels.npy"), npy("|u1", [50_000], new Uint8Array(50_000).fill(1)));
  const { dataset } = readDataFolder(`${join(folder, "fog.npy")}:severity=3`);
  expect([dataset.test.count, isResident(dataset.test) && dataset.test.images[0], dataset.name]).toEqual([10_000, 3, `${join(folder, "fog.npy")}:severity=3`]);
  expect(readDataFolder(join(folder, "fog.npy")).dataset.test.count).toBe(50_000);
  writeFileSync(join(folder, "cifar10.1_v6_data.npy"), npy("|u1", [2, 32, 32, 3], new Uint8Array(6144)));
  writeFileSync(join(folder, "cifar10.1_v6_labels.npy"), npy("<i8", [2], int64(3, 9)));
  const found = readDataFolder(join(folder, "cifar10.1_v6_data.npy")).dataset;
  expect([[...found.test.labels], found.classNames[9]]).toEqual([[3, 9], "truck"]);
});

test("more labels than a call has room for arguments, and as many classes", () => {
  const count = 130_001;
  writeFileSync(join(folder, "x.npy"), npy("|u1", [count, 1, 1], new Uint8Array(count)));
  writeFileSync(join(folder, "labels.npy"), npy("<i4", [count], new Uint8Array(Int32Array.from({ length: count }, (_, i) => i).buffer)));
  const { test, classNames } = readDataFolder(join(folder, "x.npy")).dataset;
  expect([test.count, test.labels[count - 1], classNames.length, classNames[count - 1]]).toEqual([count, count - 1, count, "130000"]);
});

test.each(["arrays.npz", "arrays-compressed.npz"])("NumPy's %s", (name) => {
  const file = fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
  const { dataset } = readDataFolder(file);
  expect([dataset.shape, dataset.classNames, [...dataset.train.labels], [...dataset.test.labels]]).toEqual([
    [3, 5, 4],
    ["0", "1", "2"],
    [2, 0, 1, 2, 1, 0],
    [1, 0],
  ]);
  expect(isResident(dataset.train) && crc32(dataset.train.images)).toBe(227302372);
  // A byte of an image, and one of the directory's sizes.
  for (const at of [300, 1000]) {
    const bytes = readFileSync(file);
    bytes[at] = (bytes[at] as number) ^ 1;
    writeFileSync(join(folder, name), bytes);
    expect(() => readDataFolder(join(folder, name))).toThrow(GradalignError);
  }
});
