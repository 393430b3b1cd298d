/** @file `gradalign data check` and `convert`, and a training on the folder: what is told, what is written, exit codes. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { tarHeader, tarPadding } from "../../robustness/src/data/tar.ts";
import { imageFolder, writeFiles } from "../../robustness/test/data/image-folder-fixture.ts";
import { fileOf } from "../../robustness/test/images/vectors.ts";
import { gradalign } from "./support/captured.ts";

const folder = mkdtempSync(join(tmpdir(), "gradalign-data-"));
const [photos, packed] = [join(folder, "photos"), join(folder, "packed")];
beforeAll(() => imageFolder(photos, ["cat", "dog"], 12, 8));
afterAll(() => rmSync(folder, { recursive: true }));

test("a folder is checked, told, and an unreadable image is an error until it is left out", async () => {
  writeFiles(photos, { "train/cat/broken.jpg": fileOf("cut.jpg"), "train/cat/twin.jpg": readFileSync(join(photos, "val/cat/0.jpg")) });
  const { code, stdout, stderr } = await gradalign("data", "check", photos, "--workers", "0");
  expect([code, stdout.split("\n")]).toEqual([
    1,
    [
      "images, 2 classes",
      "training: 26, 12 (dog) to 14 (cat) of a class",
      "evaluation: 16, 8 of each class",
      "formats: 26 jpeg, 10 png, 5 webp",
      "sizes: 13 x 11 to 64 x 64, the middle one 17 x 33",
      "the same file more than once: 1, in training and evaluation 1, in different classes 0",
      "  train/cat/twin.jpg = val/cat/0.jpg",
      "cannot be decoded: 1",
      "  train/cat/broken.jpg: the JPEG is damaged: the file ends within the image; get it again, or leave it out",
      "",
    ],
  ]);
  expect(stderr).toMatch("checking: 42 of 42 images");
  expect((await gradalign("data", "check", photos, "--workers", "0", "--leave-out")).code).toBe(0);
  expect(readFileSync(join(photos, "leave-out.txt"), "utf8")).toBe("train/cat/broken.jpg\n");
  const after = await gradalign("data", "check", photos, "--workers", "0", "--json");
  expect([after.code, JSON.parse(after.stdout)]).toMatchObject([0, { splits: { train: { images: 25 } }, unreadable: [], duplicates: [{ leaks: true }] }]);
  const whole = await gradalign("data", "check", join(photos, "val"), "--workers", "0");
  expect([whole.code, whole.stdout.split("\n").slice(1, 3)]).toEqual([
    0,
    ["training: 16, 8 of each class", "evaluation: none; a training keeps a share with val-fraction=0.1"],
  ]);
  expect((await gradalign("data", "check", join(folder, "none"))).stderr).toMatch("error: ");
});

test("what it is converted to is trained on, and so is the folder itself", async () => {
  const converted = await gradalign("data", "convert", photos, "--out", packed, "--to", "packed", "--size", "16", "--workers", "0");
  expect([converted.code, converted.stdout]).toEqual([0, `${packed}: 25 training and 16 evaluation images as packed\n`]);
  const out = join(folder, "run");
  const flags = ["--model", "cnn", "--filters", "1", "--method", "standard", "--epochs", "1", "--batch-size", "8", "--threads", "1"];
  const trained = await gradalign("train", "--dataset", `${photos}:size=8`, ...flags, "--out", out);
  expect(trained.code).toBe(0);
  expect(readFileSync(join(out, "report.html"), "utf8")).toContain("Last evaluation while training, first 16 test images");
  expect(JSON.parse(readFileSync(join(out, "config.json"), "utf8"))).toMatchObject({ dataset: `${photos}:size=8` });
});

test("as many classes as labels may have are counted and told", async () => {
  const shards = join(folder, "shards");
  const shard = (label: string) => {
    const files = { "a.jpg": fileOf("17x33-444.jpg"), "a.cls": new TextEncoder().encode(label) };
    return Buffer.concat(Object.entries(files).flatMap(([name, bytes]) => [tarHeader(name, bytes.length), bytes, tarPadding(bytes.length)]));
  };
  writeFiles(shards, { "train-0.tar": shard("150000"), "val-0.tar": shard("3") });
  const { code, stdout } = await gradalign("data", "check", shards, "--workers", "0");
  expect([code, stdout.split("\n").slice(0, 2)]).toEqual([0, ["shards, 150,001 classes", "training: 1, 0 (0) to 1 (150000) of a class"]]);
});
