/**
 * @file TensorBoard's event files: records of TFRecord's form, each an `Event` of TensorFlow's protocol buffers.
 *
 * A record is its length (8 bytes), the masked CRC-32C of that, the bytes, and their masked CRC-32C. Only the fields that are needed are
 * written: Event 1 wall_time, 2 step, 3 file_version, 5 summary, 7 session_log; Summary 1 value; Value 1 tag, 2 simple_value.
 */

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc >>> 0;
});

/** CRC-32C (Castagnoli) of bytes. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ (TABLE[(crc ^ byte) & 255] as number);
  return (crc ^ 0xffffffff) >>> 0;
}

/** TFRecord's disguise of a checksum, so that checksums of data that hold checksums stay good. */
function masked(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** One record. */
export function record(data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(data.length + 16);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, masked(bytes.subarray(0, 8)), true);
  bytes.set(data, 12);
  view.setUint32(12 + data.length, masked(data), true);
  return bytes;
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = BigInt(value);
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return [...bytes, Number(rest)];
}

const key = (field: number, wire: number): number[] => varint(field * 8 + wire);
const nested = (field: number, bytes: readonly number[]): number[] => [...key(field, 2), ...varint(bytes.length), ...bytes];
const text = (field: number, value: string): number[] => nested(field, [...new TextEncoder().encode(value)]);

function double(field: number, value: number): number[] {
  return [...key(field, 1), ...new Uint8Array(Float64Array.of(value).buffer)];
}

function float(field: number, value: number): number[] {
  return [...key(field, 5), ...new Uint8Array(Float32Array.of(value).buffer)];
}

/** The first record of a file. */
export function versionEvent(seconds: number): Uint8Array {
  return record(Uint8Array.from([...double(1, seconds), ...text(3, "brain.Event:2")]));
}

/** Says that a run began at a step: what other files hold from that step on is void. */
export function startEvent(seconds: number, step: number): Uint8Array {
  return record(Uint8Array.from([...double(1, seconds), ...key(2, 0), ...varint(step), ...nested(7, [...key(1, 0), ...varint(1)])]));
}

/** One number of a step. */
export function scalarEvent(seconds: number, step: number, tag: string, value: number): Uint8Array {
  const summary = nested(1, [...text(1, tag), ...float(2, value)]);
  return record(Uint8Array.from([...double(1, seconds), ...key(2, 0), ...varint(step), ...nested(5, summary)]));
}
