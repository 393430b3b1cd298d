/** @file When that is computed which depends on nothing but a program's inputs: right before it is first wanted, and once more for later uses where keeping
 * it is what a program needs most memory for. In Winograd's form the filters of wide networks take four times their own memory, and a step uses each in
 * several passes. */
import { Node } from "../ir/graph.ts";
import { unitsOf } from "../ir/parts.ts";
import type { KernelCall } from "./lower.ts";
import { byteLength } from "./plan-memory.ts";

/** Bytes of what is worth moving, and of what is worth computing again. */
const BYTES = { moved: 1 << 20, again: 16 << 20 };
/** Values of a program that are computed again, at most. */
const MOST_AGAIN = 32;

/** Kernels of a chain, which stay together, or one of none. */
type Unit = readonly KernelCall[];

const written = ({ buffers, written: count }: KernelCall): readonly Node[] => buffers.slice(buffers.length - count);
const read = ({ buffers, written: count }: KernelCall): readonly Node[] => buffers.slice(0, buffers.length - count);

/** The same calls in an order that needs less memory, some of them twice. */
export function arrangeFromInputs(calls: readonly KernelCall[], outputs: readonly Node[], bytes: typeof BYTES = BYTES): KernelCall[] {
  const results = new Set(outputs);
  const { units, makers } = placedLate(unitsOf(calls), bytes.moved);
  let best = { units, ...peakOf(units) };
  for (let i = 0; i < MOST_AGAIN; i++) {
    const next = computedAgain(best.units, best.time, makers, results, bytes.again);
    if (!next) break;
    const peak = peakOf(next.units);
    // Another peak may be nearly as high.
    if (peak.bytes > best.bytes - next.bytes / 2) break;
    best = { units: next.units, ...peak };
  }
  return best.units.flat();
}

/** Moves large values of inputs alone to where they are first read; `makers` are the units that make them. */
function placedLate(units: readonly Unit[], least: number): { units: readonly Unit[]; makers: ReadonlyMap<Node, Unit> } {
  // A buffer may be filled by several kernels, which all have to come before it is read: those stay where they are.
  const writers = new Map<Node, number>();
  for (const unit of units) for (const node of unit.flatMap(written)) writers.set(node, (writers.get(node) ?? 0) + 1);
  const makers = new Map<Node, Unit>();
  const movable = new Set<Unit>();
  for (const unit of units) {
    const [first, ...others] = unit as readonly [KernelCall, ...KernelCall[]];
    const made = written(first);
    if (others.length > 0 || made.every((node) => byteLength(node) < least) || made.some((node) => writers.get(node)! > 1)) continue;
    if (!read(first).every((node) => !writers.has(node) || makers.has(node))) continue;
    movable.add(unit);
    for (const node of made) makers.set(node, unit);
  }
  const order = new Set<Unit>();
  const place = (unit: Unit): void => {
    if (order.has(unit)) return;
    for (const node of unit.flatMap(read)) {
      const maker = makers.get(node);
      if (maker && maker !== unit) place(maker);
    }
    order.add(unit);
  };
  for (const unit of units) if (!movable.has(unit)) place(unit);
  for (const unit of units) place(unit);
  return { units: [...order], makers };
}

/** The units at which each value in memory is used. */
function usesOf(units: readonly Unit[]): Map<Node, number[]> {
  const uses = new Map<Node, number[]>();
  const made = new Set<Node>();
  for (const [time, unit] of units.entries()) {
    for (const call of unit) {
      const first = call.buffers.length - call.written;
      call.buffers.forEach((node, i) => {
        // Inputs are there anyway, and what a chain keeps for itself takes next to nothing.
        if (i >= first && !(call.steps && call.steps[i] === 0)) made.add(node);
        if (!made.has(node)) return;
        const times = uses.get(node) ?? [];
        if (times.at(-1) !== time) times.push(time);
        uses.set(node, times);
      });
    }
  }
  return uses;
}

/** The most bytes of values in use at a time, and when first. */
function peakOf(units: readonly Unit[]): { readonly bytes: number; readonly time: number } {
  const changes = new Float64Array(units.length + 1);
  for (const [node, times] of usesOf(units)) {
    changes[times[0]!]! += byteLength(node);
    changes[times.at(-1)! + 1]! -= byteLength(node);
  }
  let [now, bytes, time] = [0, 0, 0];
  for (let i = 0; i < units.length; i++) {
    now += changes[i]!;
    if (now > bytes) [bytes, time] = [now, i];
  }
  return { bytes, time };
}

/** The units with the largest value that is kept for later at a time, though it can be had from inputs alone, computed again for its later uses. */
function computedAgain(
  units: readonly Unit[],
  time: number,
  makers: ReadonlyMap<Node, Unit>,
  results: ReadonlySet<Node>,
  least: number,
): { readonly units: readonly Unit[]; readonly bytes: number } | null {
  let [largest, until, bytes] = [null as Node | null, 0, least];
  for (const [node, times] of usesOf(units)) {
    const next = times.find((use) => use > time);
    if (next === undefined || times[0]! >= time || times.includes(time) || !makers.has(node) || results.has(node)) continue;
    // Of equal ones that which is idle longest.
    const size = byteLength(node);
    if (size > bytes || (size === bytes && next > until)) [largest, until, bytes] = [node, next, size];
  }
  if (!largest) return null;
  const copies = new Map<Node, Node>();
  const again: Unit[] = [];
  const copy = (node: Node): void => {
    const maker = makers.get(node);
    if (!maker || copies.has(node)) return;
    const [call] = maker as readonly [KernelCall];
    read(call).forEach(copy);
    for (const made of written(call)) copies.set(made, new Node(made.op, made.inputs, made.attrs, made.shape, made.dtype));
    again.push([{ ...call, buffers: call.buffers.map((buffer) => copies.get(buffer) ?? buffer) }]);
  };
  copy(largest);
  const replacement = copies.get(largest)!;
  const later = units.slice(until).map((unit) =>
    unit.map((call): KernelCall => {
      return call.buffers.includes(largest) ? { ...call, buffers: call.buffers.map((node) => (node === largest ? replacement : node)) } : call;
    }),
  );
  return { units: [...units.slice(0, until), ...again, ...later], bytes };
}
