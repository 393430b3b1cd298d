/**
 * @file A Parquet file's footer: which columns there are, and where their pages begin.
 *
 * https://github.com/apache/parquet-format, parquet.thrift.
 */
import type { ByteSource } from "@gradalign/formats";
import { DataError } from "@gradalign/tensor";
import { LIMITS } from "../../limits.ts";
import { readStruct, sizeAt, structAt, structsAt, type ThriftStruct, textAt } from "./thrift.ts";

/** A column of values, not a group of columns. */
export interface ParquetColumn {
  /** Names of the groups it is in, and its own. */
  readonly path: readonly string[];
  readonly type: "int32" | "int64" | "bytes" | "other";
  /** Definition level of a value that is there: how many of the names on its path may be missing. */
  readonly level: number;
  /** Whether a row has a list of values. */
  readonly isList: boolean;
}

/** A column's pages within a group of rows. */
export interface ColumnChunk {
  readonly start: number;
  readonly end: number;
  /** Parquet's number of how pages are compressed. */
  readonly codec: number;
}

/** What a footer says. */
export interface ParquetFooter {
  readonly columns: readonly ParquetColumn[];
  /** Groups of rows in order, with the columns' pages. */
  readonly groups: readonly { readonly rows: number; readonly chunks: readonly ColumnChunk[] }[];
  /** Texts by key that whoever wrote the file put into it. */
  readonly notes: ReadonlyMap<string, string>;
}

const MAGIC = "PAR1";

/**
 * Reads a file's footer.
 *
 * @throws DataError when it is no Parquet file, or is damaged or cut off.
 */
export function readFooter(source: ByteSource): ParquetFooter {
  const { size } = source;
  const text = (start: number): string => new TextDecoder().decode(source.read(start, start + 4));
  if (size < 12 || text(0) !== MAGIC || text(size - 4) !== MAGIC) throw new DataError("it is no Parquet file, is cut off, or is encrypted");
  const tail = source.read(size - 8, size - 4);
  const length = new DataView(tail.buffer, tail.byteOffset, 4).getUint32(0, true);
  if (length > LIMITS.parquetFooter || length > size - 12) throw new DataError(`its metadata has ${length} bytes, which cannot be`);
  const footer = readStruct(source.read(size - 8 - length, size - 8), 0).struct;
  const columns = columnsOf(structsAt(footer, 2));
  let total = 0;
  const groups = structsAt(footer, 4).map((group) => {
    const rows = sizeAt(group, 3);
    const chunks = structsAt(group, 1).map((chunk) => chunkOf(chunk, size));
    total += rows;
    if (!(total <= size) || chunks.length !== columns.length) throw new DataError("its metadata is damaged");
    return { rows, chunks };
  });
  return { columns, groups, notes: new Map(structsAt(footer, 5).map((note) => [textAt(note, 1), textAt(note, 2)])) };
}

/** The columns of a schema, which is a tree, written with each group before its members. */
function columnsOf(elements: readonly ThriftStruct[]): ParquetColumn[] {
  const columns: ParquetColumn[] = [];
  let next = 0;
  const visit = (path: readonly string[], level: number, isList: boolean): void => {
    const element = elements[next++];
    const [root, members, repetition] = [next === 1, sizeAt(element, 5), sizeAt(element, 3)];
    if (!element || path.length > MOST_DEPTH) throw new DataError("its schema is damaged");
    const own = root ? [] : [...path, textAt(element, 4)];
    const [depth, inList] = [level + (!root && repetition > 0 ? 1 : 0), isList || (!root && repetition === 2)];
    if (members > 0) for (let i = 0; i < members; i++) visit(own, depth, inList);
    else if (!root) columns.push({ path: own, type: TYPES[sizeAt(element, 1)] ?? "other", level: depth, isList: inList });
  };
  visit([], 0, false);
  return columns;
}

const MOST_DEPTH = 16;
const TYPES: Readonly<Record<number, ParquetColumn["type"]>> = { 1: "int32", 2: "int64", 6: "bytes" };

function chunkOf(chunk: ThriftStruct, size: number): ColumnChunk {
  const data = structAt(chunk, 3);
  const [first, dictionary] = [sizeAt(data, 9), sizeAt(data, 11)];
  const start = dictionary > 0 ? Math.min(first, dictionary) : first;
  const end = start + sizeAt(data, 7);
  if (!(end <= size)) throw new DataError("its metadata is damaged: a column lies outside of the file");
  return { start, end, codec: sizeAt(data, 4) };
}
