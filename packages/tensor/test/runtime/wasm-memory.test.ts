/** @file The allocator of the Wasm device: random sequences of allocations and releases. */
import { expect, test } from "vitest";
import { type Block, LinearMemory } from "../../src/runtime/wasm/memory.ts";
import { Chooser } from "../support/random/known.ts";

test.each([1, 2, 3, 4, 5])("blocks are aligned, disjoint and inside the memory (seed %i)", (seed) => {
  const choose = new Chooser(seed);
  const memory = new LinearMemory(false);
  const live: Block[] = [];
  let total = 0;
  for (let turn = 0; turn < 1000; turn++) {
    if (live.length > 0 && choose.chance(0.48)) {
      const [block] = live.splice(choose.below(live.length), 1);
      memory.release(block!);
      total -= block!.size;
    } else {
      const bytes = choose.chance(0.03) ? choose.below(600_000) : choose.below(5000);
      const block = memory.allocate(bytes);
      expect(block.size).toBeGreaterThanOrEqual(bytes);
      expect(block.size).toBeLessThan(bytes + 128);
      expect(block.address % 64).toBe(0);
      expect(block.address).toBeGreaterThan(0);
      expect(block.address + block.size).toBeLessThanOrEqual(memory.memory.buffer.byteLength);
      const overlapping = live.filter((other) => block.address < other.address + other.size && other.address < block.address + block.size);
      expect(overlapping).toEqual([]);
      live.push(block);
      total += block.size;
    }
    expect(memory.liveBytes).toBe(total);
    expect(memory.peakBytes).toBeGreaterThanOrEqual(total);
  }
  // Once all is released, the space is one block again: as much as there is fits without growing.
  const size = memory.memory.buffer.byteLength;
  for (const block of live) memory.release(block);
  expect(memory.liveBytes).toBe(0);
  memory.allocate(size - 64);
  expect(memory.memory.buffer.byteLength).toBe(size);
});

test("freed space is reused before the memory grows", () => {
  const memory = new LinearMemory(true);
  const first = memory.allocate(1_000_000);
  memory.allocate(64);
  const size = memory.memory.buffer.byteLength;
  for (let i = 0; i < 100; i++) {
    memory.release(memory.allocate(3_000_000));
  }
  expect(memory.memory.buffer.byteLength).toBe(size);
  memory.release(first);
  expect(memory.allocate(999_999).address).toBe(first.address);
});

test("running out of memory says how much was needed", () => {
  const memory = new LinearMemory(false);
  expect(() => memory.allocate(2 ** 33)).toThrow(/wasm: out of memory, needed \d+ MiB of at most 4096 MiB; use a smaller batch size or width/);
  expect(memory.liveBytes).toBe(0);
});

test("where an engine grants less than 4 GiB, the memory's limit and its error are what it grants", () => {
  const { Memory } = WebAssembly;
  const grant = (pages: number): void => {
    WebAssembly.Memory = class extends Memory {
      constructor(descriptor: WebAssembly.MemoryDescriptor) {
        if ((descriptor.maximum as number) > pages) throw new RangeError("could not allocate memory");
        super(descriptor);
      }
    };
  };
  try {
    grant(20_000);
    const memory = new LinearMemory(true);
    expect(memory.maximumPages).toBe(16_384);
    expect(() => memory.allocate(2 ** 30)).toThrow(/needed 10\d\d MiB of at most 1024 MiB/);
    grant(1000);
    expect(() => new LinearMemory(true)).toThrow("does not grant 256 MiB");
  } finally {
    WebAssembly.Memory = Memory;
  }
});
