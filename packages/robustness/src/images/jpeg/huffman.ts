/** @file Huffman tables of a JPEG (ITU T.81, C.2 and F.2.2.3), with the short codes looked up at once. */
import { damaged } from "../rgb-image.ts";

/** Codes of up to this many bits are looked up. */
export const LOOK_BITS = 9;

/** A table. */
export interface HuffmanTable {
  /** By the next {@link LOOK_BITS} bits: the symbol in the upper bits, its code's length in the lower eight; 0 where the code is longer. */
  readonly look: Int32Array;
  /** The largest code of each length, -1 where there is none. */
  readonly last: Int32Array;
  /** What added to a code of a length gives its place among the symbols. */
  readonly offset: Int32Array;
  readonly symbols: Uint8Array;
}

/**
 * The table with so many codes of each length from 1 to 16.
 *
 * @throws DataError when there are more codes than bits.
 */
export function huffmanTable(counts: Uint8Array, symbols: Uint8Array): HuffmanTable {
  const look = new Int32Array(1 << LOOK_BITS);
  const last = new Int32Array(17).fill(-1);
  const offset = new Int32Array(17);
  let [code, next] = [0, 0];
  for (let length = 1; length <= 16; length++) {
    const count = counts[length - 1] as number;
    if (code + count > 1 << length) throw damaged("JPEG", "a Huffman table has more codes than there can be");
    offset[length] = next - code;
    for (let i = 0; i < count; i++, code++, next++) {
      if (length > LOOK_BITS) continue;
      const free = LOOK_BITS - length;
      look.fill(((symbols[next] as number) << 8) | length, code << free, (code + 1) << free);
    }
    if (count > 0) last[length] = code - 1;
    code <<= 1;
  }
  return { look, last, offset, symbols };
}

/**
 * A symbol whose code is longer than {@link LOOK_BITS}, in the form of {@link HuffmanTable.look}.
 *
 * @param bits the next 32 bits.
 * @throws DataError when no code begins so.
 */
export function longCode({ last, offset, symbols }: HuffmanTable, bits: number): number {
  for (let length = LOOK_BITS + 1; length <= 16; length++) {
    const code = bits >>> (32 - length);
    if (code <= (last[length] as number)) return ((symbols[code + (offset[length] as number)] as number) << 8) | length;
  }
  throw damaged("JPEG", "its data has a Huffman code that is none");
}
