/** @file A JPEG's frame: its components, how they are sampled, and where their blocks go (ITU T.81, B.2.2 and A.1). */
import { checkSize, damaged, unread } from "../rgb-image.ts";

/** One component of the image: luma, a colour difference, an ink. */
export interface Component {
  readonly id: number;
  /** Samples in a minimum coded unit, across and down, in blocks. */
  readonly across: number;
  readonly down: number;
  /** Which quantisation table is its. */
  readonly tableIndex: number;
  /** Samples that the image needs of it. */
  readonly width: number;
  readonly height: number;
  /** Blocks that a scan of this component alone has. */
  readonly blocksWide: number;
  readonly blocksHigh: number;
  /** Samples of a row of `plane`, which is padded to whole minimum coded units. */
  readonly stride: number;
  /** The decoded samples. */
  readonly plane: Uint8ClampedArray;
  /** Of a progressive image: the coefficients of every block of the padded plane, row by row, 64 each. */
  readonly coefficients: Int16Array | undefined;
  /** The quantisation table that was in force when its first scan began, in the order of a block's rows. */
  table: Int32Array | undefined;
}

/** A frame. */
export interface Frame {
  readonly width: number;
  readonly height: number;
  readonly progressive: boolean;
  /** The largest sampling factors. */
  readonly across: number;
  readonly down: number;
  /** Minimum coded units of a scan of all components. */
  readonly unitsWide: number;
  readonly unitsHigh: number;
  readonly components: readonly Component[];
}

/**
 * Reads a start-of-frame segment.
 *
 * @param fileBytes the file's length: an image has at least one bit for each block, so a few bytes cannot ask for much memory.
 * @throws DataError when it contradicts itself, or is of a kind that is not read.
 */
export function readFrame(segment: Uint8Array, progressive: boolean, fileBytes: number): Frame {
  const byte = (at: number): number => segment[at] as number;
  const short = (at: number): number => byte(at) * 256 + byte(at + 1);
  const count = segment.length > 5 ? byte(5) : 0;
  if (segment.length < 6 || segment.length !== 6 + 3 * count) throw damaged("JPEG", "its frame header has the wrong length");
  const [height, width] = [short(1), short(3)];
  if (byte(0) !== 8) throw unread("JPEG", `it has ${byte(0)} bits per sample`);
  if (![1, 3, 4].includes(count)) throw unread("JPEG", `it has ${count} components`);
  checkSize("JPEG", width, height);
  const declared = Array.from({ length: count }, (_, i) => {
    const at = 6 + 3 * i;
    return { id: byte(at), across: byte(at + 1) >> 4, down: byte(at + 1) & 15, tableIndex: byte(at + 2) };
  });
  for (const { across, down, tableIndex } of declared) {
    if (across < 1 || across > 4 || down < 1 || down > 4) throw damaged("JPEG", `a sampling factor is ${across} x ${down}`);
    if (tableIndex > 3) throw damaged("JPEG", `a component names quantisation table ${tableIndex}`);
  }
  const across = Math.max(...declared.map((component) => component.across));
  const down = Math.max(...declared.map((component) => component.down));
  if (declared.some((component) => across % component.across !== 0 || down % component.down !== 0)) {
    throw unread("JPEG", "a component is sampled at a fraction of another");
  }
  const [unitsWide, unitsHigh] = [Math.ceil(width / (8 * across)), Math.ceil(height / (8 * down))];
  const blocks = declared.reduce((sum, component) => sum + unitsWide * unitsHigh * component.across * component.down, 0);
  if (blocks > 8 * fileBytes) throw damaged("JPEG", `${fileBytes} bytes cannot hold the ${width} x ${height} pixels it announces`);
  const components = declared.map((component) => {
    const [samplesWide, samplesHigh] = [Math.ceil((width * component.across) / across), Math.ceil((height * component.down) / down)];
    const stride = 8 * unitsWide * component.across;
    const samples = stride * 8 * unitsHigh * component.down;
    return {
      ...component,
      width: samplesWide,
      height: samplesHigh,
      blocksWide: Math.ceil(samplesWide / 8),
      blocksHigh: Math.ceil(samplesHigh / 8),
      stride,
      plane: new Uint8ClampedArray(samples),
      coefficients: progressive ? new Int16Array(samples) : undefined,
      table: undefined,
    };
  });
  return { width, height, progressive, across, down, unitsWide, unitsHigh, components };
}
