/**
 * @file Decodes JPEGs, baseline and progressive, to the same bytes as Pillow with libjpeg-turbo does.
 *
 * ITU T.81; the colours of the components follow libjpeg's rules about JFIF and Adobe markers. The orientation of Exif is not applied, as
 * Pillow does not. A file that ends before its end marker is refused, and so, other than by Pillow, is data that ends or errs within.
 */
import { damaged, type RgbImage, unread } from "../rgb-image.ts";
import { type Frame, readFrame } from "./frame.ts";
import { type HuffmanTable, huffmanTable } from "./huffman.ts";
import { type JpegColors, rgbOf } from "./pixels.ts";
import { readScan, type Scan, transformCoefficients, ZIGZAG } from "./scan.ts";

/** What the segments before a scan have set. */
interface Settings {
  readonly quantization: (Int32Array | undefined)[];
  readonly dc: (HuffmanTable | undefined)[];
  readonly ac: (HuffmanTable | undefined)[];
  restartInterval: number;
  jfif: boolean;
  /** Adobe's transform of the colours, where its marker is there. */
  adobe: number | undefined;
}

/** The most scans: a progressive image has some ten; each walks over all blocks, whatever little data it has. */
const MOST_SCANS = 500;

/**
 * The image of a JPEG file.
 *
 * @throws DataError when it is damaged, cut off, too large or of a kind that is not read (arithmetic coding, lossless, 12 bits).
 */
export function decodeJpeg(file: Uint8Array): RgbImage {
  const settings: Settings = { quantization: [], dc: [], ac: [], restartInterval: 0, jfif: false, adobe: undefined };
  let frame: Frame | undefined;
  let scans = 0;
  for (let at = 2; ; ) {
    at = file.indexOf(0xff, at);
    while (at >= 0 && file[at + 1] === 0xff) at++;
    const code = at < 0 ? undefined : file[at + 1];
    if (code === undefined) throw damaged("JPEG", "the file ends before the image does");
    at += 2;
    if (code === 0xd9) break;
    if (code === 0 || code === 1 || (code >= 0xd0 && code <= 0xd8)) continue;
    const length = ((file[at] ?? 0) << 8) + (file[at + 1] ?? 0);
    if (length < 2 || at + length > file.length) throw damaged("JPEG", "the file ends within a header");
    const segment = file.subarray(at + 2, at + length);
    at += length;
    if (code === 0xda) {
      if (!frame) throw damaged("JPEG", "a scan comes before the frame");
      if (++scans > MOST_SCANS) throw damaged("JPEG", `it has more than ${MOST_SCANS} scans`);
      at = readScan(frame, scanOf(segment, frame, settings), file, at);
    } else if (code === 0xc0 || code === 0xc1 || code === 0xc2) {
      if (frame) throw damaged("JPEG", "it has two frames");
      frame = readFrame(segment, code === 0xc2, file.length);
    } else if (code === 0xc4) readHuffmanTables(segment, settings);
    else if (code > 0xc2 && code <= 0xcf && code !== 0xc8) throw unread("JPEG", UNREAD[code] ?? "it is arithmetic-coded");
    else if (code === 0xdb) readQuantization(segment, settings);
    else if (code === 0xdd) {
      if (segment.length !== 2) throw damaged("JPEG", "its restart interval has the wrong length");
      settings.restartInterval = ((segment[0] as number) << 8) + (segment[1] as number);
    } else if (code === 0xe0 && startsWith(segment, "JFIF\0")) settings.jfif = true;
    else if (code === 0xee && startsWith(segment, "Adobe") && segment.length >= 12) settings.adobe = segment[11];
  }
  if (!frame || scans === 0) throw damaged("JPEG", "it has no image");
  if (frame.components.some(({ table }) => !table)) throw damaged("JPEG", "a component has no data");
  for (const component of frame.components) transformCoefficients(component);
  return rgbOf(frame, colorsOf(frame, settings));
}

const UNREAD: Readonly<Record<number, string>> = {
  195: "it is lossless JPEG",
  197: "it is hierarchical",
  198: "it is hierarchical",
  199: "it is lossless JPEG",
};

function startsWith(bytes: Uint8Array, text: string): boolean {
  return [...text].every((letter, i) => bytes[i] === letter.charCodeAt(0));
}

function colorsOf({ components }: Frame, { jfif, adobe }: Settings): JpegColors {
  if (components.length === 1) return "gray";
  if (components.length === 4) return adobe === undefined || adobe === 0 ? "cmyk" : "ycck";
  if (jfif) return "ycc";
  if (adobe !== undefined) return adobe === 0 ? "rgb" : "ycc";
  return components.map(({ id }) => String.fromCharCode(id)).join("") === "RGB" ? "rgb" : "ycc";
}

function readQuantization(segment: Uint8Array, { quantization }: Settings): void {
  for (let at = 0; at < segment.length; ) {
    const [wide, index] = [(segment[at] as number) >> 4, (segment[at] as number) & 15];
    const bytes = wide === 0 ? 1 : 2;
    at++;
    if (wide > 1 || index > 3 || at + 64 * bytes > segment.length) throw damaged("JPEG", "a quantisation table is cut off");
    const table = new Int32Array(64);
    for (let k = 0; k < 64; k++, at += bytes) {
      table[ZIGZAG[k] as number] = bytes === 1 ? (segment[at] as number) : ((segment[at] as number) << 8) + (segment[at + 1] as number);
    }
    quantization[index] = table;
  }
}

function readHuffmanTables(segment: Uint8Array, { dc, ac }: Settings): void {
  for (let at = 0; at < segment.length; ) {
    const [kind, index] = [(segment[at] as number) >> 4, (segment[at] as number) & 15];
    const counts = segment.subarray(at + 1, at + 17);
    const total = counts.reduce((sum, count) => sum + count, 0);
    if (kind > 1 || index > 3 || counts.length < 16 || total > 256 || at + 17 + total > segment.length) throw damaged("JPEG", "a Huffman table is cut off");
    (kind === 0 ? dc : ac)[index] = huffmanTable(counts, segment.slice(at + 17, at + 17 + total));
    at += 17 + total;
  }
}

function scanOf(segment: Uint8Array, frame: Frame, { quantization, dc, ac, restartInterval }: Settings): Scan {
  const count = segment[0] ?? 0;
  if (count < 1 || count > 4 || segment.length !== 4 + 2 * count) throw damaged("JPEG", "a scan's header has the wrong length");
  const byte = (at: number): number => segment[at] as number;
  const parts = Array.from({ length: count }, (_, i) => {
    const component = frame.components.find(({ id }) => id === byte(1 + 2 * i));
    if (!component) throw damaged("JPEG", "a scan names a component that is not there");
    component.table ??= quantization[component.tableIndex];
    return { component, dc: dc[byte(2 + 2 * i) >> 4], ac: ac[byte(2 + 2 * i) & 15] };
  });
  if (new Set(parts.map(({ component }) => component)).size < count) throw damaged("JPEG", "a scan names a component twice");
  if (!frame.progressive) return { parts, first: 0, last: 63, high: 0, low: 0, restartInterval };
  const [first, last, high, low] = [byte(1 + 2 * count), byte(2 + 2 * count), byte(3 + 2 * count) >> 4, byte(3 + 2 * count) & 15];
  if (first > last || last > 63 || low > 13 || (first === 0) !== (last === 0) || (first > 0 && count > 1)) {
    throw damaged("JPEG", `a scan has coefficients ${first} to ${last} of ${count} components`);
  }
  return { parts, first, last, high, low, restartInterval };
}
