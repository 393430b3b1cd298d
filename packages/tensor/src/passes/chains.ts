/** @file Chains: where kernels make large values of the same images one after another, each of them is done for a few images at a time, and what it made is
 * still in the caches when the next one reads it. What no other kernel reads never gets a place in memory but for those few images, in the thread's own
 * scratch memory. */
import { BYTES } from "../base/dtype.ts";
import { sizeOf } from "../base/shape.ts";
import type { Node } from "../ir/graph.ts";
import type { Kernel } from "../ir/kernel.ts";
import { type Chain, partOf } from "../ir/parts.ts";
import type { Target } from "../ir/target.ts";
import { tilesAtATime } from "../ir/winograd.ts";
import type { KernelCall } from "./lower.ts";

/** Bytes of a value below which it stays in the caches on its way to the next kernel anyway. */
const LEAST_BYTES = 2 ** 21;
/** Numbers of parts, the best one first: many, so that a part is small; fewer could not be shared out evenly. */
const PARTS = [64, 32];
/** Pixels of a contraction that pass over its filter together, at least: else parts would read it too often. */
const LEAST_PIXELS = 64;

/** Calls that are done as one: some alone, those of a chain together. */
interface Unit {
  readonly calls: KernelCall[];
  /** Numbers of parts that suit all of them. */
  parts: readonly number[] | null;
}

/** The calls with chains among them. A call moves up to the one whose result it reads, where nothing else that it needs is made later. */
export function chainCalls(calls: readonly KernelCall[], outputs: readonly Node[], { chains }: Target): readonly KernelCall[] {
  if (!chains) return calls;
  const results = new Set(outputs);
  const units: Unit[] = [];
  /** The unit that last writes a value. */
  const writer = new Map<Node, number>();
  for (const call of calls) {
    const ready = Math.max(-1, ...call.buffers.map((node) => writer.get(node) ?? -1));
    const unit = units[ready];
    const parts = unit ? commonParts(unit, call, (node) => writer.get(node) === ready, results) : null;
    let place = ready;
    if (unit && parts) {
      unit.calls.push(call);
      unit.parts = parts;
    } else place = units.push({ calls: [call], parts: null }) - 1;
    for (const node of call.buffers.slice(-call.written)) writer.set(node, place);
  }
  const users = new Map<Node, number>();
  for (const { buffers } of calls) for (const node of buffers) users.set(node, (users.get(node) ?? 0) + 1);
  return units.flatMap((unit) => chained(unit, users, results));
}

/** The numbers of parts in which a call can be done together with a unit; null where there are none, or where nothing is gained. */
function commonParts(unit: Unit, call: KernelCall, isOfUnit: (node: Node) => boolean, results: ReadonlySet<Node>): readonly number[] | null {
  const handedOn = call.buffers.slice(0, -call.written).filter(isOfUnit);
  if (handedOn.reduce((sum, node) => sum + bytesOf(node), 0) < LEAST_BYTES) return null;
  const possible = (parts: number, one: KernelCall): boolean => {
    if (one.buffers.slice(-one.written).some((node) => results.has(node))) return false;
    const part = partOf(
      one.kernel,
      parts,
      one.buffers.map(({ shape }) => sizeOf(shape)),
    );
    return part !== null && isLargeEnough(part.kernel) && one.buffers.every((node, i) => !isOfUnit(node) || part.steps[i]! > 0);
  };
  const common = (unit.parts ?? PARTS).filter((parts) => [call, ...(unit.parts ? [] : unit.calls)].every((one) => possible(parts, one)));
  return common.length > 0 ? common : null;
}

const bytesOf = (node: Node): number => sizeOf(node.shape) * BYTES[node.dtype];

function isLargeEnough(kernel: Kernel): boolean {
  switch (kernel.kind) {
    case "conv":
      return kernel.batch * kernel.height * kernel.width >= LEAST_PIXELS;
    case "winograd-conv":
      return kernel.images * kernel.tileRows >= Math.floor(tilesAtATime(kernel) / kernel.tileColumns);
    default:
      return true;
  }
}

function chained({ calls, parts }: Unit, users: ReadonlyMap<Node, number>, results: ReadonlySet<Node>): readonly KernelCall[] {
  if (!parts) return calls;
  const chain: Chain = { parts: parts[0]! };
  const written = new Set(calls.flatMap((call) => call.buffers.slice(-call.written)));
  const inside = new Map<Node, number>();
  for (const { buffers } of calls) for (const node of buffers) inside.set(node, (inside.get(node) ?? 0) + 1);
  const isLocal = (node: Node): boolean => written.has(node) && !results.has(node) && inside.get(node) === users.get(node);
  return calls.map((call) => {
    const { kernel, steps } = partOf(
      call.kernel,
      chain.parts,
      call.buffers.map(({ shape }) => sizeOf(shape)),
    )!;
    return { ...call, kernel, chain, steps: call.buffers.map((node, i) => (isLocal(node) ? 0 : steps[i]! * BYTES[node.dtype])) };
  });
}
