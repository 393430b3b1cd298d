/** @file The GPU's memory: a few large buffers, handed out in aligned blocks, first fit, merging freed neighbours. A block freed while
 * earlier work is still queued may be handed out at once: the queue runs in order. */

export interface GpuBlock {
  readonly buffer: GPUBuffer;
  /** Number of the buffer, for comparing places quickly. */
  readonly id: number;
  readonly offset: number;
  readonly size: number;
}

interface Chunk {
  readonly buffer: GPUBuffer;
  readonly id: number;
  readonly size: number;
  /** Free blocks by offset. */
  readonly free: { offset: number; size: number }[];
}

/** Blocks start at multiples of this many bytes, as bindings must. */
const GPU_ALIGNMENT = 256;

/** Bytes of a buffer, unless more is needed or the adapter allows less. */
const CHUNK_BYTES = 64 << 20;

export class BufferHeap {
  readonly #create: (bytes: number) => GPUBuffer;
  readonly #chunks: Chunk[] = [];
  readonly #most: number;
  #nextId = 0;
  #live = 0;
  #peak = 0;

  /** `create` makes a buffer of a given size; none is larger than `most` bytes. */
  constructor(create: (bytes: number) => GPUBuffer, most: number) {
    this.#create = create;
    this.#most = most;
  }

  get liveBytes(): number {
    return this.#live;
  }
  get peakBytes(): number {
    return this.#peak;
  }

  allocate(bytes: number): GpuBlock {
    const size = Math.max(GPU_ALIGNMENT, Math.ceil(bytes / GPU_ALIGNMENT) * GPU_ALIGNMENT);
    for (const chunk of this.#chunks) {
      const block = chunk.free.find((free) => free.size >= size);
      if (block) return this.#take(chunk, block, size);
    }
    const wanted = Math.max(size, Math.min(CHUNK_BYTES, this.#most));
    const chunk: Chunk = { buffer: this.#create(wanted), id: this.#nextId++, size: wanted, free: [{ offset: 0, size: wanted }] };
    this.#chunks.push(chunk);
    return this.#take(chunk, chunk.free[0]!, size);
  }

  release({ id, offset, size }: GpuBlock): void {
    this.#live -= size;
    const chunk = this.#chunks.find((candidate) => candidate.id === id)!;
    const { free } = chunk;
    const at = free.findIndex((block) => block.offset > offset);
    const place = at < 0 ? free.length : at;
    free.splice(place, 0, { offset, size });
    for (const i of [place, place - 1]) {
      const [left, right] = [free[i], free[i + 1]];
      if (left && right && left.offset + left.size === right.offset) {
        left.size += right.size;
        free.splice(i + 1, 1);
      }
    }
    // A buffer made for one large value goes with it.
    if (free[0]?.size === chunk.size && chunk.size > CHUNK_BYTES) {
      this.#chunks.splice(this.#chunks.indexOf(chunk), 1);
      chunk.buffer.destroy();
    }
  }

  destroy(): void {
    for (const { buffer } of this.#chunks) buffer.destroy();
    this.#chunks.length = 0;
  }

  #take(chunk: Chunk, block: { offset: number; size: number }, size: number): GpuBlock {
    const { offset } = block;
    block.offset += size;
    block.size -= size;
    if (block.size === 0) chunk.free.splice(chunk.free.indexOf(block), 1);
    this.#live += size;
    this.#peak = Math.max(this.#peak, this.#live);
    return { buffer: chunk.buffer, id: chunk.id, offset, size };
  }
}
