/**
 * @file A JPEG's scans: from entropy-coded bytes to samples, or, of progressive images, to coefficients (ITU T.81, F.2 and G.2).
 *
 * A position is a number of bits from the beginning of a scan's data, which is laid out first without the bytes that were stuffed in; so
 * the next 32 bits are always five bytes away, and a symbol and the bits that follow it are read at once.
 */
import { damaged } from "../rgb-image.ts";
import type { Component, Frame } from "./frame.ts";
import { type HuffmanTable, LOOK_BITS, longCode } from "./huffman.ts";
import { inverseDct } from "./inverse-dct.ts";

/** A component in a scan, with its tables; one that the scan has no use for may be missing. */
export interface ScanComponent {
  readonly component: Component;
  readonly dc: HuffmanTable | undefined;
  readonly ac: HuffmanTable | undefined;
}

/** What a scan's header says. */
export interface Scan {
  readonly parts: readonly ScanComponent[];
  /** The coefficients it has, in zig-zag order, and the bits of them: before it, and after it. */
  readonly first: number;
  readonly last: number;
  readonly high: number;
  readonly low: number;
  /** Minimum coded units between restarts; 0 for none. */
  readonly restartInterval: number;
}

/** Where in a block's rows each coefficient of the zig-zag goes. */
export const ZIGZAG: Uint8Array = Uint8Array.of(
  ...[0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28],
  ...[35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63],
);

/** A scan's data without stuffed bytes, where its restart intervals begin, and where in the file the next marker is. */
interface ScanData {
  readonly bytes: Uint8Array;
  readonly starts: readonly number[];
  readonly next: number;
}

/**
 * Reads a scan.
 *
 * @param file the whole file; the scan's data begins at `at`.
 * @returns where the next marker is.
 * @throws DataError when the data ends too early or has codes that are none.
 */
export function readScan(frame: Frame, scan: Scan, file: Uint8Array, at: number): number {
  const data = scanData(file, at);
  const decode = frame.progressive ? progressiveDecoder(scan, data.bytes) : sequentialDecoder(scan, data.bytes);
  const [only] = scan.parts.length === 1 ? scan.parts : [];
  const [wide, high] = only ? [only.component.blocksWide, only.component.blocksHigh] : [frame.unitsWide, frame.unitsHigh];
  const limitOf = (interval: number): number => 8 * (data.starts[interval + 1] ?? data.bytes.length - PADDING);
  let [position, interval, limit] = [0, 0, limitOf(0)];
  for (let unit = 0; unit < wide * high; unit++) {
    if (scan.restartInterval > 0 && unit > 0 && unit % scan.restartInterval === 0) {
      interval++;
      const start = data.starts[interval];
      if (start === undefined) throw damaged("JPEG", "its data ends too early");
      position = 8 * start;
      limit = limitOf(interval);
      decode.restart();
    }
    const [column, row] = [unit % wide, Math.floor(unit / wide)];
    if (only) position = decode.block(position, 0, column, row);
    else {
      for (let part = 0; part < scan.parts.length; part++) {
        const { across, down } = (scan.parts[part] as ScanComponent).component;
        for (let y = 0; y < down; y++) {
          for (let x = 0; x < across; x++) position = decode.block(position, part, column * across + x, row * down + y);
        }
      }
    }
    if (position > limit) throw damaged("JPEG", "its data ends too early");
  }
  return data.next;
}

/** Zero bytes after a scan's data, so that five bytes can be read anywhere. */
const PADDING = 8;

/**
 * Lays out a scan's data up to the next marker that is no restart.
 *
 * @throws DataError when the file ends without one, or restarts are not in order.
 */
function scanData(file: Uint8Array, at: number): ScanData {
  const parts: Uint8Array[] = [];
  const starts = [0];
  let [size, from] = [0, at];
  const take = (end: number): void => {
    parts.push(file.subarray(from, end));
    size += end - from;
  };
  for (let search = at; ; ) {
    const mark = file.indexOf(0xff, search);
    const code = mark < 0 ? undefined : file[mark + 1];
    if (code === undefined) throw damaged("JPEG", "the file ends within the image");
    if (code === 0) {
      take(mark + 1);
      from = mark + 2;
    } else if (code >= 0xd0 && code <= 0xd7) {
      if (code - 0xd0 !== (starts.length - 1) % 8) throw damaged("JPEG", "a restart marker is missing");
      take(mark);
      starts.push(size);
      from = mark + 2;
    } else if (code !== 0xff) {
      take(mark);
      const bytes = new Uint8Array(size + PADDING);
      let filled = 0;
      for (const part of parts) {
        bytes.set(part, filled);
        filled += part.length;
      }
      return { bytes, starts, next: mark };
    } else {
      // A byte that fills up before a marker.
      take(mark);
      from = mark + 1;
      search = mark + 1;
      continue;
    }
    search = from;
  }
}

/** Decodes one block after the other; what it knows between them it forgets at a restart. */
interface Decoder {
  /** Reads the block at a place of a component's plane, and says where the next one begins. */
  block(position: number, part: number, column: number, row: number): number;
  restart(): void;
}

function tableOf(table: HuffmanTable | undefined): HuffmanTable {
  if (!table) throw damaged("JPEG", "a scan names a Huffman table that was not defined");
  return table;
}

function quantization({ table }: Component): Int32Array {
  if (!table) throw damaged("JPEG", "a component names a quantisation table that was not defined");
  return table;
}

/** The 32 bits at a position. */
function bitsAt(bytes: Uint8Array, position: number): number {
  const at = position >>> 3;
  const shift = position & 7;
  const four = ((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
  return (four << shift) | ((bytes[at + 4] as number) >> (8 - shift));
}

/** The number of `size` bits at the top, as JPEG codes signs: below half of the range it is negative (F.2.2.1). */
function signed(bits: number, size: number): number {
  const value = bits >>> (32 - size);
  return value < 1 << (size - 1) ? value - (1 << size) + 1 : value;
}

/** Blocks whose coefficients all come at once; each is transformed as soon as it is read. */
function sequentialDecoder(scan: Scan, bytes: Uint8Array): Decoder {
  const predictions = new Int32Array(4);
  const block = new Int32Array(64);
  const end = 8 * bytes.length - 40;
  const parts = scan.parts.map(({ component, dc, ac }) => ({ component, dc: tableOf(dc), ac: tableOf(ac), table: quantization(component) }));
  return {
    restart: () => predictions.fill(0),
    block(start, part, column, row) {
      const { component, dc, ac, table } = parts[part] as (typeof parts)[number];
      let position = start;
      if (position > end) throw damaged("JPEG", "its data ends too early");
      block.fill(0);
      let bits = bitsAt(bytes, position);
      let entry = dc.look[bits >>> (32 - LOOK_BITS)] as number;
      if (entry === 0) entry = longCode(dc, bits);
      let length = entry & 255;
      let size = entry >> 8;
      if (size > 11) throw damaged("JPEG", "a coefficient has too many bits");
      if (size > 0) predictions[part] = (predictions[part] as number) + signed(bits << length, size);
      position += length + size;
      block[0] = Math.imul(predictions[part] as number, table[0] as number);
      let highest = 0;
      const look = ac.look;
      for (let k = 1; k < 64; k++) {
        if (position > end) throw damaged("JPEG", "its data ends too early");
        bits = bitsAt(bytes, position);
        entry = look[bits >>> (32 - LOOK_BITS)] as number;
        if (entry === 0) entry = longCode(ac, bits);
        length = entry & 255;
        size = (entry >> 8) & 15;
        position += length + size;
        if (size === 0) {
          if (entry >> 12 !== 15) break;
          k += 15;
          continue;
        }
        k += entry >> 12;
        if (k > 63) throw damaged("JPEG", "a block has more than 64 coefficients");
        const to = ZIGZAG[k] as number;
        block[to] = Math.imul(signed(bits << length, size), table[to] as number);
        highest = k;
      }
      const { plane, stride } = component;
      inverseDct(block, highest, plane, 8 * (row * stride + column), stride);
      return position;
    },
  };
}

/** Blocks whose coefficients come scan by scan, first their upper bits, then one bit more at a time. */
function progressiveDecoder({ parts, first, last, high, low }: Scan, bytes: Uint8Array): Decoder {
  const predictions = new Int32Array(4);
  const end = 8 * bytes.length - 40;
  const [plus, minus] = [1 << low, -1 << low];
  /** Blocks that have no more coefficients in this scan, this one among them. */
  let run = 0;
  let position = 0;
  const symbol = (table: HuffmanTable): number => {
    if (position > end) throw damaged("JPEG", "its data ends too early");
    const bits = bitsAt(bytes, position);
    const entry = (table.look[bits >>> (32 - LOOK_BITS)] as number) || longCode(table, bits);
    position += entry & 255;
    return entry >> 8;
  };
  const take = (size: number): number => {
    const bits = size === 0 ? 0 : bitsAt(bytes, position) >>> (32 - size);
    position += size;
    return bits;
  };
  const takeBit = (): number => {
    const bit = ((bytes[position >>> 3] as number) >> (7 - (position & 7))) & 1;
    position++;
    return bit;
  };
  const takeSigned = (size: number): number => {
    const bits = bitsAt(bytes, position);
    position += size;
    return signed(bits, size);
  };
  /** One more bit of a coefficient that is not zero. */
  const refine = (coefficients: Int16Array, at: number): void => {
    const value = coefficients[at] as number;
    if (takeBit() === 1 && (value & plus) === 0) coefficients[at] = value + (value >= 0 ? plus : minus);
  };
  const firstAc = (table: HuffmanTable, coefficients: Int16Array, at: number): void => {
    if (run > 0) {
      run--;
      return;
    }
    for (let k = first; k <= last; k++) {
      const code = symbol(table);
      const [zeros, size] = [code >> 4, code & 15];
      if (size === 0) {
        if (zeros < 15) {
          run = (1 << zeros) + take(zeros) - 1;
          return;
        }
        k += 15;
        continue;
      }
      k += zeros;
      if (k > 63) throw damaged("JPEG", "a block has more than 64 coefficients");
      coefficients[at + (ZIGZAG[k] as number)] = takeSigned(size) << low;
    }
  };
  const nextAc = (table: HuffmanTable, coefficients: Int16Array, at: number): void => {
    let k = first;
    for (; run === 0 && k <= last; k++) {
      const code = symbol(table);
      let zeros = code >> 4;
      let value = 0;
      if ((code & 15) !== 0) value = takeBit() === 1 ? plus : minus;
      else if (zeros < 15) {
        run = (1 << zeros) + take(zeros);
        break;
      }
      // Coefficients that are there already get a bit each on the way to the one that is new.
      for (; k <= last; k++) {
        const to = at + (ZIGZAG[k] as number);
        if (coefficients[to] !== 0) refine(coefficients, to);
        else if (--zeros < 0) break;
      }
      if (value !== 0 && k <= last) coefficients[at + (ZIGZAG[k] as number)] = value;
    }
    if (run === 0) return;
    for (; k <= last; k++) {
      const to = at + (ZIGZAG[k] as number);
      if (coefficients[to] !== 0) refine(coefficients, to);
    }
    run--;
  };
  return {
    restart() {
      predictions.fill(0);
      run = 0;
    },
    block(start, part, column, row) {
      position = start;
      if (position > end) throw damaged("JPEG", "its data ends too early");
      const { component, dc, ac } = parts[part] as ScanComponent;
      const coefficients = component.coefficients as Int16Array;
      const at = 64 * (row * (component.stride >> 3) + column);
      if (first > 0) (high === 0 ? firstAc : nextAc)(tableOf(ac), coefficients, at);
      else if (high > 0) {
        if (takeBit() === 1) coefficients[at] = (coefficients[at] as number) | plus;
      } else {
        const size = symbol(tableOf(dc));
        if (size > 11) throw damaged("JPEG", "a coefficient has too many bits");
        if (size > 0) predictions[part] = (predictions[part] as number) + takeSigned(size);
        coefficients[at] = (predictions[part] as number) << low;
      }
      return position;
    },
  };
}

/** Turns the coefficients of a progressive image into samples, once all scans are read. */
export function transformCoefficients(component: Component): void {
  const { coefficients, plane, stride } = component;
  if (!coefficients) return;
  const table = quantization(component);
  const block = new Int32Array(64);
  for (let at = 0; at < coefficients.length; at += 64) {
    let others = 0;
    for (let i = 0; i < 64; i++) {
      const value = coefficients[at + i] as number;
      block[i] = Math.imul(value, table[i] as number);
      if (i > 0) others |= value;
    }
    const index = at >> 6;
    const column = index % (stride >> 3);
    const row = (index - column) / (stride >> 3);
    inverseDct(block, others === 0 ? 0 : 63, plane, 8 * (row * stride + column), stride);
  }
}
