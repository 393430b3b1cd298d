/** @file The Wasm device's memory: one linear memory, handed out in aligned blocks, first fit, merging freed neighbours. */
import { OutOfMemoryError, UnsupportedError } from "../../base/errors.ts";

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
  readonly initialPages: number;
  /** What the memory may grow to: what was asked for, or less where an engine does not reserve so much. */
  readonly maximumPages: number;
  readonly shared: boolean;
  /** Free blocks by address. */
  #free: { address: number; size: number }[] = [];
  #live = 0;
  #peak = 0;

  /** `most` bytes, in whole pages of 64 KiB; 4 GiB is as far as 32-bit addresses reach. */
  constructor(shared: boolean, most = 2 ** 32) {
    this.shared = shared;
    const pages = Math.floor(most / PAGE);
    this.initialPages = Math.min(64, pages);
    [this.memory, this.maximumPages] = reserve(this.initialPages, pages, shared);
    // Address 0 stays unused, so that a forgotten address shows.
    this.#free.push({ address: ALIGNMENT, size: this.initialPages * PAGE - ALIGNMENT });
  }

  get liveBytes(): number {
    return this.#live;
  }
  get peakBytes(): number {
    return this.#peak;
  }

  /** @throws OutOfMemoryError, with everything as it was. */
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

  /** A block for each size, or none at all. */
  allocateAll(sizes: readonly number[]): Block[] {
    const blocks: Block[] = [];
    try {
      for (const bytes of sizes) blocks.push(this.allocate(bytes));
      return blocks;
    } catch (error) {
      for (const block of blocks) this.release(block);
      throw error;
    }
  }

  /** A block of another size instead of one whose contents are not needed any more; that stays taken if there is none. */
  exchange(old: Block, bytes: number): Block {
    const free = this.#free.map((block) => ({ ...block }));
    this.release(old);
    try {
      return this.allocate(bytes);
    } catch (error) {
      this.#free = free;
      this.#live += old.size;
      throw error;
    }
  }

  release({ address, size }: Block): void {
    this.#live -= size;
    const at = this.#free.findIndex((free) => free.address > address);
    const place = at < 0 ? this.#free.length : at;
    this.#free.splice(place, 0, { address, size });
    this.#mergeAround(place);
  }

  #grow(size: number): void {
    const start = this.memory.buffer.byteLength;
    const last = this.#free.at(-1);
    const spare = last && last.address + last.size === start ? last.size : 0;
    const pages = Math.ceil((size - spare) / PAGE);
    try {
      this.memory.grow(pages);
    } catch (cause) {
      const [total, most] = [(start + pages * PAGE) / 2 ** 20, this.maximumPages / 16].map((mebibytes) => mebibytes.toFixed(0));
      throw new OutOfMemoryError(`wasm: out of memory, needed ${total} MiB of at most ${most} MiB; use a smaller batch size or width, or dispose of tensors`, {
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
