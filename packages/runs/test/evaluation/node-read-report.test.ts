/** @file An evaluation's folder as a report shows it: the images are the data set's, or none. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { imageDataset } from "@gradalign/robustness";
import type { LoadedDataset } from "@gradalign/robustness/node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { idOf } from "../../src/evaluation/identity.ts";
import { withEvaluation } from "../../src/evaluation/node-folder.ts";
import { readEvaluationReport } from "../../src/evaluation/node-read-report.ts";
import { type EvaluationRecord, identityOfRecord } from "../../src/evaluation/record.ts";
import { madeUp, recordOf } from "../support/synthetic-evaluation.ts";

const folder = mkdtempSync(join(tmpdir(), "gradalign-evaluation-report-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const [outcomes, stages] = madeUp("x01s0", ["apgd-ce", "square"]);
const split = (bytes: readonly number[]) => ({ images: Uint8Array.from(bytes), labels: outcomes.map(({ label }) => label) });
const data: LoadedDataset = {
  dataset: imageDataset({
    name: "tiny",
    classNames: ["a", "b", "c"],
    shape: [1, 1, 1],
    train: split([0, 0, 0, 0, 0]),
    test: split([0, 51, 102, 153, 204]),
    flip: false,
    crop: 0,
  }),
  fingerprint: "ef".repeat(32),
  classesFrom: "labels",
};
let record: EvaluationRecord;

beforeAll(async () => {
  const made = recordOf(outcomes, stages, { classNames: ["a", "b", "c"] });
  const identity = identityOfRecord(made);
  record = (await withEvaluation(folder, { identity, shape: [1, 1, 1], resume: false, remedy: "" }, async (log) => {
    const broken = outcomes.filter(({ brokenBy }) => brokenBy !== null);
    return log.finish(
      { ...made, id: idOf(identity) },
      broken.map((outcome) => ({ outcome, pixels: Float32Array.of(outcome.index / 8) })),
    );
  })) as EvaluationRecord;
});

test("has the record, and the images that the gallery shows as they are and as they were broken", async () => {
  const report = await readEvaluationReport(folder, data);
  expect(report.record).toEqual(record);
  expect(report.examples.map(({ index, shape, image, perturbed }) => [index, shape, image[0], perturbed?.[0]])).toEqual([
    [1, [1, 1, 1], Math.fround(0.2), 0.125],
    [4, [1, 1, 1], Math.fround(0.8), 0.5],
    [2, [1, 1, 1], Math.fround(0.4), 0.25],
    [3, [1, 1, 1], Math.fround(0.6), undefined],
  ]);
});

test("has no images of another data set, or of none", async () => {
  expect((await readEvaluationReport(folder)).examples).toEqual([]);
  expect((await readEvaluationReport(folder, { ...data, fingerprint: "ab".repeat(32) })).examples).toEqual([]);
});

test("refuses images that are not those of the record", async () => {
  const file = join(folder, "adversarials.safetensors");
  const before = readFileSync(file);
  writeFileSync(file, Buffer.concat([before.subarray(0, -1), Buffer.of(1)]));
  await expect(readEvaluationReport(folder, data)).rejects.toThrow(/adversarials\.safetensors: it is not the file that the record names; restore it/);
  writeFileSync(file, before);
});
