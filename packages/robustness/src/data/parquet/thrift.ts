/**
 * @file Thrift's compact protocol, as Parquet's footers and page headers are written in it.
 *
 * https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md. What is read is bounded by the bytes that are there: every
 * element has at least one, and structs lie at most so deep in one another.
 */
import { DataError } from "@gradalign/tensor";

/** A value. Integers of 64 bits beyond 2^53 lose digits; whoever takes one as a size asks whether it is a safe integer. */
export type Thrift = number | boolean | Uint8Array | readonly Thrift[] | ThriftStruct;

/** A struct's values by field number. */
export type ThriftStruct = ReadonlyMap<number, Thrift>;

const MOST_DEPTH = 32;

/** The bytes end within a struct. */
export class ThriftEnd extends DataError {}

/**
 * The struct that begins at a place, and where it ends.
 *
 * @throws ThriftEnd when the bytes end before it does; DataError when it has another form.
 */
export function readStruct(bytes: Uint8Array, start: number): { readonly struct: ThriftStruct; readonly end: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = start;
  const take = (count: number): number => {
    const from = at;
    if (!(count >= 0 && from + count <= bytes.length)) throw new ThriftEnd("the metadata ends too early");
    at += count;
    return from;
  };
  const varint = (): number => {
    let value = 0;
    for (let i = 0; i < 10; i++) {
      const byte = bytes[take(1)] as number;
      value += (byte & 127) * 2 ** (7 * i);
      if (byte < 128) return value;
    }
    throw new DataError("the metadata has a number of more than ten bytes");
  };
  /** Signed numbers: 0, -1, 1, -2, … as 0, 1, 2, 3, … */
  const zigzag = (): number => {
    const value = varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  };
  const list = (depth: number): Thrift[] => {
    const head = bytes[take(1)] as number;
    const count = head >> 4 === 15 ? varint() : head >> 4;
    if (count > bytes.length - at) throw new ThriftEnd("the metadata ends within a list");
    return Array.from({ length: count }, () => element(head & 15, depth));
  };
  const element = (type: number, depth: number): Thrift => {
    switch (type) {
      case 1:
      case 2:
        return bytes[take(1)] === 1;
      case 3:
        return view.getInt8(take(1));
      case 4:
      case 5:
      case 6:
        return zigzag();
      case 7:
        return view.getFloat64(take(8), true);
      case 8: {
        const count = varint();
        const from = take(count);
        return bytes.subarray(from, from + count);
      }
      case 9:
      case 10:
        return list(depth);
      case 12:
        return struct(depth + 1);
      default:
        throw new DataError(`the metadata has a value of the unknown type ${type}`);
    }
  };
  const struct = (depth: number): ThriftStruct => {
    if (depth > MOST_DEPTH) throw new DataError(`the metadata lies more than ${MOST_DEPTH} structs deep`);
    const fields = new Map<number, Thrift>();
    for (let number = 0; ; ) {
      const head = bytes[take(1)] as number;
      const type = head & 15;
      if (type === 0) return fields;
      number = head >> 4 === 0 ? zigzag() : number + (head >> 4);
      // A field that is true or false has no byte of its own.
      fields.set(number, type <= 2 ? type === 1 : element(type, depth));
    }
  };
  return { struct: struct(0), end: at };
}

/** A whole number of a struct, from 0; NaN where there is none, which is less and more than nothing. */
export function sizeAt(struct: ThriftStruct | undefined, field: number): number {
  const value = struct?.get(field);
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : Number.NaN;
}

/** A struct within one; none where there is none. */
export function structAt(struct: ThriftStruct | undefined, field: number): ThriftStruct | undefined {
  const value = struct?.get(field);
  return isStruct(value) ? value : undefined;
}

/** The structs of a list; none where there is no list. */
export function structsAt(struct: ThriftStruct | undefined, field: number): readonly ThriftStruct[] {
  const value = struct?.get(field);
  return Array.isArray(value) ? value.filter(isStruct) : [];
}

/** A text; empty where there is none. */
export function textAt(struct: ThriftStruct | undefined, field: number): string {
  const value = struct?.get(field);
  return value instanceof Uint8Array ? new TextDecoder().decode(value) : "";
}

function isStruct(value: Thrift | undefined): value is ThriftStruct {
  return value instanceof Map;
}
