/** @file Proof of a kernel against another: both compute the same contraction of numbers whose sums are exact, and their results must agree. */
import type { Kernel } from "../../ir/kernel.ts";

/** A kernel and how its buffers are stored. */
export interface StoredKernel<K extends Kernel = Kernel> {
  readonly kernel: K;
  /** Size of each buffer. */
  readonly bytes: readonly number[];
  /** Which buffers are float16. */
  readonly half: readonly boolean[];
}

/** Numbers of a pattern, a prime, so that a wrong address meets another number. */
const PATTERN = 65521;
/** Relative to the largest result: two units in the last place of float16. */
const TOLERANCE = 2 ** -9;

/** -1 to 1 in steps of a quarter: products and their sums are exact in float32 whatever the order. */
function pattern(seed: number): Float32Array<ArrayBuffer> {
  let state = seed;
  // Twice, so that pairs of float16 fill whole words.
  const once = Float32Array.from({ length: PATTERN }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return ((state >>> 16) % 9) / 4 - 1;
  });
  const twice = new Float32Array(2 * PATTERN);
  twice.set(once);
  twice.set(once, PATTERN);
  return twice;
}

/** Numbers with few digits as float16, exactly. */
function packed(values: Float32Array): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return Uint16Array.from(bits, (word) => (word === 0 ? 0 : ((word >>> 16) & 0x8000) | ((((word >>> 23) & 255) - 112) << 10) | ((word >>> 13) & 1023)));
}

/** The numbers that float16 words stand for. */
function unpacked(words: Uint16Array): Float32Array {
  return Float32Array.from(words, (word) => {
    const [sign, exponent, digits] = [word >> 15 ? -1 : 1, (word >> 10) & 31, word & 1023];
    if (exponent === 31) return digits ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    return sign * (exponent === 0 ? digits * 2 ** -24 : (1024 + digits) * 2 ** (exponent - 25));
  });
}

/** Writes the pattern over a contraction's operands: all buffers but the last. */
export function fillOperands(queue: GPUQueue, { half }: StoredKernel, buffers: readonly GPUBuffer[]): void {
  buffers.slice(0, -1).forEach((buffer, i) => {
    const numbers = pattern(i + 1);
    const data = half[i] ? packed(numbers) : numbers;
    for (let at = 0; at < buffer.size; at += data.byteLength) {
      const bytes = Math.min(data.byteLength, buffer.size - at);
      queue.writeBuffer(buffer, at, data, 0, bytes / data.BYTES_PER_ELEMENT);
    }
  });
}

/** What a kernel left in its last buffer. */
export async function readResult(device: GPUDevice, { bytes, half }: StoredKernel, buffers: readonly GPUBuffer[]): Promise<Float32Array> {
  const size = Math.ceil(bytes.at(-1)! / 4) * 4;
  const staging = device.createBuffer({ size, usage: 1 | 8 });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffers.at(-1)!, 0, staging, 0, size);
  // The next kernel must not find this one's result.
  encoder.clearBuffer(buffers.at(-1)!);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(1);
  const copy = staging.getMappedRange().slice(0, bytes.at(-1)!);
  staging.destroy();
  return half.at(-1) ? unpacked(new Uint16Array(copy)) : new Float32Array(copy);
}

/** Whether results are the same up to the rounding of float16, and not nothing. */
export function agree(actual: Float32Array, expected: Float32Array): boolean {
  let largest = 0;
  for (const value of expected) largest = Math.max(largest, Math.abs(value));
  if (!(largest > 0) || actual.length !== expected.length) return false;
  return expected.every((value, i) => Math.abs(actual[i]! - value) <= TOLERANCE * largest);
}
