/** @file A finished evaluation's folder as a report shows it. */
import { createHash } from "node:crypto";
import { basename, join, resolve } from "node:path";
import { decodeSafetensors, elementCount, toFloat32 } from "@gradalign/formats";
import { readImages } from "@gradalign/robustness";
import { type LoadedDataset, readRegularFile } from "@gradalign/robustness/node";
import { DataError } from "@gradalign/tensor";
import { ADVERSARIALS, readEvaluation } from "./node-folder.ts";
import type { EvaluationRecord } from "./record.ts";
import type { EvaluationReport, ExampleImage } from "./report-data.ts";
import { chosenImages } from "./summary.ts";

/**
 * Reads an evaluation's folder.
 *
 * @param data the evaluation's data set, which the images to look at are from; without it, or with another one, there are none.
 * @throws ConfigError when no finished evaluation is there; DataError when its files were altered.
 */
export async function readEvaluationReport(folder: string, data?: LoadedDataset, label: string = basename(resolve(folder))): Promise<EvaluationReport> {
  const record = readEvaluation(folder);
  return { label, record, examples: data?.fingerprint === record.data.fingerprint ? await examplesOf(folder, record, data) : [] };
}

function examplesOf(folder: string, record: EvaluationRecord, { dataset }: LoadedDataset): Promise<ExampleImage[]> {
  const { shape, test } = dataset;
  const broken = brokenImages(join(folder, ADVERSARIALS), record, shape);
  const shown = chosenImages(record).flatMap(({ outcomes }) => outcomes);
  return Promise.all(
    shown.map(async ({ index, brokenBy }) => ({
      index,
      shape,
      image: await readImages(test, shape, index, 1),
      perturbed: brokenBy === null ? null : (broken.get(index) ?? null),
    })),
  );
}

/** The images that were broken, by number. */
function brokenImages(file: string, record: EvaluationRecord, shape: readonly number[]): Map<number, Float32Array> {
  const bytes = readRegularFile(file);
  const refuse = (reason: string): DataError => new DataError(`${file}: ${reason}; restore it, or delete the folder and evaluate again`);
  if (createHash("sha256").update(bytes).digest("hex") !== record.adversarials) throw refuse("it is not the file that the record names");
  const images = decodeSafetensors(bytes).tensors.get("images");
  const broken = record.outcomes.filter(({ brokenBy }) => brokenBy !== null);
  if (images?.shape.join() !== [broken.length, ...shape].join()) throw refuse(`its images must be [${[broken.length, ...shape].join(", ")}]`);
  const size = elementCount(shape);
  const pixels = toFloat32(images);
  return new Map(broken.map(({ index }, i) => [index, pixels.subarray(i * size, (i + 1) * size)]));
}
