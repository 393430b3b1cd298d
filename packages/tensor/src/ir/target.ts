/** @file What the passes need to know of the machine that a program is compiled for. Kernels mean the same everywhere; how finely work
 * is cut and where values lie is the target's choice. */

export interface Target {
  /** Values start at multiples of this many bytes … */
  readonly alignment: number;
  /** … and at least this many apart. */
  readonly gap: number;
  /** Intermediate values lie in regions of this many bytes; none crosses a border. */
  readonly regionBytes: number;
  /** Pixels of a filter gradient's chunk, at least: every chunk costs a copy of the filter. */
  readonly chunkPixels: number;
  /** Reductions to fewer results than this are split into parts … */
  readonly enoughResults: number;
  /** … of at least this many elements … */
  readonly partElements: number;
  /** … and at most this many parts. */
  readonly mostParts: number;
  /** Registers hold eight elements, so that filters are best packed in blocks of sixteen channels. */
  readonly wide: boolean;
  /** Convolutions of few channels are done on planar images, whose neighbouring pixels fill vector lanes. */
  readonly planar: boolean;
  /** Large 3 × 3 convolutions are Winograd's: fewer multiplications, of numbers that float16 would not hold. */
  readonly winograd: boolean;
  /** Winograd's convolutions with transformed filters of at most this many bytes are one kernel each, whose tiles stay in a cache. */
  readonly fusedFilterBytes: number;
  /** The same of their filter gradients, of which there are several copies to sum. */
  readonly fusedFilterGradBytes: number;
  /** Values scattered by one thread are summed in memory, which long sums need in float64. */
  readonly wideScatter: boolean;
  /** Loops that read across the order in which they write are arranged for caches and vector lanes. */
  readonly crossing: boolean;
  /** Kernels that make large values of the same images one after another are done for a few images at a time, which stay in a core's caches. */
  readonly chains: boolean;
  /** Large intermediate values are stored in float16. */
  readonly half: boolean;
  /** What sums are split into does not depend on how many there are, so that an example's are the same in every batch. */
  readonly batchInvariant: boolean;
  /** Buffers of a merged kernel, at most. */
  readonly mostBuffers: number;
}

/** A few CPU threads: a cache line apart, so that equal strides of neighbours fall into different cache sets. A filter gradient's
 * speed is flat from chunks of 1024 pixels to 8192 and falls beyond. */
export const CPU: Target = {
  alignment: 64,
  gap: 64,
  regionBytes: Number.POSITIVE_INFINITY,
  chunkPixels: 4096,
  enoughResults: 2048,
  partElements: 8192,
  mostParts: 64,
  wide: false,
  planar: true,
  winograd: true,
  fusedFilterBytes: 10 * 2 ** 20,
  fusedFilterGradBytes: 2 ** 20,
  wideScatter: true,
  crossing: true,
  chains: true,
  half: false,
  batchInvariant: false,
  mostBuffers: 12,
};

/** The same where the engine joins neighbouring 128-bit operations to 256-bit ones. */
export const WIDE_CPU: Target = { ...CPU, wide: true };

/** A GPU: thousands of invocations, and buffers bound at multiples of 256 bytes. */
export const GPU: Target = {
  alignment: 256,
  gap: 0,
  regionBytes: Number.POSITIVE_INFINITY,
  chunkPixels: 2048,
  enoughResults: 2048,
  partElements: 8192,
  mostParts: 256,
  wide: false,
  planar: false,
  winograd: true,
  fusedFilterBytes: 0,
  fusedFilterGradBytes: 0,
  wideScatter: false,
  crossing: false,
  chains: false,
  half: false,
  batchInvariant: false,
  mostBuffers: 8,
};
