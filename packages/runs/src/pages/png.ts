/** @file Images as PNG files in data addresses, so that a page needs no other files. */
import { crc32 } from "@gradalign/formats";

/** Values in [0, 1], [C, H, W]; one channel is grey, three are colours. */
export interface Picture {
  readonly shape: readonly [channels: number, height: number, width: number];
  readonly values: ArrayLike<number>;
}

/** Images larger than this are drawn smaller: what is not compressed would make a large page. */
export const LARGEST_SIDE = 96;

/** Side of the squares of pixels that become one. */
export function reductionOf([, height, width]: Picture["shape"]): number {
  return Math.ceil(Math.max(height, width) / LARGEST_SIDE);
}

/** Whether a picture of this shape can be shown. */
export function isPicture([channels]: readonly number[]): boolean {
  return channels === 1 || channels === 3;
}

/**
 * The picture as `data:image/png;base64,…`, values outside [0, 1] at its ends. Large ones are made smaller, a pixel for each square of them:
 * its mean, or with `keepLargest` the value furthest from one half, which does not fade where signs alternate.
 */
export function pngAddress({ shape, values }: Picture, keepLargest = false): string {
  const [channels, height, width] = shape;
  const square = reductionOf(shape);
  const [rows, columns] = [Math.ceil(height / square), Math.ceil(width / square)];
  const stride = 1 + columns * channels;
  // A row of bytes begins with the filter that it went through: none.
  const scanlines = new Uint8Array(rows * stride);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      for (let c = 0; c < channels; c++) {
        let [sum, count, furthest] = [0, 0, 0.5];
        for (let i = y * square; i < Math.min(height, (y + 1) * square); i++) {
          for (let j = x * square; j < Math.min(width, (x + 1) * square); j++, count++) {
            const value = values[(c * height + i) * width + j] as number;
            sum += value;
            if (Math.abs(value - 0.5) > Math.abs(furthest - 0.5)) furthest = value;
          }
        }
        scanlines[y * stride + 1 + x * channels + c] = Math.round(255 * Math.min(1, Math.max(0, keepLargest ? furthest : sum / count)));
      }
    }
  }
  const header = new Uint8Array([...bigEndian(columns), ...bigEndian(rows), 8, channels === 1 ? 0 : 2, 0, 0, 0]);
  const file = concatenated([SIGNATURE, chunk("IHDR", header), chunk("IDAT", stored(scanlines)), chunk("IEND", new Uint8Array(0))]);
  return `data:image/png;base64,${base64(file)}`;
}

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
/** The longest block that is stored as it is (RFC 1951, 3.2.4). */
const LONGEST_BLOCK = 65535;

/** Bytes as a zlib stream of blocks that are not compressed: a page is made without waiting, in Node and in browsers. */
function stored(bytes: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [Uint8Array.of(0x78, 0x01)];
  for (let at = 0; at < bytes.length; at += LONGEST_BLOCK) {
    const block = bytes.subarray(at, at + LONGEST_BLOCK);
    const last = at + LONGEST_BLOCK >= bytes.length ? 1 : 0;
    parts.push(Uint8Array.of(last, block.length & 255, block.length >> 8, ~block.length & 255, (~block.length >> 8) & 255), block);
  }
  let [a, b] = [1, 0];
  for (const byte of bytes) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  return concatenated([...parts, bigEndian(b * 65536 + a)]);
}

function chunk(type: string, content: Uint8Array): Uint8Array {
  const named = concatenated([Uint8Array.from(type, (letter) => letter.charCodeAt(0)), content]);
  return concatenated([bigEndian(content.length), named, bigEndian(crc32(named))]);
}

function bigEndian(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((total, { length }) => total + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function base64(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}
