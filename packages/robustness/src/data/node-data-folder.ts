/**
 * @file Data of one's own, in whichever form it lies there: `PATH` or `PATH:size=64,train=random-resized-crop+flip`.
 *
 * A folder of images, shards, Parquet files, NumPy's arrays, records of CIFAR-10 and CIFAR-100. Images in files are streamed: each comes as it is
 * needed, in a thread that decodes and transforms it; arrays and records lie in memory.
 */
import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { ConfigError, DataError } from "@gradalign/tensor";
import { transformPipeline } from "../images/pipeline.ts";
import { constant, integer, integerOr, type OptionTable, text } from "../options/option.ts";
import { resolveOptions } from "../options/resolve.ts";
import { readOptions, readWritten } from "../options/written.ts";
import { imageDataset } from "./dataset.ts";
import type { ImageTable } from "./image-table.ts";
import { isArrayFolder, readArrayFolder, readEvaluationArray, readNpz } from "./node-arrays.ts";
import type { DecodedTable } from "./node-image-decoder.ts";
import { isImageFolder, listImageFolder } from "./node-image-folder.ts";
import { isParquetFolder, listParquet, type ParquetOptions } from "./node-parquet.ts";
import { type LoadedDataset, readRecordFolder } from "./node-record-folder.ts";
import { isShardFolder, listShards } from "./node-shards.ts";
import { builtModule, streamedSplit } from "./node-streamed.ts";

const pipelineText = (help: string, fallback: string) =>
  text({
    help,
    default: fallback,
    argument: "transforms",
    rule: "transforms joined by +, their options by ;",
    accepts: () => true,
  });

/** Options of images in files. */
export const fileOptions = {
  size: integer({ least: 8, most: 4096, unit: "pixels", default: 64, help: "width and height of the images that a model sees" }),
  valFraction: constant({ least: 0, below: 1, default: 0, help: "share of each class kept for evaluation, where there is no val or test folder" }),
  label: text({
    help: "column of class numbers in Parquet files; empty: the one there is",
    default: "",
    argument: "column",
    rule: "the name of a column",
    accepts: () => true,
  }),
  train: pipelineText("transforms of training images", "random-resized-crop+flip"),
  eval: pipelineText("transforms of evaluated images; empty: the shorter side to 8/7 of size, and the middle", ""),
} satisfies OptionTable;

/** Options of CIFAR-10-C's files. */
const arrayOptions = { severity: integerOr(undefined, { least: 1, most: 5, help: "of CIFAR-10-C's files: which of the five" }) } satisfies OptionTable;

/** A path and the texts of the options behind it. */
export interface DataPath {
  readonly path: string;
  readonly texts: Readonly<Record<string, string>>;
}

/** Takes `PATH:option=value` apart; a colon that no option follows belongs to the path. */
export function readDataPath(source: string, written: string): DataPath {
  const colon = written.search(/:[A-Za-z-]+=/);
  if (colon < 0 || existsSync(written)) return { path: written, texts: {} };
  return { path: written.slice(0, colon), texts: readWritten(source, `data${written.slice(colon)}`).texts };
}

/**
 * The data set that lies at a path.
 *
 * @param written the path, with options behind it.
 * @throws ConfigError for a wrong option; DataError when nothing of a known form is there, or it is damaged.
 */
export function readDataFolder(written: string): LoadedDataset {
  const { path, texts } = readDataPath("--dataset", written);
  const plain = <Result>(read: () => Result): Result => {
    const [name] = Object.keys(texts);
    if (name !== undefined)
      throw new ConfigError(`--dataset: ${name} (="${texts[name]}") is an option of folders of images and shards, ${path} is neither; leave it out`);
    return read();
  };
  if (!statSync(path).isDirectory()) {
    if (path.endsWith(".npz"))
      return fromArray(
        written,
        plain(() => readNpz(path)),
      );
    if (path.endsWith(".npy")) return fromArray(written, readEvaluationArray(path, options(arrayOptions, texts).severity));
    throw new DataError(`--dataset: ${path} must be a folder, or a .npz or .npy file; name one`);
  }
  if (isArrayFolder(path))
    return fromArray(
      written,
      plain(() => readArrayFolder(path)),
    );
  if (isShardFolder(path)) return fromFiles(written, texts, () => ({ ...listShards(path), from: "classes.txt" }));
  if (isParquetFolder(path)) return fromFiles(written, texts, (chosen) => ({ ...listParquet(path, chosen), from: "the files' notes" }));
  if (isImageFolder(path)) return fromFiles(written, texts, (chosen) => ({ ...listImageFolder(path, chosen), listed: true, from: "folders" }));
  return plain(() => readRecordFolder(path));
}

function options<Table extends OptionTable>(table: Table, texts: DataPath["texts"]) {
  return resolveOptions({ path: "--dataset: ", owner: "these data" }, table, readOptions("--dataset", "these data", table, texts));
}

function fromArray(written: string, { dataset, fingerprint, listed }: ReturnType<typeof readArrayFolder>): LoadedDataset {
  return { dataset: { ...dataset, name: resolve(written) }, fingerprint, classesFrom: listed ? "classes.txt" : "labels" };
}

interface Listed {
  readonly classNames: readonly string[];
  readonly train: ImageTable;
  readonly test: ImageTable;
  readonly fingerprint: string;
  readonly listed: boolean;
  readonly from: string;
}

function fromFiles(written: string, texts: DataPath["texts"], list: (chosen: ParquetOptions) => Listed): LoadedDataset {
  const { size, valFraction, label, train, eval: evaluation } = options(fileOptions, texts);
  const data = { size, train, evaluation: evaluation || evaluationTransforms(size) };
  for (const [name, pipeline] of [
    ["train", data.train],
    ["eval", data.evaluation],
  ] as const) {
    const { random, size: after } = transformPipeline(`--dataset: ${name}`, pipeline, size);
    if (after !== size) throw new ConfigError(`--dataset: ${name} (="${pipeline}") must leave images of ${size} x ${size} pixels; end it with center-crop`);
    if (random && name === "eval") throw new ConfigError(`--dataset: eval (="${pipeline}") must not draw; use transforms that are not random`);
  }
  const varies = transformPipeline("train", train, size).random;
  const listed = list({ valFraction, label });
  const split = (table: ImageTable) =>
    streamedSplit({
      labels: table.labels,
      shape: [3, size, size],
      varies,
      module: builtModule("./node-image-decoder.ts", import.meta.url),
      data: { table, ...data } satisfies DecodedTable,
    });
  const dataset = imageDataset({
    name: resolve(written),
    classNames: listed.classNames,
    shape: [3, size, size],
    train: split(listed.train),
    test: split(listed.test),
  });
  return { dataset, fingerprint: listed.fingerprint, classesFrom: listed.listed ? listed.from : "labels" };
}

/** torchvision's evaluation transforms: 256 and 224 pixels, or as they are to each other. */
function evaluationTransforms(size: number): string {
  return `resize:size=${Math.round((size * 8) / 7)}+center-crop`;
}
