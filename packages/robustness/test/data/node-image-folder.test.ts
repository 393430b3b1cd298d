import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { byCodePoint, type ImageTable, nameAt } from "../../src/data/image-table.ts";
import { checkFolder } from "../../src/data/node-check-folder.ts";
import { readDataFolder } from "../../src/data/node-data-folder.ts";
import { decoder } from "../../src/data/node-image-decoder.ts";
import { LEFT_OUT, leftOutLine, listImageFolder } from "../../src/data/node-image-folder.ts";
import { FINDING_BYTES, decoder as inspector, readFinding } from "../../src/data/node-image-inspector.ts";
import { openSource } from "../../src/data/source.ts";
import { fileOf } from "../images/vectors.ts";
import { imageFile, imageFolder, writeFiles } from "./image-folder-fixture.ts";

let folder: string;
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "gradalign-images-")));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const listedNames = ({ files, count }: ImageTable) => Array.from({ length: count }, (_, i) => nameAt(files, i));
const names = (table: ImageTable) => listedNames(table).sort(byCodePoint);
/** Labels in the order of {@link names}. */
const labels = (table: ImageTable) => {
  const found = listedNames(table).map((name, i) => ({ name, label: table.labels[i] }));
  return found.sort((a, b) => byCodePoint(a.name, b.name)).map(({ label }) => label);
};

test("classes are in the order of their names; what is no image is passed over", () => {
  imageFolder(folder, ["zebra", "Ant", "été"], 2, 1);
  writeFiles(folder, { "train/Ant/more/9.PNG": imageFile(9), "train/Ant/notes.txt": "x", "train/Ant/.hidden.jpg": "x", "train/readme.md": "x" });
  writeFiles(folder, { "train/Ant/.thumbnails/0.jpg": imageFile(0), "train/.cache/0.jpg": imageFile(0) });
  const listed = listImageFolder(folder);
  expect(listed.classNames).toEqual(["Ant", "zebra", "été"]);
  expect(names(listed.train).slice(0, 4)).toEqual(["train/Ant/0.jpg", "train/Ant/1.jpg", "train/Ant/more/9.PNG", "train/zebra/0.jpg"]);
  expect(labels(listed.train)).toEqual([0, 0, 0, 1, 1, 2, 2]);
  expect(names(listed.test)).toEqual(["val/Ant/0.jpg", "val/zebra/0.jpg", "val/été/0.jpg"]);
  expect(listed.ignored).toEqual(["train/Ant/.hidden.jpg", "train/Ant/.thumbnails", "train/Ant/notes.txt"]);
  expect(["b", "a\u{1f600}", "a\uffee", "a"].sort(byCodePoint)).toEqual(["a", "a\uffee", "a\u{1f600}", "b"]);
});

test("the first images are a sample of all classes, and the same one everywhere", () => {
  for (const name of ["a", "b", "c", "d"]) for (let i = 0; i < 25; i++) writeFiles(folder, { [`train/${name}/${i}.jpg`]: "", [`val/${name}/${i}.jpg`]: "" });
  const { train, test } = listImageFolder(folder);
  for (const table of [train, test]) expect(new Set(table.labels.subarray(0, 20)).size).toBe(4);
  expect(listedNames(train).slice(0, 3)).toMatchInlineSnapshot(`
    [
      "train/d/5.jpg",
      "train/c/14.jpg",
      "train/d/3.jpg",
    ]
  `);
});

test("Tiny-ImageNet's validation images get their classes from the table", () => {
  writeFiles(folder, {
    ...{ "train/n01/images/n01_0.JPEG": imageFile(0), "train/n02/images/n02_0.JPEG": imageFile(1) },
    ...{ "val/images/val_0.JPEG": imageFile(2), "val/images/val_1.JPEG": imageFile(3), "test/images/test_0.JPEG": imageFile(4) },
    "val/val_annotations.txt": "val_1.JPEG\tn01\t0\t0\t62\t57\nval_0.JPEG\tn02\t0\t0\t62\t57\n",
  });
  const listed = listImageFolder(folder);
  expect([names(listed.test), labels(listed.test)]).toEqual([
    ["val/images/val_0.JPEG", "val/images/val_1.JPEG"],
    [1, 0],
  ]);
  writeFileSync(join(folder, "val/val_annotations.txt"), "../../secret\tn01\n");
  expect(() => listImageFolder(folder)).toThrow(/line 1 must be the name of a file/);
});

test("a fraction is kept of each class, the same one however many others there are", () => {
  for (const name of ["a", "b"]) for (let i = 0; i < 10; i++) writeFiles(folder, { [`${name}/${i}.jpg`]: imageFile(i) });
  expect(() => listImageFolder(folder)).toThrow(/val-fraction=0.1/);
  expect(listImageFolder(folder, { trainingAlone: true })).toMatchObject({ train: { count: 20 }, test: { count: 0 } });
  const { train, test } = listImageFolder(folder, { valFraction: 0.2 });
  expect([train.count, test.count, labels(test)]).toEqual([16, 4, [0, 0, 1, 1]]);
  expect(names(train).some((name) => names(test).includes(name))).toBe(false);
  writeFiles(folder, { "c/0.jpg": imageFile(1), "c/1.jpg": imageFile(2) });
  expect(names(listImageFolder(folder, { valFraction: 0.2 }).test).slice(0, 4)).toEqual(names(test));
});

test("links are followed inside the folder, and never out of it", () => {
  const outside = join(folder, "outside");
  const root = join(folder, "root");
  imageFolder(root, ["a", "b"], 1, 1);
  writeFiles(outside, { "secret.jpg": imageFile(5), "class/0.jpg": imageFile(6) });
  symlinkSync(join(outside, "secret.jpg"), join(root, "train/a/secret.jpg"));
  symlinkSync(join(outside, "class"), join(root, "train/c"));
  symlinkSync(join(root, "train/b/0.jpg"), join(root, "train/a/inside.jpg"));
  symlinkSync(join(root, "train/a/circle"), join(root, "train/a/circle"));
  const listed = listImageFolder(root);
  expect(names(listed.train)).toEqual(["train/a/0.jpg", "train/a/inside.jpg", "train/b/0.jpg"]);
  expect(listed.ignored).toEqual(["train/a/circle", "train/a/secret.jpg", "train/c"]);
  // Tiny-ImageNet's table may not lead out either.
  writeFiles(root, { "val/val_annotations.txt": "link.jpg\ta\n" });
  mkdirSync(join(root, "val/images"));
  symlinkSync(join(outside, "secret.jpg"), join(root, "val/images/link.jpg"));
  expect(() => listImageFolder(root)).toThrow(/leads out of the folder/);
});

test("what is wrong with a folder is said, with what to do", () => {
  expect(() => listImageFolder(join(folder, "nothing"))).toThrow(/does not exist/);
  imageFolder(folder, ["a", "b"], 1, 1);
  writeFiles(folder, { "val/c/0.jpg": imageFile(4) });
  expect(() => listImageFolder(folder)).toThrow(/val\/c is no class of train, which has 2/);
  rmSync(join(folder, "val/c"), { recursive: true });
  writeFiles(folder, { "train/c/notes.txt": "" });
  expect(() => listImageFolder(folder)).toThrow(/no training images of the class c; add some, or remove its folder/);
  for (let i = 0; i < 50; i++) mkdirSync(join(folder, `train/empty-${i}`));
  expect(() => listImageFolder(folder)).toThrow("of the classes c, empty-0, empty-1, empty-10, empty-11 and 46 more; add some, or remove their folders");
  rmSync(join(folder, "train"), { recursive: true });
  expect(() => listImageFolder(folder)).toThrow("put the training images into train");
  symlinkSync("/usr", join(folder, "train"));
  rmSync(join(folder, "val"), { recursive: true });
  expect(() => listImageFolder(folder)).toThrow("train leads out of it or nowhere: name the folder it leads to");
  rmSync(join(folder, "train"));
  writeFiles(folder, { "0.jpg": imageFile(0) });
  expect(() => readDataFolder(`${folder}:size=16`)).toThrow(
    "must have train/CLASS/image.jpg and val/CLASS/image.jpg, or CLASS/image.jpg; make a folder for each class",
  );
  writeFiles(folder, { "a\nb/0.jpg": imageFile(0) });
  expect(() => listImageFolder(folder)).toThrow('the class "a\\nb" must have its name on one line; rename its folder');
  rmSync(join(folder, "a\nb"), { recursive: true });
  mkdirSync(join(folder, "caf"));
  writeFileSync(Buffer.concat([Buffer.from(join(folder, "caf/")), Buffer.of(0xe9), Buffer.from(".jpg")]), imageFile(0));
  expect(() => listImageFolder(folder)).toThrow(/caf\/\ufffd\.jpg: the name is not UTF-8; rename it/);
});

test("a table's image is decoded and transformed by its epoch, and errors name its file", async () => {
  imageFolder(folder, ["a", "b"], 4, 1);
  const { train: table } = listImageFolder(folder);
  const { decode } = decoder({ table, size: 16, train: "random-resized-crop+flip", evaluation: "resize:size=18+center-crop" });
  const pixels = async (index: number, draw: { seed: number; epoch: number } | null) => {
    const into = new Uint8Array(3 * 16 * 16);
    await decode(index, draw, into);
    return into.join();
  };
  expect(await pixels(1, { seed: 1, epoch: 2 })).toBe(await pixels(1, { seed: 1, epoch: 2 }));
  expect(await pixels(1, { seed: 1, epoch: 3 })).not.toBe(await pixels(1, { seed: 1, epoch: 2 }));
  expect(await pixels(1, null)).toBe(await pixels(1, null));
  const file = join(folder, nameAt(table.files, 1));
  writeFileSync(file, fileOf("cut.jpg"));
  await expect(pixels(1, null)).rejects.toThrow(`${file}: the JPEG is damaged: the file ends within the image; get it again, or leave it out`);
  rmSync(file);
  await expect(pixels(1, null)).rejects.toThrow(`cannot read ${file}: it does not exist`);
});

test("a folder is a data set whose images stream, as its options say", async () => {
  imageFolder(folder, ["a", "b"], 4, 2);
  const { dataset, fingerprint, classesFrom } = readDataFolder(`${folder}:size=24`);
  expect([dataset.shape, dataset.classNames, dataset.train.count, dataset.test.count, classesFrom]).toEqual([[3, 24, 24], ["a", "b"], 8, 4, "folders"]);
  expect(dataset.name).toBe(`${folder}:size=24`);
  const read = async (workers: number) => {
    const reader = await openSource(dataset.train, 3 * 24 * 24, workers);
    const into = new Uint8Array(8 * 3 * 24 * 24);
    await reader.read(Int32Array.of(7, 6, 5, 4, 3, 2, 1, 0), { seed: 3, epoch: 1 }, into);
    await reader.close();
    return into.join();
  };
  expect(await read(2)).toBe(await read(0));
  expect(() => readDataFolder(`${folder}:size=24,train=flip`)).toThrow(/train \(="flip"\) must leave images of 24 x 24 pixels/);
  expect(() => readDataFolder(`${folder}:eval=random-crop`)).toThrow(/must not draw/);
  expect(() => readDataFolder(`${folder}:sise=24`)).toThrow(/did you mean size/);
  writeFileSync(join(folder, "train/a/0.jpg"), imageFile(20));
  expect(readDataFolder(folder).fingerprint).not.toBe(fingerprint);
});

test("the check finds what cannot be decoded and what is there twice; a list leaves images out", async () => {
  imageFolder(folder, ["a", "b"], 6, 2);
  writeFiles(folder, { "train/a/x.jpg": fileOf("cut.jpg"), "val/a/twin.jpg": imageFile(0), "train/b/twin.jpg": imageFile(1), "train/b/y.png": "no image" });
  const progress: number[] = [];
  const found = await checkFolder(folder, { onProgress: (done) => progress.push(done) });
  expect(found.splits.train).toEqual({ images: 15, byClass: [7, 8] });
  expect(found.formats).toEqual({ jpeg: 12, png: 4, webp: 2 });
  expect(found.sizes).toEqual({ smallest: [13, 11], median: [17, 33], largest: [64, 64] });
  expect(found.unreadable).toEqual([
    { image: "train/a/x.jpg", reason: "the JPEG is damaged: the file ends within the image; get it again, or leave it out" },
    { image: "train/b/y.png", reason: "the file must be a JPEG, PNG or WebP, it is no image of a known format; convert it, or leave it out" },
  ]);
  expect(found.duplicates).toEqual([
    { images: ["train/a/0.jpg", "val/a/twin.jpg"], leaks: true, contradicts: false },
    { images: ["train/a/1.jpg", "train/b/twin.jpg"], leaks: false, contradicts: true },
  ]);
  expect(progress).toEqual([15, 20]);
  writeFileSync(join(folder, "leave-out.txt"), "train/a/x.jpg\ntrain/b/y.png\n");
  expect((await checkFolder(folder)).unreadable).toEqual([]);
});

test("names with line breaks, quotation marks and pictures are checked, left out and decoded; what is wrong with a far one is told", async () => {
  imageFolder(folder, ["a", "b"], 2, 1);
  const odd = ["train/a/two\nlines.jpg", 'train/a/"said".jpg', "train/b/\u{1f408}\t\u001b[2J.jpg", "train/b/end\r.png"];
  writeFiles(folder, Object.fromEntries(odd.map((name) => [name, ""])));
  writeFiles(folder, { "train/b/\u{1f408}.png": imageFile(7) });
  const { train } = listImageFolder(folder);
  expect(names(train)).toEqual(expect.arrayContaining([...odd, "train/b/\u{1f408}.png"]));
  const { unreadable } = await checkFolder(folder);
  expect(unreadable.map(({ image }) => image)).toEqual([...odd].sort(byCodePoint));
  expect(new Set(unreadable.map(({ reason }) => reason))).toEqual(new Set(["the file must be a JPEG, PNG or WebP, it is empty; convert it, or leave it out"]));
  writeFileSync(join(folder, LEFT_OUT), unreadable.map(({ image }) => `${leftOutLine(image)}\n`).join(""));
  expect(listImageFolder(folder).train.count).toBe(5);
  const far = `train/b/${`${"\u0001".repeat(200)}/`.repeat(2)}0.jpg`;
  writeFiles(folder, { [far]: "" });
  const { train: table } = listImageFolder(folder);
  rmSync(join(folder, far));
  const finding = new Uint8Array(FINDING_BYTES);
  await inspector(table).decode(listedNames(table).indexOf(far), null, finding);
  expect(readFinding(finding)).toMatchObject({ reason: expect.stringContaining("\u0001".repeat(200)) });
});
