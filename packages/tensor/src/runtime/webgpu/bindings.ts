/** @file Which of a kernel's buffers share a binding: those in one place, and where the adapter has too few bindings, neighbours. */
import { invariant } from "../../base/errors.ts";
import type { BufferBinding } from "../../codegen/webgpu/program.ts";
import type { Place } from "../../passes/plan-memory.ts";

/** Numbers for names, in order of appearance. */
export function numbered(names: readonly string[]): number[] {
  const numbers = new Map<string, number>();
  return names.map((name) => {
    const number = numbers.get(name) ?? numbers.size;
    numbers.set(name, number);
    return number;
  });
}

/** A way of sharing bindings, as a key. */
export function patternOf(bindings: readonly BufferBinding[]): string {
  return bindings.map(({ binding, word }) => `${binding}+${word}`).join();
}

/** The name of the place where a buffer will probably be. */
export function expectedPlace(place: Place, reused: readonly number[], constants: readonly unknown[]): string {
  switch (place.kind) {
    case "arena":
    case "local":
      return `${place.kind} ${place.offset}`;
    case "constant":
      return `constant ${constants.indexOf(place.node)}`;
    case "input":
      return `input ${place.index}`;
    case "output":
      return reused[place.index]! >= 0 ? `input ${reused[place.index]}` : `output ${place.index}`;
  }
}

/** Shares bindings between buffers that lie near one another, until there are `most` bindings. */
export function joinNeighbours(blocks: readonly { readonly id: number; readonly offset: number; readonly bytes: number }[], most: number): BufferBinding[] {
  const spans = [...new Map(blocks.map(({ id, offset, bytes }) => [`${id}:${offset}`, { id, start: offset, end: offset + bytes }])).values()];
  spans.sort((a, b) => a.id - b.id || a.start - b.start);
  while (spans.length > most) {
    const widths = spans.slice(1).map((next, i) => (next.id === spans[i]!.id ? next.end - spans[i]!.start : Number.POSITIVE_INFINITY));
    const at = widths.indexOf(Math.min(...widths));
    invariant(widths[at] !== Number.POSITIVE_INFINITY, `a kernel needs ${spans.length} bindings, the adapter has ${most}`);
    const next = spans.splice(at + 1, 1)[0]!;
    spans[at] = { ...spans[at]!, end: Math.max(spans[at]!.end, next.end) };
  }
  return blocks.map(({ id, offset }) => {
    const binding = spans.findIndex((span) => span.id === id && span.start <= offset && offset < span.end);
    return { binding, word: (offset - spans[binding]!.start) / 4 };
  });
}

/** The part of a GPU buffer that each binding covers. */
export function rangesOf(
  bindings: readonly BufferBinding[],
  blocks: readonly { readonly buffer: GPUBuffer; readonly offset: number; readonly bytes: number }[],
): { buffer: GPUBuffer; offset: number; size: number }[] {
  const ranges: { buffer: GPUBuffer; offset: number; size: number }[] = [];
  bindings.forEach(({ binding, word }, i) => {
    const { buffer, offset, bytes } = blocks[i]!;
    const size = Math.max(ranges[binding]?.size ?? 0, 4 * word + bytes);
    ranges[binding] = { buffer, offset: offset - 4 * word, size };
  });
  return ranges;
}
