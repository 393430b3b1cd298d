/** @file Timing passes on the GPU itself with timestamp queries. */

/** Queries of a set, the most WebGPU allows. */
const SET = 4096;
const USAGE = { queryResolve: 512, copySource: 4, copyTarget: 8, mapRead: 1 } as const;
const MAP_READ = 1;

/** Two queries for each of a number of passes. */
export class Timestamps {
  readonly #sets: readonly GPUQuerySet[];
  readonly #resolved: GPUBuffer;
  readonly #staging: GPUBuffer;
  readonly #passes: number;

  constructor(device: GPUDevice, passes: number) {
    this.#passes = passes;
    this.#sets = Array.from({ length: Math.ceil((2 * passes) / SET) }, () => device.createQuerySet({ type: "timestamp", count: SET }));
    const size = 8 * SET * this.#sets.length;
    this.#resolved = device.createBuffer({ size, usage: USAGE.queryResolve | USAGE.copySource });
    this.#staging = device.createBuffer({ size, usage: USAGE.copyTarget | USAGE.mapRead });
  }

  /** For the descriptor of pass number `pass`. */
  writes(pass: number): GPUComputePassTimestampWrites {
    const first = (2 * pass) % SET;
    return { querySet: this.#sets[Math.floor((2 * pass) / SET)]!, beginningOfPassWriteIndex: first, endOfPassWriteIndex: first + 1 };
  }

  /** To be encoded after the last pass. */
  resolve(encoder: GPUCommandEncoder): void {
    this.#sets.forEach((set, i) => {
      encoder.resolveQuerySet(set, 0, SET, this.#resolved, 8 * SET * i);
    });
    encoder.copyBufferToBuffer(this.#resolved, 0, this.#staging, 0, this.#staging.size);
  }

  /** Milliseconds of each pass, once the encoded work is done. Frees the queries. */
  async read(): Promise<number[]> {
    await this.#staging.mapAsync(MAP_READ);
    const ticks = new BigUint64Array(this.#staging.getMappedRange());
    const times = Array.from({ length: this.#passes }, (_, pass) => Number(ticks[2 * pass + 1]! - ticks[2 * pass]!) / 1e6);
    this.#staging.destroy();
    this.#resolved.destroy();
    for (const set of this.#sets) set.destroy();
    return times;
  }
}
