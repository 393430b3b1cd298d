import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bytesSource } from "@gradalign/formats";
import { DataError } from "@gradalign/tensor";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type ConvertOptions, convertFolder } from "../../src/data/node-convert-folder.ts";
import { readDataFolder } from "../../src/data/node-data-folder.ts";
import { openSource } from "../../src/data/source.ts";
import { readTar, tarHeader, tarPadding } from "../../src/data/tar.ts";
import { fileOf } from "../images/vectors.ts";
import { imageFile, imageFolder, writeFiles } from "./image-folder-fixture.ts";

let [folder, out] = ["", ""];
beforeEach(() => {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "gradalign-shards-")));
  [folder, out] = [join(root, "in"), join(root, "out")];
});
afterEach(() => rmSync(join(folder, ".."), { recursive: true, force: true }));

const OPTIONS: ConvertOptions = { to: "shards", valFraction: 0, size: 16, transforms: "resize:size=18+center-crop", shardImages: 5, workers: 0 };

/** Pixels of all images of a split as they are evaluated, each with its label, in an order that does not depend on theirs. */
async function contents(path: string): Promise<string[]> {
  const { dataset } = readDataFolder(path);
  const [found, size] = [[] as string[], dataset.shape.reduce((a, b) => a * b)];
  for (const split of [dataset.train, dataset.test]) {
    const reader = await openSource(split, size);
    const into = new Uint8Array(size * split.count);
    await reader.read(
      Int32Array.from({ length: split.count }, (_, i) => i),
      null,
      into,
    );
    found.push(...Array.from(split.labels, (label, i) => `${label}: ${into.subarray(i * size, (i + 1) * size).join()}`).sort());
  }
  return found;
}

const stored = (folder: string) => Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name)).toString("base64")]));

test("a folder, its shards and its packed pixels are the same images", async () => {
  imageFolder(folder, ["a", "b", "c"], 4, 2);
  const expected = await contents(`${folder}:size=16,eval=resize:size=18+center-crop`);
  expect(await convertFolder(folder, out, OPTIONS)).toEqual({ train: 12, test: 6 });
  expect(readdirSync(out).filter((name) => name.endsWith(".tar"))).toEqual([
    "test-000000.tar",
    "test-000001.tar",
    "train-000000.tar",
    "train-000001.tar",
    "train-000002.tar",
  ]);
  const options = ":size=16,eval=resize:size=18+center-crop";
  expect(await contents(out + options)).toEqual(expected);
  // Without the index the archives are listed.
  rmSync(join(out, "shards.json"));
  expect(await contents(out + options)).toEqual(expected);
  await convertFolder(folder, `${out}-packed`, { ...OPTIONS, to: "packed" });
  expect(await contents(`${out}-packed`)).toEqual(expected);
  expect(readDataFolder(`${out}-packed`).dataset.classNames).toEqual(["a", "b", "c"]);
});

describe.each(["shards", "packed"] as const)("%s that were stopped", (to) => {
  test("go on where they were, to the same bytes, and take nothing else in", async () => {
    imageFolder(folder, ["a", "b"], 40, 3);
    const options = { ...OPTIONS, to };
    await convertFolder(folder, out, options);
    const whole = stored(out);
    rmSync(out, { recursive: true });
    const stop = new AbortController();
    const onProgress = (done: number): void => {
      if (done >= 5) stop.abort(new Error("stopped"));
    };
    await expect(convertFolder(folder, out, { ...options, signal: stop.signal, onProgress })).rejects.toThrow("stopped");
    const names = readdirSync(out);
    expect(names).toContain(to === "shards" ? "train-000000.tar" : "x_train.npy.partial");
    expect(names.length).toBeLessThan(Object.keys(whole).length);
    // A kill leaves a piece of an image behind.
    if (to === "packed") truncateSync(join(out, "x_train.npy.partial"), 128 + 768 * 7 + 100);
    const first: number[] = [];
    await convertFolder(folder, out, { ...options, onProgress: (done) => first.push(done) });
    expect(first[0]).toBe(to === "shards" ? 5 : 7);
    expect(stored(out)).toEqual(whole);
    await expect(convertFolder(folder, out, { ...options, size: 17, shardImages: 6 })).rejects.toThrow(/holds another conversion/);
  });
});

test("an image that cannot be decoded is not packed, and nothing is written over", async () => {
  imageFolder(folder, ["a", "b"], 2, 1);
  writeFiles(folder, { "train/a/x.jpg": fileOf("cut.jpg") });
  await expect(convertFolder(folder, out, { ...OPTIONS, to: "packed" })).rejects.toThrow(/train\/a\/x.jpg: the JPEG is damaged/);
  writeFiles(`${out}2`, { "notes.txt": "mine" });
  await expect(convertFolder(folder, `${out}2`, OPTIONS)).rejects.toThrow(/must be empty or hold this conversion, it holds notes.txt/);
});

/** An archive of these files. */
function archive(files: Readonly<Record<string, Uint8Array>>): Uint8Array {
  const parts = Object.entries(files).flatMap(([name, content]) => [tarHeader(name, content.length), content, tarPadding(content.length)]);
  return Uint8Array.from(Buffer.concat([...parts, Buffer.alloc(1024)]));
}

const text = (content: string): Uint8Array => new TextEncoder().encode(content);

test("arrays that no training would take are not begun", async () => {
  imageFolder(folder, ["a", "b"], 22, 1);
  const packed = convertFolder(folder, out, { ...OPTIONS, to: "packed", size: 4096, transforms: "resize:size=4096+center-crop" });
  await expect(packed).rejects.toThrow("--size (=4096) makes arrays of 2214592512 bytes, more than the 2147483648 that a training takes into memory");
  expect(existsSync(out)).toBe(false);
});

test("shards of others are read: names with folders and dots, several parts, classes as text", async () => {
  const [one, two] = [imageFile(0), imageFile(1)];
  const train = { "d/n.1.jpg": one, "d/n.1.cls": text("1\n") };
  writeFiles(folder, {
    "train-0.tar": archive({ "../up/0001.jpg": one, "../up/0001.cls": text("2"), "../up/0001.json": text("{}"), README: text("x") }),
    "val-0.tar": archive({ "a.png": two, "a.cls": text("0") }),
  });
  const { dataset, classesFrom } = readDataFolder(`${folder}:size=16`);
  expect([dataset.classNames, [...dataset.train.labels], classesFrom]).toEqual([["0", "1", "2"], [2], "labels"]);
  expect((await contents(`${folder}:size=16`)).length).toBe(2);
  writeFiles(folder, { "train-0.tar": archive({ ...train, "e.jpg": two }) });
  expect(() => readDataFolder(folder)).toThrow(/the sample "d\/n" must have|the sample "e" must have an image/);
});

test("an archive that lies is refused", () => {
  const list = (bytes: Uint8Array) => [...readTar(bytesSource(bytes), "x.tar")].map(({ name, size }) => [name, size]);
  const good = archive({ "a.jpg": imageFile(0), "b.jpg": imageFile(1) });
  expect(list(good)).toEqual([
    ["a.jpg", imageFile(0).length],
    ["b.jpg", imageFile(1).length],
  ]);
  expect(() => list(good.subarray(0, good.length - 3000))).toThrow("a file in it is longer than the archive");
  const altered = good.slice();
  altered[10] = 65;
  expect(() => list(altered)).toThrow("a header's checksum is wrong");
  expect(() => list(good)).not.toThrow();
  expect(() => list(altered)).toThrow(DataError);
  writeFiles(folder, {
    "train-0.tar": archive({ "a.jpg": imageFile(0), "a.cls": text("0") }),
    "val-0.tar": archive({ "a.jpg": imageFile(0), "a.cls": text("-1") }),
  });
  expect(() => readDataFolder(folder)).toThrow(/the class of the sample "a" \(="-1"\) must be a number from 0/);
});

test("an index that names places outside of its shards is refused", async () => {
  imageFolder(folder, ["a", "b"], 2, 1);
  await convertFolder(folder, out, OPTIONS);
  const file = join(out, "train-index.npy");
  const index = readFileSync(file);
  index.writeDoubleLE(1e9, 128 + 8);
  writeFileSync(file, index);
  expect(() => readDataFolder(out)).toThrow(/row 0: \[0, 1000000000, \d+, \d\] lies in no shard/);
});
