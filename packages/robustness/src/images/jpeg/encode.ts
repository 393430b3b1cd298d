/** @file Encodes images as baseline JPEGs (ITU T.81), plainly: no subsampling, codes of one length. For data sets that are made here. */
import type { RgbImage } from "../rgb-image.ts";
import { ZIGZAG } from "./scan.ts";

/** Annex K's quantisation of brightness at quality 50, here of all components, row by row. */
const STEPS = [
  [16, 11, 10, 16, 24, 40, 51, 61],
  [12, 12, 14, 19, 26, 58, 60, 55],
  [14, 13, 16, 24, 40, 57, 69, 56],
  [14, 17, 22, 29, 51, 87, 80, 62],
  [18, 22, 37, 56, 68, 109, 103, 77],
  [24, 35, 55, 64, 81, 104, 113, 92],
  [49, 64, 78, 87, 103, 121, 120, 101],
  [72, 92, 95, 98, 112, 100, 103, 99],
].flat();

/** Sizes of differences between blocks, in codes of 4 bits; the code of a symbol is its place. */
const DC_SYMBOLS = Array.from({ length: 12 }, (_, size) => size);
/** Runs of zeros and sizes of what follows them, in codes of 8 bits: the end of a block, sixteen zeros, and all others. */
const AC_SYMBOLS = [0x00, 0xf0, ...Array.from({ length: 160 }, (_, i) => (Math.floor(i / 10) << 4) | (1 + (i % 10)))];
const AC_CODES = new Map(AC_SYMBOLS.map((symbol, code) => [symbol, code]));

/** c(u) cos((2 x + 1) u π / 16) / 2: the cosine transform's rows. */
const COSINES = Array.from({ length: 8 }, (_, u) =>
  Array.from({ length: 8 }, (_, x) => Math.cos(((2 * x + 1) * u * Math.PI) / 16) * (u === 0 ? Math.SQRT1_2 : 1) * 0.5),
);

/**
 * An image as the bytes of a JPEG file.
 *
 * @param quality from 1 to 99; libjpeg's scale.
 */
export function encodeJpeg({ width, height, data }: RgbImage, quality: number): Uint8Array {
  const scale = quality < 50 ? 5000 / quality : 200 - 2 * quality;
  const table = STEPS.map((step) => Math.min(255, Math.max(1, Math.floor((step * scale + 50) / 100))));
  const bytes: number[] = [];
  const segment = (marker: number, content: readonly number[]): void => {
    bytes.push(0xff, marker, (content.length + 2) >> 8, (content.length + 2) & 255, ...content);
  };
  const huffman = (kind: number, length: number, symbols: readonly number[]): number[] => [
    kind,
    ...Array.from({ length: 16 }, (_, i) => (i + 1 === length ? symbols.length : 0)),
    ...symbols,
  ];
  bytes.push(0xff, 0xd8);
  segment(0xe0, [0x4a, 0x46, 0x49, 0x46, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0]);
  segment(0xdb, [0, ...[...ZIGZAG].map((place) => table[place] as number)]);
  segment(0xc0, [8, height >> 8, height & 255, width >> 8, width & 255, 3, ...[1, 2, 3].flatMap((id) => [id, 0x11, 0])]);
  segment(0xc4, [...huffman(0x00, 4, DC_SYMBOLS), ...huffman(0x10, 8, AC_SYMBOLS)]);
  segment(0xda, [3, ...[1, 2, 3].flatMap((id) => [id, 0]), 0, 63, 0]);

  let [pending, count] = [0, 0];
  const put = (value: number, bits: number): void => {
    for (let bit = bits - 1; bit >= 0; bit--) {
      pending = (pending << 1) | ((value >> bit) & 1);
      if (++count < 8) continue;
      bytes.push(pending);
      if (pending === 0xff) bytes.push(0);
      [pending, count] = [0, 0];
    }
  };
  /** A value's bits: negative ones are those of the value less one. */
  const putValue = (value: number, size: number): void => put(value < 0 ? value + 2 ** size - 1 : value, size);
  const sizeOf = (value: number): number => 32 - Math.clz32(Math.abs(value));

  const planes = colorPlanes(width, height, data);
  const before = [0, 0, 0];
  for (let top = 0; top < height; top += 8)
    for (let left = 0; left < width; left += 8)
      planes.forEach((plane, component) => {
        const block = transformed((x, y) => plane[Math.min(top + y, height - 1) * width + Math.min(left + x, width - 1)] as number);
        const levels = [...ZIGZAG].map((place) => Math.round((block[place] as number) / (table[place] as number)));
        const [dc, ...ac] = levels as [number, ...number[]];
        const difference = dc - (before[component] as number);
        before[component] = dc;
        put(sizeOf(difference), 4);
        putValue(difference, sizeOf(difference));
        let zeros = 0;
        for (const level of ac.slice(0, ac.findLastIndex((value) => value !== 0) + 1)) {
          if (level === 0) zeros++;
          else {
            for (; zeros > 15; zeros -= 16) put(AC_CODES.get(0xf0) as number, 8);
            put(AC_CODES.get((zeros << 4) | sizeOf(level)) as number, 8);
            putValue(level, sizeOf(level));
            zeros = 0;
          }
        }
        if (ac.at(-1) === 0) put(AC_CODES.get(0) as number, 8);
      });
  put(0x7f, 7);
  bytes.push(0xff, 0xd9);
  return Uint8Array.from(bytes);
}

/** Brightness and the two colour differences, around zero (JFIF). */
function colorPlanes(width: number, height: number, data: Uint8Array): Float64Array[] {
  const size = width * height;
  const plane = (red: number, green: number, blue: number, offset: number): Float64Array =>
    Float64Array.from({ length: size }, (_, i) => red * data[i]! + green * data[size + i]! + blue * data[2 * size + i]! - offset);
  return [plane(0.299, 0.587, 0.114, 128), plane(-0.168736, -0.331264, 0.5, 0), plane(0.5, -0.418688, -0.081312, 0)];
}

/** The cosine transform of a block of 8 x 8. */
function transformed(at: (x: number, y: number) => number): Float64Array {
  const rows = new Float64Array(64);
  const block = new Float64Array(64);
  for (let y = 0; y < 8; y++) for (let u = 0; u < 8; u++) for (let x = 0; x < 8; x++) rows[8 * y + u]! += COSINES[u]![x]! * at(x, y);
  for (let v = 0; v < 8; v++) for (let u = 0; u < 8; u++) for (let y = 0; y < 8; y++) block[8 * v + u]! += COSINES[v]![y]! * rows[8 * y + u]!;
  return block;
}
