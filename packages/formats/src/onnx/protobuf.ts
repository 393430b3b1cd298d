/**
 * @file The wire format of protocol buffers, as far as ONNX needs it: reading fields in order, each within its message, and writing them.
 *
 * https://protobuf.dev/programming-guides/encoding
 */
import { FormatError } from "../errors.ts";
import { LIMITS } from "../limits.ts";

const damaged = (what: string): FormatError => new FormatError("damaged", `not a valid ONNX file: ${what}`);

/** One field of a message: a number (varint or fixed) or bytes (a string, a message, a packed list). */
export interface Field {
  readonly number: number;
  /** 0 varint, 1 eight bytes, 2 bytes, 5 four bytes. */
  readonly wire: number;
  /** Of wire types 0, 1 and 5: the bits as an unsigned number. */
  readonly bits: number | bigint;
  /** Of wire type 2; else none. A view. */
  readonly bytes: Uint8Array;
}

const NONE = new Uint8Array(0);

/** Counts what a file makes us hold; protobuf's smallest field has two bytes. */
export interface Budget {
  items: number;
}

/** The fields of a message in order, counted. */
export function* fieldsOf(message: Uint8Array, budget: Budget): Generator<Field> {
  const view = viewOf(message);
  let at = 0;
  const varint = (): number | bigint => {
    const [value, end] = varintAt(message, at);
    at = end;
    return value;
  };
  while (at < message.length) {
    if (++budget.items > LIMITS.onnxFields) throw new FormatError("too-large", `the ONNX file has more than the limit of ${LIMITS.onnxFields} fields`);
    const tag = Number(varint());
    const number = Math.floor(tag / 8);
    const wire = tag % 8;
    let bits: number | bigint = 0;
    let bytes: Uint8Array = NONE;
    if (wire === 0) bits = varint();
    else {
      const length = wire === 1 ? 8 : wire === 5 ? 4 : wire === 2 ? Number(varint()) : -1;
      if (number === 0 || length < 0) throw damaged(`a field has number ${number} and wire type ${wire}`);
      if (length > message.length - at) {
        throw new FormatError("truncated", `not a whole ONNX file: a field needs ${length} bytes, ${message.length - at} are left; get or copy it again`);
      }
      if (wire === 1) bits = view.getBigUint64(at, true);
      else if (wire === 5) bits = view.getUint32(at, true);
      else bytes = message.subarray(at, at + length);
      at += length;
    }
    yield { number, wire, bits, bytes };
  }
}

/** The varint at a place, and the place after it. */
export function varintAt(message: Uint8Array, start: number): [value: number | bigint, end: number] {
  // Most are short, and numbers are faster than bigints.
  let low = 0;
  for (let i = 0; i < 4; i++) {
    const byte = message[start + i];
    if (byte === undefined) throw new FormatError("truncated", "not a whole ONNX file: it ends within a number; get or copy it again");
    low |= (byte & 127) << (7 * i);
    if (byte < 128) return [low, start + i + 1];
  }
  let value = BigInt(low);
  for (let i = 4; i < 10; i++) {
    const byte = message[start + i];
    if (byte === undefined) throw new FormatError("truncated", "not a whole ONNX file: it ends within a number; get or copy it again");
    value |= BigInt(byte & 127) << BigInt(7 * i);
    if (byte < 128) return [BigInt.asUintN(64, value), start + i + 1];
  }
  throw damaged("a number has more than ten bytes");
}

/** A field as a signed 64-bit number that JavaScript's numbers hold. */
export function intOf({ bits }: Field): number {
  // 2^63 - 1 stands for "to the end" in slices: any number of that size does.
  return typeof bits === "number" ? bits : Number(BigInt.asIntN(64, bits));
}

/** A field as a float. */
export function floatOf({ bits }: Field): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, Number(BigInt.asUintN(32, BigInt(bits))), true);
  return view.getFloat32(0, true);
}

/** A field as text. */
export function textOf({ bytes }: Field): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw damaged("a string is not UTF-8");
  }
}

/** Signed 64-bit numbers of a repeated field, packed or one by one. */
export function intsOf(field: Field): bigint[] {
  if (field.wire !== 2) return [BigInt.asIntN(64, BigInt(field.bits))];
  const values: bigint[] = [];
  for (let at = 0; at < field.bytes.length; ) {
    const [value, end] = varintAt(field.bytes, at);
    values.push(BigInt.asIntN(64, BigInt(value)));
    at = end;
  }
  return values;
}

/** Floats of a repeated field, packed or one by one, of four or eight bytes each. */
export function floatsOf(field: Field, width: 4 | 8): number[] {
  const wire = width === 4 ? 5 : 1;
  if (field.wire === wire) {
    const view = new DataView(new ArrayBuffer(8));
    view.setBigUint64(0, BigInt(field.bits), true);
    return [width === 4 ? view.getFloat32(0, true) : view.getFloat64(0, true)];
  }
  if (field.wire !== 2 || field.bytes.length % width !== 0) throw damaged("a list of floats is none");
  const view = viewOf(field.bytes);
  return Array.from({ length: field.bytes.length / width }, (_, i) => (width === 4 ? view.getFloat32(4 * i, true) : view.getFloat64(8 * i, true)));
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** A part of a message to be written. */
export type Piece = readonly Uint8Array[];

/** A whole number. */
export function int(number: number, value: number | bigint): Piece {
  return [varintBytes(BigInt(number) << 3n), varintBytes(BigInt.asUintN(64, BigInt(value)))];
}

/** A float of four bytes. */
export function float(number: number, value: number): Piece {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setFloat32(0, value, true);
  return [varintBytes((BigInt(number) << 3n) | 5n), bytes];
}

/** Bytes. */
export function bytes(number: number, value: Uint8Array): Piece {
  return [varintBytes((BigInt(number) << 3n) | 2n), varintBytes(BigInt(value.length)), value];
}

/** A text. */
export function text(number: number, value: string): Piece {
  return bytes(number, new TextEncoder().encode(value));
}

/** A message within a message. */
export function message(number: number, ...pieces: readonly Piece[]): Piece {
  const parts = pieces.flat();
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return [varintBytes((BigInt(number) << 3n) | 2n), varintBytes(BigInt(length)), ...parts];
}

/** Pieces as one array. */
export function joined(...pieces: readonly Piece[]): Uint8Array {
  const parts = pieces.flat();
  const result = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}

function varintBytes(value: bigint): Uint8Array {
  const result: number[] = [];
  let rest = value;
  do {
    const low = Number(rest & 127n);
    rest >>= 7n;
    result.push(rest > 0n ? low | 128 : low);
  } while (rest > 0n);
  return Uint8Array.from(result);
}
