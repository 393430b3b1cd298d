/**
 * @file Parquet files as Hugging Face's data sets have them: an image a row, as the bytes of its file, and its class as a number.
 *
 * `train-*.parquet` with `validation-*.parquet`, `val-*.parquet` or `test-*.parquet`, also in folders below; without those a fraction is kept for
 * evaluation. What is listed is the page that each image lies in and its place there, so that any order of them is exact; a page is read and
 * unpacked for each image. Rows are taken in an order that is as good as random, since many files have a class after the other.
 */
import { createHash } from "node:crypto";
import { readdirSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { type ByteSource, parseJson } from "@gradalign/formats";
import { DataError, permutation } from "@gradalign/tensor";
import { z } from "zod";
import { fileSource } from "../files/node-byte-source.ts";
import { onFile } from "../files/node-file-error.ts";
import { LIMITS } from "../limits.ts";
import { byCodePoint, type ImageTable, keptAndHeld, nameList, sharedLabels } from "./image-table.ts";
import type { ShardFolder } from "./node-shards.ts";
import { type ColumnChunk, type ParquetColumn, type ParquetFooter, readFooter } from "./parquet/footer.ts";
import { dictionaryNumbers, type PageHeader, plainIntegers, readPage, readPageHeader } from "./parquet/node-pages.ts";

/** What may be said of files with several columns of classes, or without files for evaluation. */
export interface ParquetOptions {
  /** Name of the column; where it is empty the one that holds classes, or is called `label`. */
  readonly label: string;
  readonly valFraction: number;
}

const SPLIT = /(?:^|[/._-])(train|validation|valid|val|test)(?:[/._-]|$)/;
const HELD = ["validation", "valid", "val", "test"];
const MOST_DEPTH = 2;

/** Parquet files in a folder and below it, links passed over. */
function filesIn(folder: string): string[] {
  const walk = (below: string, depth: number): string[] =>
    onFile("read", join(folder, below), () => readdirSync(join(folder, below), { withFileTypes: true }))
      .filter(({ name }) => !name.startsWith("."))
      .flatMap((entry) => {
        const name = below === "" ? entry.name : `${below}/${entry.name}`;
        if (entry.isDirectory()) return depth < MOST_DEPTH ? walk(name, depth + 1) : [];
        return entry.isFile() && name.endsWith(".parquet") ? [name] : [];
      });
  return walk("", 1).sort(byCodePoint);
}

/** Whether a folder holds Parquet files. */
export function isParquetFolder(folder: string): boolean {
  return filesIn(folder).length > 0;
}

/**
 * Lists the images of all Parquet files of a folder.
 *
 * @throws DataError when a split is missing, columns of images or classes are not found, or a file is damaged.
 */
export function listParquet(folder: string, { label, valFraction }: ParquetOptions): ShardFolder {
  const root = onFile("read", folder, () => realpathSync(folder));
  const names = filesIn(root);
  const ofSplit = (split: string): string[] => names.filter((name) => SPLIT.exec(name)?.[1] === split);
  const held = HELD.map(ofSplit).find((found) => found.length > 0) ?? [];
  const trained = ofSplit("train");
  if (trained.length === 0 || (held.length === 0 && !(valFraction > 0))) {
    const remedy = trained.length === 0 ? "rename them" : "add some, or keep a share of the images for evaluation: val-fraction=0.1";
    throw new DataError(
      `${folder} must have Parquet files named train-* and validation-* or test-*, has ${trained.length} of ${names.length} and ${held.length}; ${remedy}`,
    );
  }
  const all = [...trained, ...held];
  const files = all.map((name, i) => readFile(root, name, label, i));
  const [first] = files as [ReadFile];
  const { codec, level } = first;
  if (files.some((file) => file.codec !== codec || file.level !== level)) {
    throw new DataError(`${folder}: all files must be packed in the same way; write them again with one program`);
  }
  const most = files.reduce((highest, { rows }) => rows.labels.reduce((a, b) => Math.max(a, b), highest), 1);
  const classNames = first.classNames ?? Array.from({ length: most + 1 }, (_, i) => String(i));
  if (most >= classNames.length) throw new DataError(`${folder}: the class ${most} has no name, there are ${classNames.length}; write the files again`);
  const hash = createHash("sha256");
  for (const [i, { size }] of files.entries()) hash.update(`${all[i]}\0${size}\n`);
  const table = (rows: Rows): ImageTable => {
    for (const column of Object.values(rows)) hash.update(new Uint8Array(column.buffer));
    const { labels, value, ...places } = rows;
    return {
      root,
      files: nameList(all),
      places: { ...places, pages: { value, codec, level } },
      labels: sharedLabels(labels, classNames.length),
      count: labels.length,
    };
  };
  const splits = held.length > 0 ? [files.slice(0, trained.length), files.slice(trained.length)] : [files];
  const [train, test] = splits.map((split) => mixed(split.map(({ rows }) => rows))) as [Rows, Rows?];
  const [kept, evaluated] = test ? [train, test] : divided(train, valFraction);
  return { classNames, train: table(kept), test: table(evaluated), fingerprint: hash.digest("hex"), listed: first.classNames !== undefined };
}

/** Where images lie: file, first byte and length of the page, number of the value in it; and their classes. */
interface Rows {
  readonly file: Uint32Array;
  readonly start: Float64Array;
  readonly size: Uint32Array;
  readonly value: Uint32Array;
  readonly labels: Int32Array;
}

function noRows(count: number): Rows {
  const shared = (bytes: number): SharedArrayBuffer => new SharedArrayBuffer(bytes * count);
  const [file, start, size] = [new Uint32Array(shared(4)), new Float64Array(shared(8)), new Uint32Array(shared(4))];
  return { file, start, size, value: new Uint32Array(shared(4)), labels: new Int32Array(shared(4)) };
}

/** The rows at these places of some. */
function taken(rows: Rows, places: Int32Array | Uint32Array): Rows {
  const result = noRows(places.length);
  for (const name of Object.keys(rows) as (keyof Rows)[]) for (const [i, place] of places.entries()) result[name][i] = rows[name][place] as number;
  return result;
}

/** A part of some rows, in their memory. */
function between({ file, start, size, value, labels }: Rows, first: number, end: number): Rows {
  return {
    file: file.subarray(first, end),
    start: start.subarray(first, end),
    size: size.subarray(first, end),
    value: value.subarray(first, end),
    labels: labels.subarray(first, end),
  };
}

/** The rows of files in an order that is as good as random and the same for as many rows. */
function mixed(parts: readonly Rows[]): Rows {
  const count = parts.reduce((sum, { labels }) => sum + labels.length, 0);
  if (count > LIMITS.images) throw new DataError(`there are more than ${LIMITS.images} images; divide them`);
  const all = noRows(count);
  let at = 0;
  for (const part of parts) {
    for (const name of Object.keys(all) as (keyof Rows)[]) all[name].set(part[name], at);
    at += part.labels.length;
  }
  return taken(all, permutation([0, 0], count));
}

/** Training and evaluation rows: of each class the share that comes first. */
function divided(rows: Rows, fraction: number): [Rows, Rows] {
  const [kept, held] = keptAndHeld(rows.labels, fraction);
  return [taken(rows, kept), taken(rows, held)];
}

interface ReadFile {
  readonly size: number;
  readonly classNames: readonly string[] | undefined;
  readonly codec: number;
  readonly level: number;
  readonly rows: Rows;
}

/** Reads a file's classes, and where its images lie. `file` is its number among all. */
function readFile(root: string, name: string, label: string, file: number): ReadFile {
  const path = join(root, name);
  try {
    const source = fileSource(path);
    const footer = readFooter(source);
    const features = featuresOf(footer);
    const image = imageColumn(footer);
    const classes = labelColumn(footer, label, features);
    const rows = noRows(footer.groups.reduce((sum, group) => sum + group.rows, 0));
    let at = 0;
    for (const group of footer.groups) {
      const chunkOf = (column: ParquetColumn): ColumnChunk => group.chunks[footer.columns.indexOf(column)] as ColumnChunk;
      const part = between(rows, at, at + group.rows);
      readLabels(source, classes, chunkOf(classes), part.labels);
      placeImages(source, image, chunkOf(image), part);
      at += group.rows;
    }
    rows.file.fill(file);
    const codecs = new Set(footer.groups.map(({ chunks }) => chunks[footer.columns.indexOf(image)]?.codec));
    if (codecs.size !== 1) throw new DataError("it has no rows, or its images are not all packed in the same way");
    return { size: source.size, classNames: features[classes.path[0] as string]?.names, codec: [...codecs][0] as number, level: image.level, rows };
  } catch (error) {
    if (error instanceof DataError) throw new DataError(`${path}: ${error.message}; get it again, or write it with pyarrow's defaults`, { cause: error });
    throw error;
  }
}

const noteForm = z.object({
  info: z.object({ features: z.record(z.string(), z.looseObject({ _type: z.unknown(), names: z.array(z.string()).optional().catch(undefined) })) }),
});

/** What Hugging Face's library notes about columns: which hold classes, and their names. */
function featuresOf({ notes }: ParquetFooter): z.infer<typeof noteForm>["info"]["features"] {
  const note = notes.get("huggingface");
  if (note === undefined) return {};
  try {
    return noteForm.parse(parseJson(note)).info.features;
  } catch (error) {
    throw new DataError("its note of columns, `huggingface`, is damaged", { cause: error });
  }
}

/** The bytes of images: `image.bytes`, or a column that is called so. */
function imageColumn({ columns }: ParquetFooter): ParquetColumn {
  const found = columns.filter(({ path, type, isList }) => type === "bytes" && !isList && (path.length === 2 ? path[1] === "bytes" : path.join() === "image"));
  const [column] = found;
  if (!column || found.length > 1) throw new DataError(`it must have one column of images, \`image\` with \`bytes\`, it has ${namesOf(columns)}`);
  return column;
}

function labelColumn({ columns }: ParquetFooter, label: string, features: ReturnType<typeof featuresOf>): ParquetColumn {
  const numbers = columns.filter(({ path, type, isList }) => path.length === 1 && (type === "int32" || type === "int64") && !isList);
  const called = (name: string) => numbers.filter(({ path }) => path[0] === name);
  const declared = numbers.filter(({ path }) => features[path[0] as string]?._type === "ClassLabel");
  const [column, more] = label !== "" ? called(label) : declared.length > 0 ? declared : called("label");
  if (!column || more) throw new DataError(`it must have one column of class numbers, it has ${namesOf(columns)}; name one: label=NAME`);
  return column;
}

function namesOf(columns: readonly ParquetColumn[]): string {
  return columns
    .slice(0, 20)
    .map(({ path, type }) => `${path.join(".").slice(0, 40)} (${type})`)
    .join(", ");
}

interface Page {
  readonly at: number;
  readonly size: number;
  readonly header: PageHeader;
}

/** The pages of a column's part. */
function* pagesOf(source: ByteSource, { start, end }: ColumnChunk): Generator<Page> {
  for (let at = start; at < end; ) {
    const header = headerAt(source, at, end);
    const size = header.headerBytes + header.bodyBytes;
    if (at + size > end) throw new DataError("a page is longer than its column");
    yield { at, size, header };
    at += size;
  }
}

/** Headers are short, unless they have the largest and least of long texts. */
function headerAt(source: ByteSource, at: number, end: number): PageHeader {
  for (let bytes = 1 << 12; ; bytes <<= 4) {
    const last = Math.min(at + bytes, end);
    const header = readPageHeader(source.read(at, last));
    if (header) return header;
    if (last === end || bytes > LIMITS.parquetHeader) throw new DataError("a page's header is cut off");
  }
}

const OTHER = "values are written in a way that is not read";

function readLabels(source: ByteSource, { type, level }: ParquetColumn, chunk: ColumnChunk, labels: Int32Array): void {
  let dictionary: ArrayLike<number> = [];
  let done = 0;
  for (const { at, size, header } of pagesOf(source, chunk)) {
    if (header.kind === "other") continue;
    if (header.encoding === "other") throw new DataError(OTHER);
    if (header.count > labels.length - done) throw new DataError("a column has more values than there are rows");
    const page = readPage(header, source.read(at + header.headerBytes, at + size), chunk.codec, level);
    const values = header.encoding === "plain" ? plainIntegers(page, type === "int32" ? 4 : 8) : dictionaryNumbers(page);
    if (header.kind === "dictionary") {
      dictionary = values;
      continue;
    }
    if (page.count !== header.count) throw new DataError("a row has no class");
    for (const value of values) {
      const found = header.encoding === "plain" ? value : (dictionary[value] ?? Number.NaN);
      if (!(found >= 0 && found < LIMITS.classes)) throw new DataError(`row ${done} has the class ${found}, which must be from 0 to ${LIMITS.classes - 1}`);
      labels[done++] = found;
    }
  }
  if (done !== labels.length) throw new DataError("a column has fewer values than there are rows");
}

function placeImages(source: ByteSource, { level }: ParquetColumn, chunk: ColumnChunk, rows: Rows): void {
  let dictionary: Page | undefined;
  let done = 0;
  for (const page of pagesOf(source, chunk)) {
    const { kind, count, encoding, headerBytes } = page.header;
    if (kind !== "other" && encoding === "other") throw new DataError(OTHER);
    if (kind === "dictionary") dictionary = page;
    if (kind !== "data") continue;
    if (count > rows.value.length - done) throw new DataError("a column has more values than there are rows");
    // Numbers of a dictionary's values are unpacked here; of a plain page nothing has to be known but where it is.
    const numbered = encoding === "dictionary" ? readPage(page.header, source.read(page.at + headerBytes, page.at + page.size), chunk.codec, level) : undefined;
    const numbers = numbered && dictionaryNumbers(numbered);
    const holder = numbered ? dictionary : page;
    if (!holder) throw new DataError("a page's dictionary is missing");
    rows.start.fill(holder.at, done, done + count);
    rows.size.fill(holder.size, done, done + count);
    for (let i = 0; i < count; i++) {
      const number = numbered ? numbered.valueAt(i) : i;
      // Of no page is so much a place: it says that there is no image.
      rows.value[done + i] = number === undefined ? 2 ** 32 - 1 : (numbers?.[number] ?? number);
    }
    done += count;
  }
  if (done !== rows.value.length) throw new DataError("a column has fewer values than there are rows");
}
