/** @file The Wasm device's memory: one linear memory, handed out in aligned blocks, first fit, merging freed neighbours. */
import { UnsupportedError } from "../base/errors.ts";

const PAGE = 65536;
const ALIGNMENT = 64;

export interface Block {
  readonly address: number;
  readonly size: number;
}

/** A memory with the largest maximum that the engine grants; telephones grant less than 4 GiB. */
function reserve(initial: number, maximum: number, shared: boolean): [WebAssembly.Memory, number] {
  try {
    return [new WebAssembly.Memory({ initial, maximum, shared }), maximum];
  } catch (cause) {
    if (maximum > 4096) return reserve(initial, maximum / 2, shared);
    throw new UnsupportedError("wasm: the engine does not grant 256 MiB of memory; close other programs or tabs", { cause });
  }
}

export class LinearMemory {
  readonly memory: WebAssembly.Memory;
  readonly initialPages = 64;
  /** What the memory may grow to: 4 GiB, the most that 32-bit addresses reach, or less where an engine does not reserve so much. */
  readonly maximumPages: number;
  readonly shared: boolean;
  /** Free blocks by address. */
  readonly #free: { address: number; size: number }[] = [];
  #live = 0;
  #peak = 0;

  constructor(shared: boolean) {
    this.shared = shared;
    [this.memory, this.maximumPages] = reserve(this.initialPages, 65536, shared);
    // Address 0 stays unused, so that a forgotten address shows.
    this.#free.push({ address: ALIGNMENT, size: this.initialPages * PAGE - ALIGNMENT });
  }

  get liveBytes(): number {
    return this.#live;
  }
  get peakBytes(): number {
    return this.#peak;
  }

  allocate(bytes: number): Block {
    const size = Math.max(ALIGNMENT, Math.ceil(bytes / ALIGNMENT) * ALIGNMENT);
    let block = this.#free.find((free) => free.size >= size);
    if (!block) {
      this.#grow(size);
      block = this.#free.find((free) => free.size >= size)!;
    }
    const address = block.address;
    block.address += size;
    block.size -= size;
    if (block.size === 0) this.#free.splice(this.#free.indexOf(block), 1);
    this.#live += size;
    this.#peak = Math.max(this.#peak, this.#live);
    return { address, size };
  }

  release({ address, size }: Block): void {
    this.#live -= size;
    const at = this.#free.findIndex((free) => free.address > address);
    const place = at < 0 ? this.#free.length : at;
    this.#free.splice(place, 0, { address, size });
    this.#mergeAround(place);
  }

  #grow(size: number): void {
    const pages = Math.ceil(size / PAGE);
    const start = this.memory.buffer.byteLength;
    try {
      this.memory.grow(pages);
    } catch (cause) {
      const total = ((start + pages * PAGE) / 2 ** 20).toFixed(0);
      throw new UnsupportedError(`wasm: out of memory, needed ${total} MiB of at most ${this.maximumPages / 16} MiB; use a smaller batch size or width`, {
        cause,
      });
    }
    this.#free.push({ address: start, size: pages * PAGE });
    this.#mergeAround(this.#free.length - 1);
  }

  #mergeAround(at: number): void {
    for (const i of [at, at - 1]) {
      const [left, right] = [this.#free[i], this.#free[i + 1]];
      if (left && right && left.address + left.size === right.address) {
        left.size += right.size;
        this.#free.splice(i + 1, 1);
      }
    }
  }
}
