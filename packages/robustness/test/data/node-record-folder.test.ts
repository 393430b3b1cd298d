/** @file Data sets of one's own: what is read, and what a folder may not hold. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { writeRecordFiles } from "../../../gradalign/test/support/record-files.ts";
import { readRecordFolder } from "../../src/data/node-record-folder.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gradalign-records-"));
  writeRecordFiles(folder, 30, 10);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("the records of all files follow one another, batch 10 after batch 9", () => {
  for (const name of ["data_batch_10.bin", "data_batch_9.bin"])
    writeFileSync(join(folder, name), readFileSync(join(folder, "test.bin")).fill(name.length % 10, 0, 1));
  const { dataset, fingerprint } = readRecordFolder(folder);
  const order = ["data_batch_9.bin", "data_batch_10.bin", "train.bin", "test.bin"];
  const bytes = order.map((name) => readFileSync(join(folder, name)));
  const records = Buffer.concat(bytes.slice(0, 3));
  expect(dataset.train.count).toBe(50);
  for (let i = 0; i < 50; i++) {
    const record = records.subarray(i * 3073, (i + 1) * 3073);
    expect(dataset.train.labels[i]).toBe(record[0]);
    expect(Buffer.compare(dataset.train.images.subarray(i * 3072, (i + 1) * 3072), record.subarray(1))).toBe(0);
  }
  const hash = createHash("sha256");
  for (const [i, name] of order.entries()) hash.update(name).update(bytes[i] as Buffer);
  expect(fingerprint).toBe(hash.digest("hex"));
});

test("classes are those of a list, or counted from the labels", () => {
  expect(readRecordFolder(folder)).toMatchObject({ classesFrom: "labels", dataset: { classNames: Array.from({ length: 10 }, (_, i) => String(i)) } });
  writeFileSync(join(folder, "classes.txt"), Array.from({ length: 12 }, (_, i) => `class ${i}\n`).join(""));
  expect(readRecordFolder(folder)).toMatchObject({ classesFrom: "classes.txt", dataset: { classNames: { length: 12 } } });
});

test("a label far above the others is refused: it would add classes of nothing", () => {
  writeFileSync(join(folder, "train.bin"), readFileSync(join(folder, "train.bin")).fill(200, 3073 * 17, 3073 * 17 + 1));
  const message = "no image has label 10, yet label 200 (1 image) is there; correct the labels, or list the class names in classes.txt, one a line";
  expect(() => readRecordFolder(folder)).toThrow(expect.objectContaining({ code: "DataError", message: expect.stringContaining(message) }));
});

describe("a folder is refused with the path and what to do when", () => {
  const cases: [what: string, change: () => void, name: string, message: string][] = [
    ["train.bin is a folder", () => replace("train.bin", mkdirSync), "train.bin", "must be a file of records, is a folder; move it away"],
    ["test.bin is a pipe", () => replace("test.bin", (file) => execFileSync("mkfifo", [file])), "test.bin", "must be a file of records, is not a file"],
    ["data_batch_1.bin points nowhere", () => symlinkSync("nowhere", join(folder, "data_batch_1.bin")), "data_batch_1.bin", "(ENOENT)"],
    [
      "train.bin has 3 GB",
      () => truncateSync(join(folder, "train.bin"), 3073 * 976_250),
      "train.bin",
      "must hold at most 2147483648 bytes in all, got 3000016250",
    ],
    ["train.bin is empty", () => truncateSync(join(folder, "train.bin"), 0), "train.bin", "must hold records of 3073 bytes, got 0 bytes"],
    ["train.bin ends in a record", () => truncateSync(join(folder, "train.bin"), 4000), "train.bin", "must hold records of 3073 bytes, got 4000 bytes"],
    ["classes.txt is a folder", () => mkdirSync(join(folder, "classes.txt")), "classes.txt", "must be a text of at most 65536 bytes"],
    ["classes.txt is endless", () => symlinkSync("/dev/zero", join(folder, "classes.txt")), "classes.txt", "must be a text of at most 65536 bytes"],
    ["classes.txt is long", () => writeFileSync(join(folder, "classes.txt"), "cat\n".repeat(20_000)), "classes.txt", "must be a text of at most 65536 bytes"],
  ];
  const replace = (name: string, make: (file: string) => void) => {
    rmSync(join(folder, name));
    make(join(folder, name));
  };
  test.each(cases)("%s", (_, change, name, message) => {
    change();
    expect(() => readRecordFolder(folder)).toThrow(expect.objectContaining({ code: "DataError", message: expect.stringContaining(message) }));
    expect(() => readRecordFolder(folder)).toThrow(join(folder, name));
  });
});

test("CIFAR-100 is known by its list of fine labels, which come after the coarse ones", () => {
  const record = (coarse: number, fine: number) => Buffer.concat([Buffer.of(coarse, fine), Buffer.alloc(3072, fine)]);
  writeFileSync(join(folder, "fine_label_names.txt"), Array.from({ length: 100 }, (_, i) => `class ${i}\n`).join(""));
  writeFileSync(join(folder, "train.bin"), Buffer.concat([record(4, 99), record(1, 7)]));
  writeFileSync(join(folder, "test.bin"), record(0, 3));
  const { dataset, classesFrom } = readRecordFolder(folder);
  expect([dataset.classNames.length, classesFrom, [...dataset.train.labels], [...dataset.test.labels]]).toEqual([100, "fine_label_names.txt", [99, 7], [3]]);
  expect(dataset.train.images[3072]).toBe(7);
});
