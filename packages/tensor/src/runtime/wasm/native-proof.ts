/** @file Proof of native code: kernels of every kind and shape, on random numbers, must give the same bits as WebAssembly. */

import type { PlannedKernel } from "../../codegen/plan/index.ts";
import { encodeProgram } from "../../codegen/wasm/program.ts";
import { CONTROL } from "../../codegen/wasm/threads.ts";
import type { BufferRef } from "../../codegen/wasm/units.ts";
import type { ConvKernel, FilterGradKernel, LoopKernel, RandomKernel, TileStrides } from "../../ir/kernel.ts";
import { windowSize } from "../../ir/kernel.ts";
import type { LinearMap } from "../../ir/linear-map.ts";
import { transposed } from "../../ir/linear-map.ts";
import { type Affine, forEachExpr } from "../../ir/scalar.ts";
import { AT, BT, G, SKEW, STEP } from "../../ir/winograd.ts";
import { relaxedSimdAvailable } from "./features.ts";
import { compileNative, type NativeHost } from "./native.ts";
import { numberOfColumn, PROOF_LOOPS } from "./proof-loops.ts";

/** Words around buffers, and what stands where nothing was written. */
const GUARD = 64;
const SENTINEL = 0x7fc1_2345;
const PAGE = 65536;
/** Numbers of a row's elements: at random, one after another, and backwards, but for the first, which may be out of bounds. */
const STEPS = [0, 1, -1] as const;
/** Of the memory of a kernel's proof. */
const MOST_PAGES = 4096;

/** What there is native code for. */
export type ProvenKernel = PlannedKernel | LoopKernel | RandomKernel;

/** What native code does wrong on this machine; null if its bits are WebAssembly's. */
export function nativeProblem(host: NativeHost): string | null {
  for (const [i, kernel] of [...PROOF_KERNELS, ...PROOF_LOOPS].entries()) {
    const difference = nativeDifference(kernel, host, i + 1);
    if (difference !== null) return difference;
  }
  return null;
}

/** How native code's results of a kernel differ from WebAssembly's, on numbers of a seed; null if no bit does. */
export function nativeDifference(kernel: ProvenKernel, host: NativeHost, seed: number): string | null {
  const [ours, theirs] = [resultOf(kernel, seed, host), resultOf(kernel, seed, null)];
  const at = ours.words.findIndex((word, i) => word !== theirs.words[i]);
  if (at < 0) return null;
  return `${kernel.kind}: word ${at - ours.start} of the result is ${ours.words[at]} in native code, ${theirs.words[at]} in WebAssembly`;
}

/** All a kernel's buffers after it ran, with a few words around each, and where the last one starts. */
function resultOf(kernel: ProvenKernel, seed: number, host: NativeHost | null): { readonly words: Int32Array; readonly start: number } {
  const sizes = bufferSizes(kernel);
  const results = kernel.kind === "loop" ? kernel.outputs.length : 1;
  let words = GUARD;
  const starts = sizes.map((size) => {
    const start = words;
    words += Math.ceil((size + GUARD) / 16) * 16;
    return start;
  });
  const memory = new WebAssembly.Memory({ initial: Math.ceil((4 * words) / PAGE), maximum: MOST_PAGES, shared: true });
  const native = host && compileNative([kernel], host, memory);
  try {
    const { bytes, controlBytes, arenaBytes } = encodeProgram([{ kernel, buffers: sizes.map((_, slot): BufferRef => ({ kind: "slot", slot })) }], {
      memory: { shared: true, initialPages: 1, maximumPages: MOST_PAGES },
      threads: 1,
      arenaBytes: 0,
      relaxed: relaxedSimdAvailable(),
      wide: false,
      ...(native ? { native: native.kernel } : {}),
    });
    const control = 4 * words;
    const table = control + Math.ceil(controlBytes / 64) * 64;
    const arena = table + CONTROL.size;
    const end = arena + arenaBytes;
    memory.grow(Math.ceil(end / PAGE) - memory.buffer.byteLength / PAGE);
    new Int32Array(memory.buffer, 0, words).fill(SENTINEL);
    new Int32Array(memory.buffer, table, sizes.length).set(starts.map((start) => 4 * start));
    const next = randomNumbers(seed);
    const step = STEPS[seed % STEPS.length]!;
    const rows = kernel.kind === "loop" && step !== 0 ? rowNumbers(kernel) : null;
    sizes.slice(0, -results).forEach((size, i) => {
      const view = new Float32Array(memory.buffer, 4 * starts[i]!, size);
      for (let j = 0; j < size; j++) view[j] = next();
      if (!rows?.buffers.has(i)) return;
      const numbers = new Int32Array(memory.buffer, 4 * starts[i]!, size);
      for (let j = 0; j < size; j++) numbers[j] = numberOfColumn(step, j % rows.width);
    });
    const imports = { memory, ...(native ? { native: native.call } : {}) };
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: imports });
    (exports["run"] as (thread: number, control: number, table: number, arena: number) => void)(0, control, table, arena);
    return { words: new Int32Array(memory.buffer, 0, words).slice(), start: starts.at(-1)! };
  } finally {
    native?.free();
  }
}

function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

/** The buffers from which gathers along a row take the elements' numbers, and how long a row is. */
function rowNumbers({ extents, outputs }: LoopKernel): { readonly buffers: ReadonlySet<number>; readonly width: number } {
  const buffers = new Set<number>();
  const values = outputs.map(({ value }) => value);
  forEachExpr(values, (gather) => {
    if (gather.kind !== "gather") return;
    const indices = gather.terms.map(({ index }) => index);
    forEachExpr(indices, (expr) => {
      if (expr.kind === "load" && expr.at.strides.at(-1) === 1) buffers.add(expr.buffer);
    });
  });
  return { buffers, width: extents.at(-1)! };
}

/** Elements of each buffer. */
function bufferSizes(kernel: ProvenKernel): readonly number[] {
  const reach = (terms: readonly (readonly [extent: number, stride: number])[]): number =>
    terms.reduce((sum, [extent, stride]) => sum + (extent - 1) * stride, 1);
  const pixels = ({ batch, height, width }: ConvKernel | FilterGradKernel, which: ConvKernel["input"]): number =>
    which.offset + reach([[batch, which.image], [height, which.row], [width, which.pixel]]); // biome-ignore format: a walk
  const window = ({ rows, columns, run, tapRow }: ConvKernel | FilterGradKernel): number =>
    reach([
      [rows, tapRow],
      [columns?.count ?? 1, columns?.step ?? 0],
      [run, 1],
    ]) - 1;
  const tiles = (
    { images, tileRows, tileColumns }: { images: number; tileRows: number; tileColumns: number },
    side: number,
    channels: number,
    at: TileStrides,
  ): number =>
    reach([
      [images, at.image],
      [tileRows, at.tileRow],
      [tileColumns, at.tileColumn],
      [side, at.row],
      [side, at.column],
      [channels, 1],
    ]);
  switch (kernel.kind) {
    case "loop": {
      const elements: number[] = [];
      const note = (buffer: number, { offset, strides }: Affine): void => {
        // Guards keep out what lies before a buffer.
        const last = offset + reach(strides.map((stride, loop) => [kernel.extents[loop]!, Math.max(0, stride)]));
        elements[buffer] = Math.max(elements[buffer] ?? 1, last);
      };
      for (const { buffer, at, value } of kernel.outputs) {
        note(buffer, at);
        forEachExpr([value], (expr) => {
          if (expr.kind === "load") note(expr.buffer, expr.at);
          // Of bytes that is more than there are.
          if (expr.kind === "gather") {
            const reached = expr.terms.reduce((sum, { stride, extent }) => sum + stride * (extent - 1), 0);
            note(expr.buffer, { ...expr.at, offset: expr.at.offset + reached });
          }
        });
      }
      return Array.from(elements, (size) => size ?? 1);
    }
    case "random":
      return [2, 1, kernel.count];
    case "conv": {
      const count = kernel.groups?.count ?? 1;
      const filter = Math.ceil(kernel.channels / kernel.block) * kernel.block * windowSize(kernel);
      const group = (stride: number | undefined): number => (count - 1) * (stride ?? 0);
      return [
        pixels(kernel, kernel.input) + window(kernel) + group(kernel.groups?.input),
        filter + group(kernel.groups?.filter),
        pixels(kernel, kernel.output) + kernel.channels - 1 + group(kernel.groups?.output),
      ];
    }
    case "filter-grad": {
      const { groups, chunks, channels } = kernel;
      const group = (stride: number | undefined): number => ((groups?.count ?? 1) - 1) * (stride ?? 0);
      return [
        pixels(kernel, kernel.input) + window(kernel) + group(groups?.input),
        pixels(kernel, kernel.cotangent) + channels - 1 + group(groups?.cotangent),
        chunks * (groups?.count ?? 1) * windowSize(kernel) * channels,
      ];
    }
    case "planar-conv":
    case "planar-filter-grad": {
      const { batch, channels, inputs, height, width, rows, columns } = kernel;
      const filter = inputs * rows * columns * channels;
      const [image, result] = [batch * inputs * (height + rows - 1) * (width + columns - 1), batch * channels * height * width];
      return kernel.kind === "planar-conv" ? [image, filter, result] : [image, result, kernel.chunks * filter];
    }
    case "tile-transform":
      return [tiles(kernel, kernel.map.inputs, kernel.channels, kernel.input), tiles(kernel, kernel.map.outputs, kernel.channels, kernel.output)];
    case "winograd-conv":
      return [
        tiles(kernel, kernel.before.inputs, kernel.inputs, kernel.input),
        kernel.before.outputs ** 2 * kernel.filterPosition,
        tiles(kernel, kernel.after.outputs, kernel.outputs, kernel.output),
      ];
    case "winograd-filter-grad":
      return [
        tiles(kernel, kernel.before.inputs, kernel.inputs, kernel.input),
        tiles(kernel, kernel.beforeCotangent.inputs, kernel.outputs, kernel.cotangent),
        kernel.chunks * kernel.before.outputs ** 2 * kernel.inputs * kernel.outputs,
      ];
  }
}

/** A convolution of dense images, or its filter's gradient, with what decides how it is computed. */
interface WindowShape {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly inputs: number;
  readonly channels: number;
  readonly window?: number;
  readonly stride?: number;
  readonly block?: 4 | 8 | 12 | 16;
  readonly chunks?: number;
  readonly groups?: number;
  /** Columns of a window lie so many elements further apart than they need. */
  readonly apart?: number;
}

function windowsOf({ batch, height, width, inputs, channels, window = 1, stride = 1, groups = 1, apart = 0 }: WindowShape) {
  const [pixel, outPixel] = [groups * inputs + apart, groups * channels];
  const [paddedHeight, paddedWidth] = [(height - 1) * stride + window, (width - 1) * stride + window];
  const isRun = window === 1 || pixel === inputs;
  return {
    ...{ batch, height, width, channels, rows: window, run: isRun ? window * inputs : inputs, tapRow: paddedWidth * pixel },
    ...(isRun ? {} : { columns: { count: window, step: pixel } }),
    input: { offset: 0, image: paddedHeight * paddedWidth * pixel, row: stride * paddedWidth * pixel, pixel: stride * pixel },
    output: { offset: 0, image: height * width * outPixel, row: width * outPixel, pixel: outPixel },
  };
}

export function convKernel(shape: WindowShape): ConvKernel {
  const { block = 16, groups = 1, inputs, channels } = shape;
  const windows = windowsOf(shape);
  const filter = Math.ceil(channels / block) * block * windowSize(windows);
  return { kind: "conv", ...windows, block, ...(groups > 1 ? { groups: { count: groups, input: inputs, filter, output: channels } } : {}) };
}

export function filterGradKernel(shape: WindowShape): FilterGradKernel {
  const { chunks = 1, groups = 1, inputs, channels } = shape;
  const { output, ...windows } = windowsOf(shape);
  return {
    kind: "filter-grad",
    ...windows,
    cotangent: output,
    chunks,
    ...(groups > 1 ? { groups: { count: groups, input: inputs, cotangent: channels } } : {}),
  };
}

/** Winograd's kernels of so many images of tiles, from these to those channels. */
export function winogradKernels(images: number, tileRows: number, tileColumns: number, inputs: number, outputs: number, block: 4 | 8 | 16, chunks: number) {
  const dense = (height: number, width: number, channels: number): TileStrides => ({
    image: height * width * channels,
    tileRow: STEP * width * channels,
    tileColumn: STEP * channels,
    row: width * channels,
    column: channels,
  });
  const tiling = { images, tileRows, tileColumns, inputs, outputs };
  const input = dense(STEP * tileRows + 2, STEP * tileColumns + 2, inputs);
  const output = dense(STEP * tileRows, STEP * tileColumns, outputs);
  const transform = (map: LinearMap, channels: number): PlannedKernel => {
    const position = images * tileRows * tileColumns * channels + SKEW;
    const rowOf = tileColumns * channels;
    return {
      kind: "tile-transform",
      map,
      ...{ images, tileRows, tileColumns, channels },
      input: dense(map.inputs * tileRows, map.inputs * tileColumns, channels),
      output: { image: tileRows * rowOf, tileRow: rowOf, tileColumn: channels, row: map.outputs * position, column: position },
    };
  };
  return [
    { kind: "winograd-conv", before: BT, after: AT, ...tiling, block, input, output, filterPosition: inputs * outputs + SKEW },
    { kind: "winograd-filter-grad", before: BT, beforeCotangent: transposed(AT), ...tiling, input, cotangent: output, chunks },
    transform(BT, inputs),
    transform(AT, outputs),
    transform(G, inputs),
    transform(transposed(G), outputs),
    transform(transposed(AT), inputs),
  ] satisfies PlannedKernel[];
}

/** A kernel of every class: every width of registers and rest of one, windows whole and apart, groups, long sums, overlapping tiles and runs. */
export const PROOF_KERNELS: readonly (PlannedKernel | RandomKernel)[] = [
  ...([4, 8, 12, 16] as const).flatMap((block) =>
    [block, block - 1, block + 3].map((channels) => convKernel({ batch: 2, height: 5, width: 7, inputs: 5, channels, window: 3, block })),
  ),
  convKernel({ batch: 3, height: 8, width: 32, inputs: 16, channels: 48, window: 3, stride: 2 }),
  convKernel({ batch: 2, height: 6, width: 6, inputs: 8, channels: 20, window: 3, groups: 3, block: 8 }),
  convKernel({ batch: 2, height: 4, width: 4, inputs: 8, channels: 16, window: 3, apart: 3 }),
  convKernel({ batch: 1, height: 1, width: 33, inputs: 512, channels: 10, block: 12 }),
  convKernel({ batch: 1, height: 1, width: 7, inputs: 9001, channels: 16 }),
  ...[1, 2, 3, 4, 5, 6, 7, 8, 11, 16, 23, 64].map((channels) =>
    filterGradKernel({ batch: 4, height: 6, width: 10, inputs: 7, channels, window: 3, chunks: 2 }),
  ),
  filterGradKernel({ batch: 2, height: 32, width: 32, inputs: 16, channels: 16, window: 3, stride: 2 }),
  filterGradKernel({ batch: 2, height: 6, width: 6, inputs: 8, channels: 20, window: 3, groups: 3 }),
  filterGradKernel({ batch: 2, height: 4, width: 4, inputs: 8, channels: 16, window: 3, apart: 3 }),
  filterGradKernel({ batch: 1, height: 1, width: 128, inputs: 37, channels: 1024 }),
  // More passes than are added up in one go.
  filterGradKernel({ batch: 1, height: 1, width: 131_100, inputs: 3, channels: 4 }),
  ...winogradKernels(3, 3, 2, 24, 16, 16, 3),
  ...winogradKernels(2, 4, 8, 64, 64, 16, 4),
  ...winogradKernels(5, 2, 1, 128, 40, 8, 5),
  ...winogradKernels(1, 1, 1, 4, 4, 4, 1),
  { kind: "planar-conv", batch: 2, channels: 4, inputs: 3, height: 5, width: 32, rows: 3, columns: 3 },
  { kind: "planar-conv", batch: 2, channels: 3, inputs: 4, height: 5, width: 28, rows: 3, columns: 3 },
  { kind: "planar-conv", batch: 1, channels: 1, inputs: 2, height: 3, width: 60, rows: 5, columns: 1 },
  ...[1, 2, 3, 4].map((channels): PlannedKernel => {
    return { kind: "planar-filter-grad", batch: 4, channels, inputs: 3, height: 5, width: 28, rows: 3, columns: 3, chunks: 2 };
  }),
  ...[32, 96, 8192, 25_600].map((count) => ({ kind: "random", count }) as const),
];
