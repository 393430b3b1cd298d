/** @file The memory plan: every intermediate value gets an offset in one arena, and values whose lifetimes do not overlap share
 * places. Results go to buffers of their own, or over a donated input that nobody reads any more. */
import { BYTES } from "../base/dtype.ts";
import { sizeOf } from "../base/shape.ts";
import type { Node } from "../ir/graph.ts";
import { type Chain, unitsOf } from "../ir/parts.ts";
import { type Affine, forEachExpr } from "../ir/scalar.ts";
import { CPU, type Target } from "../ir/target.ts";
import type { KernelCall } from "./lower.ts";

/** Where a value is. */
export type Place =
  | { readonly kind: "arena"; readonly offset: number }
  /** In the memory that each thread has of its own, for one part of a chain at a time. */
  | { readonly kind: "local"; readonly offset: number }
  | { readonly kind: "input"; readonly index: number }
  | { readonly kind: "constant"; readonly node: Node }
  | { readonly kind: "output"; readonly index: number };

export interface MemoryPlan {
  readonly places: ReadonlyMap<Node, Place>;
  readonly arenaBytes: number;
  /** Bytes of each thread's own memory. */
  readonly localBytes: number;
  /** Per output: the donated input whose buffer it takes over, or -1. */
  readonly reused: readonly number[];
}

/** Bytes of a value; `half` are the values stored in float16. */
export function byteLength(node: Node, half?: ReadonlySet<Node>): number {
  return sizeOf(node.shape) * (half?.has(node) ? 2 : BYTES[node.dtype]);
}

interface PlanRequest {
  readonly calls: readonly KernelCall[];
  readonly inputs: readonly Node[];
  readonly outputs: readonly Node[];
  readonly donated: readonly boolean[];
  /** Values stored in float16. */
  readonly half?: ReadonlySet<Node>;
  readonly target?: Target;
}

export function planMemory({ calls, inputs, outputs, donated, half = new Set(), target = CPU }: PlanRequest): MemoryPlan {
  const places = new Map<Node, Place>();
  inputs.forEach((node, index) => {
    places.set(node, { kind: "input", index });
  });
  const lastUse = new Map<Node, number>();
  const firstUse = new Map<Node, number>();
  // The kernels of a chain are at work at the same time.
  const units = unitsOf(calls);
  units.forEach((unit, time) => {
    for (const node of unit.flatMap(({ buffers }) => buffers)) {
      lastUse.set(node, time);
      if (!firstUse.has(node)) firstUse.set(node, time);
    }
  });
  const localBytes = placeLocally(calls, places, target);
  const reused = assignOutputs({ units, inputs, outputs, donated }, lastUse, places);
  const values = [...firstUse.keys()].filter((node) => !places.has(node));
  for (const node of values.filter((value) => value.op === "constant")) places.set(node, { kind: "constant", node });
  const arena = values.filter((value) => value.op !== "constant");
  const arenaBytes = placeInArena(arena, firstUse, lastUse, places, half, target);
  return { places, arenaBytes, localBytes, reused };
}

/** An output may overwrite a donated input of its type if no later kernel reads that input, and the writing kernel itself reads
 * it only at the element being written. */
function assignOutputs(
  { units, inputs, outputs, donated }: Omit<PlanRequest, "calls"> & { readonly units: readonly (readonly KernelCall[])[] },
  lastUse: ReadonlyMap<Node, number>,
  places: Map<Node, Place>,
): number[] {
  const taken = new Set<number>();
  const kindOf = (node: Node): string => `${node.dtype} ${byteLength(node)}`;
  const byKind = new Map<string, number[]>();
  inputs.forEach((input, i) => {
    if (donated[i]) byKind.set(kindOf(input), [...(byKind.get(kindOf(input)) ?? []), i]);
  });
  const preferred = (output: Node, position: number): number[] => {
    const fits = (byKind.get(kindOf(output)) ?? []).filter((i) => !taken.has(i));
    // States come and go in the same order, so the input at the same position is the likeliest.
    return fits.sort((a, b) => Math.abs(a - position) - Math.abs(b - position));
  };
  const results = new Set(outputs);
  /** The calls that write each result, and when. */
  const writers = new Map<Node, { readonly call: KernelCall; readonly time: number }[]>(outputs.map((output) => [output, []]));
  units.forEach((unit, time) => {
    for (const call of unit) for (const node of call.buffers.slice(-call.written)) writers.get(node)?.push({ call, time });
  });
  return outputs.map((output, position) => {
    if (places.has(output)) return -1;
    places.set(output, { kind: "output", index: position });
    const [writer, another] = writers.get(output)!;
    if (!writer || another) return -1;
    const { call, time } = writer;
    for (const candidate of preferred(output, position)) {
      const input = inputs[candidate]!;
      const last = lastUse.get(input) ?? -1;
      if (results.has(input) || last > time || (last === time && !readsInPlace(call, input, output))) continue;
      taken.add(candidate);
      return candidate;
    }
    return -1;
  });
}

function readsInPlace({ kernel, buffers }: KernelCall, input: Node, output: Node): boolean {
  if (kernel.kind !== "loop" || kernel.reduced > 0) return false;
  const target = kernel.outputs.find((o) => buffers[o.buffer] === output)!;
  const same = (a: Affine, b: Affine): boolean => a.offset === b.offset && a.strides.every((stride, i) => stride === b.strides[i]);
  let inPlace = true;
  for (const { buffer, value } of kernel.outputs) {
    forEachExpr([value], (expr) => {
      if ((expr.kind !== "load" && expr.kind !== "gather") || buffers[expr.buffer] !== input) return;
      // Another result of the kernel may be computed after this one is stored.
      inPlace &&= buffer === target.buffer && expr.kind === "load" && same(expr.at, target.at);
    });
  }
  return inPlace;
}

/** Places what a chain keeps of one part at a time, one value behind the other. */
function placeLocally(calls: readonly KernelCall[], places: Map<Node, Place>, { alignment }: Target): number {
  const used = new Map<Chain, number>();
  for (const { buffers, written, chain, steps } of calls) {
    if (!chain) continue;
    for (const [i, node] of buffers.entries()) {
      if (i < buffers.length - written || steps![i]! > 0 || places.has(node)) continue;
      const offset = used.get(chain) ?? 0;
      places.set(node, { kind: "local", offset });
      used.set(chain, offset + Math.ceil(byteLength(node) / chain.parts / alignment) * alignment);
    }
  }
  return Math.max(0, ...used.values());
}

/** Largest first, each at the lowest offset that is free during its whole life. */
function placeInArena(
  nodes: readonly Node[],
  firstUse: ReadonlyMap<Node, number>,
  lastUse: ReadonlyMap<Node, number>,
  places: Map<Node, Place>,
  half: ReadonlySet<Node>,
  { alignment, gap, regionBytes }: Target,
): number {
  interface Slot {
    readonly start: number;
    readonly end: number;
    readonly first: number;
    readonly last: number;
  }
  const slots: Slot[] = [];
  let total = 0;
  const sized = nodes.map((node) => ({ node, bytes: byteLength(node, half) }));
  for (const { node, bytes } of sized.sort((a, b) => b.bytes - a.bytes || a.node.id - b.node.id)) {
    const size = Math.max(alignment, Math.ceil((bytes + gap) / alignment) * alignment);
    const [first, last] = [firstUse.get(node)!, lastUse.get(node)!];
    /** The lowest place at or above `at` that lies in one region. */
    const within = (at: number): number =>
      Math.floor(at / regionBytes) === Math.floor((at + size - 1) / regionBytes) ? at : Math.ceil(at / regionBytes) * regionBytes;
    let offset = 0;
    for (const slot of slots) {
      if (slot.last < first || slot.first > last) continue;
      if (slot.start >= offset + size) break;
      offset = within(Math.max(offset, slot.end));
    }
    const slot = { start: offset, end: offset + size, first, last };
    const at = slots.findIndex((other) => other.start > offset);
    slots.splice(at < 0 ? slots.length : at, 0, slot);
    places.set(node, { kind: "arena", offset });
    total = Math.max(total, slot.end);
  }
  return total;
}
