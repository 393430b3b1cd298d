/** @file Parquet files that pyarrow wrote (tools/oracle/parquet_files.py): every image and class; what is not read, and files that lie. */
import { mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DataError } from "@gradalign/tensor";
import { afterEach, beforeEach, expect, test } from "vitest";
import { checkFolder } from "../../src/data/node-check-folder.ts";
import { convertFolder } from "../../src/data/node-convert-folder.ts";
import { readDataFolder } from "../../src/data/node-data-folder.ts";
import { readImageFile } from "../../src/data/node-image-decoder.ts";
import { listParquet } from "../../src/data/node-parquet.ts";
import { unsnappy } from "../../src/data/parquet/snappy.ts";
import { readStruct } from "../../src/data/parquet/thrift.ts";
import { openSource } from "../../src/data/source.ts";
import { imageFile, writeFiles } from "./image-folder-fixture.ts";

let folder = "";
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "gradalign-parquet-")));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const ROWS = 12;
const written = (name: string): Uint8Array => readFileSync(new URL(`../fixtures/parquet/${name}.parquet`, import.meta.url));
const put = (files: Readonly<Record<string, string>>): void =>
  writeFiles(folder, Object.fromEntries(Object.entries(files).map(([name, from]) => [name, written(from)])));
const list = (chosen = {}) => listParquet(folder, { label: "", valFraction: 0, ...chosen });

/** Number of the row that each image of a table was written as, and its class. */
function rowsOf(table: ReturnType<typeof list>["train"]): [row: number, label: number][] {
  const rows = Array.from({ length: ROWS }, (_, i) => Buffer.from(imageFile(i)).toString("base64"));
  return Array.from(table.labels, (label, i) => [rows.indexOf(Buffer.from(readImageFile(table, i)).toString("base64")), label]);
}

test.each(["usual", "no-dictionary", "second-version", "gzip", "bare"])("%s: every row's image and class, in an order that mixes them", (name) => {
  put({ "data/train-00000-of-00001.parquet": name, "data/test-00000-of-00001.parquet": name });
  const { classNames, listed, train, test } = list();
  expect([classNames, listed]).toEqual(name === "bare" ? [["0", "1", "2"], false] : [["cat", "dog", "fox"], true]);
  const rows = rowsOf(train);
  expect(rows.map(([row]) => row)).not.toEqual(Array.from({ length: ROWS }, (_, i) => i));
  expect(rows.sort(([a], [b]) => a - b)).toEqual(Array.from({ length: ROWS }, (_, i) => [i, (5 * i) % 3]));
  expect(test.count).toBe(ROWS);
});

test("several files are one split, which may be divided by class", () => {
  put({ "train-0.parquet": "usual", "train-1.parquet": "no-dictionary" });
  expect(() => list()).toThrow("must have Parquet files named train-* and validation-* or test-*, has 2 of 2 and 0; add some, or keep a share");
  const { train, test } = list({ valFraction: 0.25 });
  expect([train.count, test.count]).toEqual([18, 6]);
  for (const label of [0, 1, 2]) expect(test.labels.filter((found) => found === label)).toHaveLength(2);
  const seen = [...rowsOf(train), ...rowsOf(test)].map(([row]) => row).sort((a, b) => a - b);
  expect(seen).toEqual(Array.from({ length: 2 * ROWS }, (_, i) => i >> 1));
});

test("they are data of one's own: decoded, checked, and converted to shards", async () => {
  put({ "train.parquet": "usual", "validation.parquet": "usual" });
  const { dataset, classesFrom } = readDataFolder(`${folder}:size=16`);
  expect([dataset.shape, dataset.classNames, dataset.train.count, classesFrom]).toEqual([[3, 16, 16], ["cat", "dog", "fox"], ROWS, "the files' notes"]);
  const pixels = async (path: string): Promise<string[]> => {
    const { test } = readDataFolder(`${path}:size=16`).dataset;
    const [reader, into] = [await openSource(test, 768), new Uint8Array(768 * ROWS)];
    await reader.read(
      Int32Array.from({ length: ROWS }, (_, i) => i),
      null,
      into,
    );
    return Array.from(test.labels, (label, i) => `${label}: ${into.subarray(768 * i, 768 * (i + 1)).join()}`);
  };
  const shards = join(folder, "..", `${folder.split("/").at(-1)}-shards`);
  try {
    await convertFolder(folder, shards, { to: "shards", valFraction: 0, size: 16, transforms: "", shardImages: 5, workers: 0 });
    expect(await pixels(shards)).toEqual(await pixels(folder));
  } finally {
    rmSync(shards, { recursive: true, force: true });
  }
  const check = await checkFolder(folder);
  expect([check.kind, check.unreadable, check.duplicates.length, check.formats]).toEqual(["parquet", [], ROWS, { jpeg: 18, png: 4, webp: 2 }]);
});

test.each(["missing", "missing-dictionary"])("%s: a row without an image is named when it is wanted", (name) => {
  put({ "train.parquet": name, "test.parquet": "usual" });
  const { train } = list();
  const reads = Array.from({ length: ROWS }, (_, i) => {
    try {
      return readImageFile(train, i).length;
    } catch (error) {
      return error instanceof DataError ? error.message : error;
    }
  });
  expect(reads.filter((found) => typeof found !== "number")).toEqual([expect.stringContaining("it has no bytes, perhaps only the name of a file")]);
});

test("what is not read is said: other ways to pack and to write, other columns", () => {
  const error = (name: string, label = ""): string => {
    put({ "train.parquet": name, "test.parquet": name });
    try {
      list({ label });
      return "";
    } catch (error) {
      return (error as Error).message.replace(folder, "");
    }
  };
  expect(error("zstd")).toBe("/train.parquet: pages are packed by zstd; write them with snappy; get it again, or write it with pyarrow's defaults");
  expect(error("delta")).toContain("values are written in a way that is not read");
  expect(error("usual", "kind")).toContain(
    "it must have one column of class numbers, it has image.bytes (bytes), image.path (bytes), label (int64); name one: label=NAME",
  );
  expect(error("usual", "label")).toBe("");
});

test("links are passed over", () => {
  put({ "train.parquet": "usual" });
  symlinkSync("/etc/passwd", join(folder, "test.parquet"));
  expect(() => list()).toThrow("has 1 of 1 and 0");
});

test("Snappy's copies may overlap, and lie nowhere but in what was made", () => {
  // Three letters, then nine bytes from three before.
  expect(new TextDecoder().decode(unsnappy(Uint8Array.of(12, 2 << 2, 97, 98, 99, (8 << 2) | 2, 3, 0), 12))).toBe("abcabcabcabc");
  for (const bytes of [[12, 2 << 2, 97, 98, 99, (8 << 2) | 2, 4, 0], [12, 2 << 2, 97], [12, 61 << 2, 255], [255, 255, 255, 255, 255, 1], []])
    expect(() => unsnappy(Uint8Array.from(bytes), 12)).toThrow("its compressed bytes are damaged");
  expect(() => unsnappy(Uint8Array.of(0), 2 ** 40)).toThrow("its compressed bytes are damaged");
});

test("metadata asks for no more than its bytes hold", () => {
  // A list of 2^31 elements, structs in structs, a text of 2^40 bytes, a number without an end.
  for (const bytes of [[0x19, 0xf1, 255, 255, 255, 255, 7], [0x18, 128, 128, 128, 128, 128, 64], new Array(40).fill(255), [0x1e]])
    expect(() => readStruct(Uint8Array.from(bytes), 0)).toThrow(DataError);
  expect(() => readStruct(Uint8Array.from(new Array(100).fill(0x1c)), 0)).toThrow("more than 32 structs deep");
});
