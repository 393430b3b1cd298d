/** @file SVHN's files: against SciPy's writer, and what X and y must be. */
import { createReadStream, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { resolveTrainConfig, train } from "@gradalign/robustness";
import { createDevice } from "@gradalign/tensor";
import { describe, expect, it } from "vitest";
import { type DatasetFile, md5, readDataset } from "../../src/data/definition.ts";
import { svhn } from "../../src/data/svhn.ts";
import { compressed, header, type MatrixParts, matrix, pieces } from "./mat-fixture.ts";

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}.mat`, import.meta.url));
const fileOf = (name: string, images: number): DatasetFile => ({ name, split: "train", images, bytes: 0, checksum: md5("") });

/** The formula of tools/oracle/mat_files.py, as [N, C, H, W]. */
const expected = (count: number): Uint8Array =>
  Uint8Array.from({ length: count * 3072 }, (_, i) => {
    const [image, channel, row, column] = [Math.floor(i / 3072), Math.floor(i / 1024) % 3, Math.floor(i / 32) % 32, i % 32];
    return (7 * row + 13 * column + 29 * channel + 101 * image) % 251;
  });

describe("files written by SciPy", () => {
  it.each([
    ["svhn-compressed", 5],
    ["svhn-uncompressed", 2],
    ["svhn-labels-double", 3],
    ["svhn-labels-int64", 1],
  ])("%s", async (name, count) => {
    for (const highWaterMark of [13, 65536]) {
      const { images, labels } = await svhn.readSplit(() => createReadStream(fixture(name), { highWaterMark }), [fileOf(name, count)]);
      expect(images).toEqual(expected(count));
      expect([...labels]).toEqual([0, 1, 9, 5, 7].slice(0, count));
    }
  });

  it.each([100, 300, 1000, 1265])("are refused when cut at byte %i", async (length) => {
    const bytes = readFileSync(fixture("svhn-compressed")).subarray(0, length);
    const reading = svhn.readSplit(() => pieces(bytes, 100), [fileOf("train_32x32.mat", 5)]);
    await expect(reading).rejects.toThrow(
      expect.objectContaining({ code: "DataError", message: expect.stringContaining("train_32x32.mat is truncated: expected") }),
    );
  });
});

describe("training on SVHN", () => {
  it("follows the paper's recipe from the files on", async () => {
    const files = [fileOf("svhn-compressed", 5), { ...fileOf("svhn-labels-double", 3), split: "test" as const }];
    const dataset = await readDataset({ ...svhn, files }, (name) => createReadStream(fixture(name)));
    const config = resolveTrainConfig({
      dataset,
      model: { name: "cnn", filters: 1 },
      method: "fgsm-gradalign",
      batchSize: 2,
      epochs: 6,
      evalEvery: 6,
      evalExamples: 2,
    });
    expect(config).toMatchObject({ dataset: "svhn", augment: { crop: 4, flip: false }, method: { lambda: 2.5, warmupEpochs: 5 } });
    const device = await createDevice({ backend: "wasm", threads: 1 });
    const { evaluations } = await train(config, dataset, { device });
    device.close();
    expect(evaluations.map(({ iteration }) => iteration)).toEqual([0, 6, 12]);
    expect(Number.isFinite(evaluations.at(-1)?.train_loss)).toBe(true);
  });
});

describe("X and y", () => {
  const pixels = new Uint8Array(2 * 3072);
  const X: MatrixParts = { name: "X", dims: [32, 32, 3, 2], data: pixels };
  const y: MatrixParts = { name: "y", dims: [2, 1], data: Uint8Array.of(10, 3) };
  const read = (...parts: MatrixParts[]) =>
    svhn.readSplit(() => pieces(Buffer.concat([header(), ...parts.map((part) => compressed(matrix(part)))]), 500), [fileOf("a.mat", 2)]);

  it("may be in any order, among others, and a row for a column", async () => {
    expect([...(await read({ ...y, dims: [1, 2] }, { name: "note", dims: [1, 1], data: Uint8Array.of(1) }, X)).labels]).toEqual([0, 3]);
  });

  const double = new Uint8Array(Float64Array.of(1.5, 2).buffer);
  it.each<[what: string, parts: MatrixParts[], message: string]>([
    ["no y", [X], "a.mat must hold the variables X and y, y missing"],
    ["no X", [y], "a.mat must hold the variables X and y, X missing"],
    ["neither", [], "a.mat must hold the variables X and y, both missing"],
    ["X as double", [{ ...X, kind: 6 }, y], "a.mat: X must be uint8, found double stored as uint8; save the pixels as uint8"],
    ["X as int8", [{ ...X, kind: 8, storage: 1 }, y], "a.mat: X must be uint8, found int8 stored as int8"],
    ["X with images first", [{ ...X, dims: [2, 32, 32, 3] }, y], "a.mat: X must be 32 x 32 x 3 x 2, found 2 x 32 x 32 x 3"],
    ["fewer images", [{ ...X, dims: [32, 32, 3, 1], data: pixels.subarray(3072) }, y], "a.mat: X must be 32 x 32 x 3 x 2, found 32 x 32 x 3 x 1"],
    ["more labels", [X, { ...y, dims: [3, 1], data: Uint8Array.of(1, 2, 3) }], "a.mat: y must be 2 x 1, found 3 x 1"],
    ["label 0", [X, { ...y, data: Uint8Array.of(1, 0) }], "a.mat: y[1] (=0) must be an integer from 1 to 10, where 10 means digit 0"],
    ["label 11", [X, { ...y, data: Uint8Array.of(11, 1) }], "a.mat: y[0] (=11) must be an integer from 1 to 10"],
    ["a fraction for a label", [X, { ...y, kind: 6, storage: 9, data: double }], "a.mat: y[0] (=1.5) must be an integer from 1 to 10"],
  ])("%s is refused", async (_, parts, message) => {
    await expect(read(...parts)).rejects.toThrow(expect.objectContaining({ code: "DataError", message: expect.stringContaining(message) }));
  });
});
