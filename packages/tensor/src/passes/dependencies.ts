/** @file Which kernels have to wait for which: those that read what another one writes, and those that write what another one reads or writes. All
 * others may run at the same time. */
import type { Node } from "../ir/graph.ts";
import { unitsOf } from "../ir/parts.ts";
import type { KernelCall } from "./lower.ts";
import { byteLength, type MemoryPlan } from "./plan-memory.ts";

/** A stretch of memory. Blocks are the arena, inputs and results; what lies in different ones does not overlap. */
interface Stretch {
  readonly block: string;
  readonly start: number;
  readonly end: number;
}

interface Access {
  readonly reads: readonly Stretch[];
  readonly writes: readonly Stretch[];
}

/** Per unit, a chain or a call alone, the earlier units it waits for. One is named once at most, since whoever has waited for it knows ever after that it is
 * done; those that nobody waits for have to be waited for in the end. */
export function waitsOf(calls: readonly KernelCall[], { places, reused }: Pick<MemoryPlan, "places" | "reused">): readonly (readonly number[])[] {
  const stretchOf = (node: Node): Stretch | null => {
    const place = places.get(node);
    if (!place || place.kind === "constant" || place.kind === "local") return null;
    if (place.kind === "arena") return { block: "arena", start: place.offset, end: place.offset + byteLength(node) };
    const input = place.kind === "input" ? place.index : (reused[place.index] ?? -1);
    return { block: input < 0 ? `output ${place.index}` : `input ${input}`, start: 0, end: Number.POSITIVE_INFINITY };
  };
  const known = new Map<Node, Stretch | null>();
  const stretchesOf = (nodes: readonly Node[]): Stretch[] =>
    nodes.flatMap((node) => {
      let stretch = known.get(node);
      if (stretch === undefined) {
        stretch = stretchOf(node);
        known.set(node, stretch);
      }
      return stretch ?? [];
    });
  /** Units that nobody has waited for yet. */
  let open: { readonly index: number; readonly access: Access }[] = [];
  return unitsOf(calls).map((unit, index) => {
    const access = {
      reads: unit.flatMap(({ buffers, written }) => stretchesOf(buffers.slice(0, -written))),
      writes: unit.flatMap(({ buffers, written }) => stretchesOf(buffers.slice(-written))),
    };
    const waits: number[] = [];
    open = open.filter((earlier) => {
      if (!meet(earlier.access, access)) return true;
      waits.push(earlier.index);
      return false;
    });
    open.push({ index, access });
    return waits;
  });
}

function meet(a: Access, b: Access): boolean {
  return overlap(a.writes, b.reads) || overlap(a.writes, b.writes) || overlap(a.reads, b.writes);
}

function overlap(some: readonly Stretch[], others: readonly Stretch[]): boolean {
  return some.some((a) => others.some((b) => a.block === b.block && a.start < b.end && b.start < a.end));
}
