/** @file Choosing tiles of contractions by measurement: a few promising ones are timed for each shape, and the fastest is kept. */
import { type Factor, generateKernel, type Tile, tilesOf } from "../codegen/webgpu/program.ts";
import type { ConvKernel, FilterGradKernel, Kernel } from "../ir/kernel.ts";
import { Timestamps } from "./webgpu-timestamps.ts";

/** Where measurements are kept between runs, as text. */
export interface TuningStore {
  load(): Promise<string | null>;
  save(text: string): Promise<void>;
}

/** Tiles that are timed for each shape. */
const CANDIDATES = 4;
/** Timed runs of each, after one that is not. */
const ROUNDS = 3;

/** A kernel and how its buffers are stored. */
export interface StoredKernel<K extends Kernel = Kernel> {
  readonly kernel: K;
  /** Size of each buffer. */
  readonly bytes: readonly number[];
  /** Which buffers are float16. */
  readonly half: readonly boolean[];
}

/** Contractions with equal keys run at equal speed. */
export function shapeKey({ kernel, half }: Pick<StoredKernel, "kernel" | "half">): string | null {
  if (kernel.kind !== "conv" && kernel.kind !== "filter-grad") return null;
  const { kind, batch, height, width, channels, rows, run } = kernel;
  const split = kind === "conv" ? Number(kernel.filterImage !== 0) : kernel.chunks;
  const stored = half.includes(true) ? [half.map((each) => (each ? "h" : "f")).join("")] : [];
  return [kind, batch, height, width, channels, rows, run, split, ...stored].join(" ");
}

export class Tuning {
  /** Chosen tiles by shape. */
  readonly #tiles = new Map<string, Tile>();
  readonly #unknown = new Map<string, StoredKernel<ConvKernel | FilterGradKernel>>();
  readonly #store: TuningStore | undefined;
  /** Choices hold for one GPU only. */
  readonly #gpu: string;

  readonly #factor: Factor;

  private constructor(gpu: string, factor: Factor, store: TuningStore | undefined) {
    this.#gpu = `${gpu}, ${factor}`;
    this.#factor = factor;
    this.#store = store;
  }

  /** Starts with what is stored for this GPU; damaged or foreign stores count as empty. */
  static async open(gpu: string, factor: Factor, store: TuningStore | undefined): Promise<Tuning> {
    const tuning = new Tuning(gpu, factor, store);
    try {
      const stored = JSON.parse((await store?.load()) ?? "null") as { gpu: string; tiles: Record<string, Tile> } | null;
      if (stored?.gpu === tuning.#gpu) for (const [key, tile] of Object.entries(stored.tiles)) tuning.#tiles.set(key, tile);
    } catch {
      // Measured again.
    }
    return tuning;
  }

  /** The tile measured for a kernel; notes the kernel if there is none. */
  tileFor(stored: StoredKernel): Tile | undefined {
    const key = shapeKey(stored);
    if (key === null) return undefined;
    const known = this.#tiles.get(key);
    if (!known) this.#unknown.set(key, stored as StoredKernel<ConvKernel | FilterGradKernel>);
    // A stored tile that the generator no longer has is not used.
    return known && tilesOf(stored.kernel).find((tile) => JSON.stringify(tile) === JSON.stringify(known));
  }

  /** Measures the shapes noted since the last time; tells whether any choice changed. */
  async measure(device: GPUDevice, scratch: (bytes: number) => GPUBuffer): Promise<boolean> {
    const noted = [...this.#unknown];
    this.#unknown.clear();
    let changed = false;
    for (const [key, stored] of noted) {
      const { kernel, bytes } = stored;
      const candidates = tilesOf(kernel).slice(0, CANDIDATES);
      const buffers = bytes.map((size) => scratch(Math.max(16, Math.ceil(size / 16) * 16)));
      let best = { tile: candidates[0]!, ms: Number.POSITIVE_INFINITY };
      for (const tile of candidates) {
        const ms = await this.#time(device, stored, tile, buffers);
        if (ms < best.ms) best = { tile, ms };
      }
      for (const buffer of buffers) buffer.destroy();
      this.#tiles.set(key, best.tile);
      changed ||= best.tile !== candidates[0];
    }
    if (noted.length > 0) await this.#store?.save(JSON.stringify({ gpu: this.#gpu, tiles: Object.fromEntries(this.#tiles) }));
    return changed;
  }

  /** The fastest of a few runs, in milliseconds. */
  async #time(device: GPUDevice, { kernel, half }: StoredKernel, tile: Tile, buffers: readonly GPUBuffer[]): Promise<number> {
    const { wgsl, workgroups } = generateKernel(
      kernel,
      buffers.map((_, binding) => ({ binding, word: 0, half: half[binding] })),
      { tile, factor: this.#factor },
    );
    const module = device.createShaderModule({ code: wgsl });
    const pipeline = await device.createComputePipelineAsync({ layout: "auto", compute: { module, entryPoint: "main" } });
    const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
    const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
    const timestamps = new Timestamps(device, 1 + ROUNDS);
    const encoder = device.createCommandEncoder();
    for (let round = 0; round <= ROUNDS; round++) {
      const pass = encoder.beginComputePass({ timestampWrites: timestamps.writes(round) });
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(...workgroups);
      pass.end();
    }
    timestamps.resolve(encoder);
    device.queue.submit([encoder.finish()]);
    return Math.min(...(await timestamps.read()).slice(1));
  }
}
