/** @file Choosing tiles of contractions by measurement: a few promising ones are timed for each shape, and the fastest is kept. Those for tensor
 * cores count only where their results agree with a plain kernel's. */
import { type AnyTile, type Factor, generateKernel, isMatrixTile, type MatrixUnit, matrixTilesOf, tilesOf } from "../../codegen/webgpu/program.ts";
import type { ConvKernel, FilterGradKernel, Kernel } from "../../ir/kernel.ts";
import { agree, fillOperands, readResult, type StoredKernel } from "./proof.ts";
import { Timestamps } from "./timestamps.ts";

/** Where measurements are kept between runs, as text. */
export interface TuningStore {
  load(): Promise<string | null>;
  save(text: string): Promise<void>;
}

/** Tiles that are timed for each shape. */
const CANDIDATES = 4;
/** The same for tensor cores. */
const MATRIX_CANDIDATES = 3;
/** Timed runs of each, after one that is not. */
const ROUNDS = 3;

/** Contractions with equal keys run at equal speed. */
export function shapeKey({ kernel, half }: Pick<StoredKernel, "kernel" | "half">): string | null {
  if (kernel.kind !== "conv" && kernel.kind !== "filter-grad") return null;
  const { kind, batch, height, width, channels, rows, run, columns, groups } = kernel;
  const split = [groups?.count ?? 1, ...(kind === "conv" ? [] : [kernel.chunks])];
  const stored = half.includes(true) ? [half.map((each) => (each ? "h" : "f")).join("")] : [];
  return [kind, batch, height, width, channels, rows, columns?.count ?? 1, run, ...split, ...stored].join(" ");
}

/** How contractions are multiplied, and with what. */
export interface Arithmetic {
  readonly factor: Factor;
  /** Tensor cores that may be used; null where there are none, or nobody wants them. */
  readonly unit: MatrixUnit | null;
  /** Tensor cores are used wherever they compute correctly, faster or not. */
  readonly always: boolean;
}

/** What a store holds: chosen tiles by GPU and arithmetic, and by shape. */
interface Stored {
  readonly gpus: Readonly<Record<string, Readonly<Record<string, AnyTile>>>>;
}

export class Tuning {
  /** Chosen tiles by shape. */
  readonly #tiles = new Map<string, AnyTile>();
  readonly #unknown = new Map<string, StoredKernel<ConvKernel | FilterGradKernel>>();
  readonly #store: TuningStore | undefined;
  /** Choices hold for one GPU and one arithmetic. */
  readonly #gpu: string;
  /** The store's choices for others. */
  #others: Stored["gpus"] = {};

  readonly #arithmetic: Arithmetic;

  private constructor(gpu: string, arithmetic: Arithmetic, store: TuningStore | undefined) {
    const { factor, unit, always } = arithmetic;
    this.#gpu = `${gpu}, ${factor}${unit ? `, ${always ? "only " : ""}tensor cores` : ""}`;
    this.#arithmetic = arithmetic;
    this.#store = store;
  }

  /** Starts with what is stored for this GPU; damaged or foreign stores count as empty. */
  static async open(gpu: string, arithmetic: Arithmetic, store: TuningStore | undefined): Promise<Tuning> {
    const tuning = new Tuning(gpu, arithmetic, store);
    try {
      const { gpus } = JSON.parse((await store?.load()) ?? '{"gpus":{}}') as Stored;
      for (const [key, tile] of Object.entries(gpus[tuning.#gpu] ?? {})) tuning.#tiles.set(key, tile);
      tuning.#others = gpus;
    } catch {
      // Measured again.
    }
    return tuning;
  }

  /** The tile measured for a kernel; notes the kernel if there is none. */
  tileFor(stored: StoredKernel): AnyTile | undefined {
    const key = shapeKey(stored);
    if (key === null) return undefined;
    const known = this.#tiles.get(key);
    if (!known) this.#unknown.set(key, stored as StoredKernel<ConvKernel | FilterGradKernel>);
    // A stored tile that the generator no longer has is not used.
    return known && this.#allTiles(stored.kernel).find((tile) => JSON.stringify(tile) === JSON.stringify(known));
  }

  /** Plain tiles first. */
  #allTiles(kernel: Kernel): AnyTile[] {
    const { unit } = this.#arithmetic;
    return [...tilesOf(kernel), ...(unit ? matrixTilesOf(kernel, unit) : [])];
  }

  /** Measures the shapes noted since the last time; tells whether any choice changed. */
  async measure(device: GPUDevice, scratch: (bytes: number) => GPUBuffer): Promise<boolean> {
    const noted = [...this.#unknown];
    this.#unknown.clear();
    let changed = false;
    for (const [key, stored] of noted) {
      const { kernel, bytes } = stored;
      const plain = tilesOf(kernel).slice(0, CANDIDATES);
      const buffers = bytes.map((size) => scratch(Math.max(16, Math.ceil(size / 16) * 16)));
      const proven = await this.#proven(device, stored, plain[0]!, buffers);
      const candidates = this.#arithmetic.always && proven.length > 0 ? proven : [...plain, ...proven];
      let best = { tile: candidates[0]!, ms: Number.POSITIVE_INFINITY };
      for (const tile of candidates) {
        const ms = await this.#time(device, stored, tile, buffers);
        if (ms < best.ms) best = { tile, ms };
      }
      for (const buffer of buffers) buffer.destroy();
      this.#tiles.set(key, best.tile);
      changed ||= best.tile !== plain[0] || this.#arithmetic.always;
    }
    if (noted.length > 0) {
      const stored: Stored = { gpus: { ...this.#others, [this.#gpu]: Object.fromEntries(this.#tiles) } };
      await this.#store?.save(JSON.stringify(stored));
    }
    return changed;
  }

  /** The tiles for tensor cores whose results agree with a plain tile's. */
  async #proven(device: GPUDevice, stored: StoredKernel, plain: AnyTile, buffers: readonly GPUBuffer[]): Promise<AnyTile[]> {
    const { unit } = this.#arithmetic;
    const proven: AnyTile[] = [];
    if (!unit) return proven;
    fillOperands(device.queue, stored, buffers);
    const resultOf = async (tile: AnyTile): Promise<Float32Array> => {
      const dispatch = await this.#prepare(device, stored, tile, buffers);
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      dispatch(pass);
      pass.end();
      device.queue.submit([encoder.finish()]);
      return readResult(device, stored, buffers);
    };
    const expected = await resultOf(plain);
    for (const tile of matrixTilesOf(stored.kernel, unit).slice(0, MATRIX_CANDIDATES)) {
      // A shader that the driver does not take is not used either.
      const actual = await resultOf(tile).catch(() => null);
      if (actual && agree(actual, expected)) proven.push(tile);
    }
    return proven;
  }

  /** The fastest of a few runs, in milliseconds. */
  async #time(device: GPUDevice, stored: StoredKernel, tile: AnyTile, buffers: readonly GPUBuffer[]): Promise<number> {
    const dispatch = await this.#prepare(device, stored, tile, buffers);
    const timestamps = new Timestamps(device, 1 + ROUNDS);
    const encoder = device.createCommandEncoder();
    for (let round = 0; round <= ROUNDS; round++) {
      const pass = encoder.beginComputePass({ timestampWrites: timestamps.writes(round) });
      dispatch(pass);
      pass.end();
    }
    timestamps.resolve(encoder);
    device.queue.submit([encoder.finish()]);
    return Math.min(...(await timestamps.read()).slice(1));
  }

  /** Compiles a kernel over buffers; what it returns encodes it. Rejects where it does not compile. */
  async #prepare(
    device: GPUDevice,
    { kernel, half }: StoredKernel,
    tile: AnyTile,
    buffers: readonly GPUBuffer[],
  ): Promise<(pass: GPUComputePassEncoder) => void> {
    const { wgsl, workgroups } = generateKernel(
      kernel,
      buffers.map((_, binding) => ({ binding, word: 0, half: half[binding] })),
      { tile, factor: this.#arithmetic.factor },
    );
    const compile = (): Promise<GPUComputePipeline> =>
      device.createComputePipelineAsync({ layout: "auto", compute: { module: device.createShaderModule({ code: wgsl }), entryPoint: "main" } });
    // What is wrong with an experimental shader is no failure of the device.
    if (isMatrixTile(tile)) device.pushErrorScope("validation");
    const compiling = compile();
    const scope = isMatrixTile(tile) ? device.popErrorScope() : null;
    const pipeline = await compiling;
    await scope;
    const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
    const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
    return (pass) => {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(...workgroups);
    };
  }
}
