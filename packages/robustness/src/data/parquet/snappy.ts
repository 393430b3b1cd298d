/** @file Snappy's raw format. https://github.com/google/snappy/blob/main/format_description.txt */
import { DataError } from "@gradalign/tensor";

/** A copy of 64 bytes takes 3. */
const MOST_RATIO = 22;

/**
 * What was compressed, `size` bytes.
 *
 * @throws DataError when it has another length, or the bytes are damaged.
 */
export function unsnappy(bytes: Uint8Array, size: number): Uint8Array {
  const wrong = (): DataError => new DataError("its compressed bytes are damaged");
  if (size > MOST_RATIO * bytes.length) throw wrong();
  let [at, announced] = [0, 0];
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++];
    if (byte === undefined || shift > 28) throw wrong();
    announced += (byte & 127) * 2 ** shift;
    if (byte < 128) break;
  }
  if (announced !== size) throw wrong();
  const result = new Uint8Array(size);
  let done = 0;
  /** A number of so many bytes, the least first. */
  const number = (count: number): number => {
    let value = 0;
    for (let i = 0; i < count; i++) value += (bytes[at++] as number) * 2 ** (8 * i);
    return value;
  };
  while (at < bytes.length) {
    const tag = bytes[at++] as number;
    const kind = tag & 3;
    if (kind === 0) {
      const short = tag >> 2;
      if (short >= 60 && at + short - 59 > bytes.length) throw wrong();
      const length = 1 + (short < 60 ? short : number(short - 59));
      if (length > bytes.length - at || length > size - done) throw wrong();
      result.set(bytes.subarray(at, at + length), done);
      at += length;
      done += length;
    } else {
      const extra = kind === 3 ? 4 : kind;
      if (at + extra > bytes.length) throw wrong();
      const length = kind === 1 ? 4 + ((tag >> 2) & 7) : 1 + (tag >> 2);
      const offset = number(extra) + (kind === 1 ? (tag >> 5) * 256 : 0);
      if (offset === 0 || offset > done || length > size - done) throw wrong();
      // What is copied may reach into what it makes.
      for (let i = 0; i < length; i++, done++) result[done] = result[done - offset] as number;
    }
  }
  if (done !== size) throw wrong();
  return result;
}
