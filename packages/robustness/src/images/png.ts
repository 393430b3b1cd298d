/**
 * @file Decodes PNGs to RGB as Pillow's convert("RGB") does: alpha and transparent colours are dropped, 16-bit colours keep their upper byte,
 * and 16-bit greys, which Pillow does not scale, are cut off at 255.
 *
 * PNG specification, third edition (W3C 2025). Every size is checked before memory is taken: a PNG's pixels cannot be more than 1032 times its
 * compressed bytes.
 */
import { crc32 } from "@gradalign/formats";
import { blankImage, checkSize, damaged, type RgbImage, unread } from "./rgb-image.ts";

/** What deflate can make of a byte at most. */
const MOST_EXPANSION = 1032;
const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
/** Samples of a pixel by colour type. */
const CHANNELS: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };
/** Bits of a sample by colour type. */
const DEPTHS: Readonly<Record<number, readonly number[]>> = { 0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16] };
type Pass = readonly [left: number, top: number, across: number, down: number];
/** Adam7's passes: first column and row, and the steps to the next ones. */
const PASSES: readonly Pass[] = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
];
const WHOLE: readonly Pass[] = [[0, 0, 1, 1]];

/** What the header and the palette say. */
interface Header {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly color: number;
  readonly interlaced: boolean;
}

/**
 * The image of a PNG file; of an animated one its default image.
 *
 * @throws DataError when it is damaged, cut off, too large or of a kind that is not read.
 */
export async function decodePng(file: Uint8Array): Promise<RgbImage> {
  const { header, palette, compressed } = readChunks(file);
  const { width, height, depth, color, interlaced } = header;
  const channels = CHANNELS[color] as number;
  const passes = (interlaced ? PASSES : WHOLE).map(([left, top, across, down]) => {
    const [wide, high] = [Math.ceil((width - left) / across), Math.ceil((height - top) / down)];
    return { left, top, across, down, wide, high: wide > 0 ? high : 0, rowBytes: Math.ceil((wide * channels * depth) / 8) };
  });
  const size = passes.reduce((sum, { high, rowBytes }) => sum + Math.max(high, 0) * (1 + rowBytes), 0);
  const stored = compressed.reduce((sum, part) => sum + part.length, 0);
  if (size > stored * MOST_EXPANSION) throw damaged("PNG", `${stored} bytes cannot hold the ${width} x ${height} pixels it announces`);
  const bytes = await inflate(compressed, size);
  const image = blankImage(width, height);
  const write = pixelWriter(header, palette, image);
  let at = 0;
  for (const { left, top, across, down, wide, high, rowBytes } of passes) {
    unfilter(bytes, at, rowBytes, high, Math.max(1, (channels * depth) >> 3));
    for (let row = 0; row < high; row++, at += 1 + rowBytes) {
      write(bytes.subarray(at + 1, at + 1 + rowBytes), wide, (top + row * down) * width + left, across);
    }
  }
  return image;
}

function readChunks(file: Uint8Array): { header: Header; palette: Uint8Array | undefined; compressed: Uint8Array[] } {
  if (!SIGNATURE.every((byte, i) => file[i] === byte)) throw damaged("PNG", "its first bytes are not a PNG's");
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const compressed: Uint8Array[] = [];
  let header: Header | undefined;
  let palette: Uint8Array | undefined;
  for (let at = 8; ; ) {
    if (at + 12 > file.length) throw damaged("PNG", "the file ends before the image does");
    const length = view.getUint32(at);
    const end = at + 8 + length;
    if (end + 4 > file.length) throw damaged("PNG", "the file ends within the image");
    const name = String.fromCharCode(...file.subarray(at + 4, at + 8));
    if (crc32(file.subarray(at + 4, end)) !== view.getUint32(end)) throw damaged("PNG", `the checksum of its part ${JSON.stringify(name)} is wrong`);
    const content = file.subarray(at + 8, end);
    if (header === undefined) {
      if (name !== "IHDR" || length !== 13) throw damaged("PNG", "it does not begin with its header");
      header = readHeader(content, view.getUint32(at + 8), view.getUint32(at + 12));
    } else if (name === "PLTE") palette = content;
    else if (name === "IDAT") compressed.push(content);
    else if (name === "IEND") break;
    at = end + 4;
  }
  if (compressed.length === 0) throw damaged("PNG", "it has no image");
  return { header, palette, compressed };
}

function readHeader(content: Uint8Array, width: number, height: number): Header {
  const [depth, color, compression, filter, interlace] = content.subarray(8) as unknown as [number, number, number, number, number];
  checkSize("PNG", width, height);
  if (!DEPTHS[color]?.includes(depth)) throw damaged("PNG", `its colour type is ${color} with ${depth} bits`);
  if (compression !== 0 || filter !== 0 || interlace > 1) throw unread("PNG", "it uses a method that the standard does not have");
  return { width, height, depth, color, interlaced: interlace === 1 };
}

/** The first `size` bytes that the parts unpack to. */
async function inflate(parts: readonly Uint8Array[], size: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(size);
  let filled = 0;
  const reader = new Blob(parts as Uint8Array<ArrayBuffer>[]).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
  try {
    for (let next = await reader.read(); !next.done && filled < size; next = await reader.read()) {
      bytes.set(next.value.subarray(0, size - filled), filled);
      filled += Math.min(next.value.length, size - filled);
    }
  } catch (error) {
    throw damaged("PNG", `its data cannot be unpacked (${(error as Error).message})`, { cause: error });
  } finally {
    await reader.cancel().catch(() => {});
  }
  if (filled < size) throw damaged("PNG", `its data unpacks to ${filled} bytes, not the ${size} of its pixels`);
  return bytes;
}

/** Undoes the filters of a pass's rows in place; each row has its filter's number before it. */
function unfilter(bytes: Uint8Array, start: number, rowBytes: number, rows: number, pixelBytes: number): void {
  const zeros = new Uint8Array(rowBytes);
  let above: Uint8Array = zeros;
  for (let row = 0, at = start; row < rows; row++, at += 1 + rowBytes) {
    const line = bytes.subarray(at + 1, at + 1 + rowBytes);
    const filter = bytes[at] as number;
    if (filter === 1) for (let i = pixelBytes; i < rowBytes; i++) line[i] = (line[i] as number) + (line[i - pixelBytes] as number);
    else if (filter === 2) for (let i = 0; i < rowBytes; i++) line[i] = (line[i] as number) + (above[i] as number);
    else if (filter === 3) {
      for (let i = 0; i < pixelBytes; i++) line[i] = (line[i] as number) + ((above[i] as number) >> 1);
      for (let i = pixelBytes; i < rowBytes; i++) line[i] = (line[i] as number) + (((line[i - pixelBytes] as number) + (above[i] as number)) >> 1);
    } else if (filter === 4) {
      for (let i = 0; i < pixelBytes; i++) line[i] = (line[i] as number) + (above[i] as number);
      for (let i = pixelBytes; i < rowBytes; i++) {
        line[i] = (line[i] as number) + paeth(line[i - pixelBytes] as number, above[i] as number, above[i - pixelBytes] as number);
      }
    } else if (filter !== 0) throw damaged("PNG", `row ${row} has the filter ${filter}, which there is not`);
    above = line;
  }
}

/** Whichever of the three is nearest to left + above - corner. */
function paeth(left: number, above: number, corner: number): number {
  const toLeft = Math.abs(above - corner);
  const toAbove = Math.abs(left - corner);
  const toCorner = Math.abs(left + above - 2 * corner);
  if (toLeft <= toAbove && toLeft <= toCorner) return left;
  return toAbove <= toCorner ? above : corner;
}

/** Writes the pixels of a row to the image, the first at a place, the others each so many further. */
type WritePixels = (row: Uint8Array, count: number, at: number, step: number) => void;

function pixelWriter({ width, height, depth, color }: Header, palette: Uint8Array | undefined, { data }: RgbImage): WritePixels {
  const size = width * height;
  /** Bytes from a sample to its upper byte's neighbours. */
  const bytes = depth === 16 ? 2 : 1;
  if (color === 2 || color === 6) {
    const pixel = bytes * (color === 2 ? 3 : 4);
    return (row, count, at, step) => {
      for (let i = 0, from = 0, to = at; i < count; i++, from += pixel, to += step) {
        data[to] = row[from] as number;
        data[to + size] = row[from + bytes] as number;
        data[to + 2 * size] = row[from + 2 * bytes] as number;
      }
    };
  }
  const level = levelReader(color, depth);
  if (color !== 3) {
    return (row, count, at, step) => {
      for (let i = 0, to = at; i < count; i++, to += step) data[to] = data[to + size] = data[to + 2 * size] = level(row, i);
    };
  }
  if (!palette || palette.length === 0 || palette.length > 768 || palette.length % 3 !== 0) throw damaged("PNG", "its palette is missing or cut off");
  // Colours that the palette lacks are black.
  const colors = new Uint8Array(768);
  colors.set(palette);
  return (row, count, at, step) => {
    for (let i = 0, to = at; i < count; i++, to += step) {
      const entry = 3 * level(row, i);
      data[to] = colors[entry] as number;
      data[to + size] = colors[entry + 1] as number;
      data[to + 2 * size] = colors[entry + 2] as number;
    }
  };
}

/** Reads a row's i-th grey level, or number in the palette. */
function levelReader(color: number, depth: number): (row: Uint8Array, i: number) => number {
  if (color === 4) return depth === 8 ? (row, i) => row[2 * i] as number : (row, i) => row[4 * i] as number;
  if (depth === 8) return (row, i) => row[i] as number;
  if (depth === 16) return (row, i) => (row[2 * i] === 0 ? (row[2 * i + 1] as number) : 255);
  const most = (1 << depth) - 1;
  const scale = color === 3 ? 1 : 255 / most;
  return (row, i) => (((row[(i * depth) >> 3] as number) >> (8 - depth - ((i * depth) & 7))) & most) * scale;
}
