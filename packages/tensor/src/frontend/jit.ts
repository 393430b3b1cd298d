/** @file Compiled functions: traced once per argument types, then run as one program. */
import type { DataArray } from "../base/dtype.ts";
import { TraceError } from "../base/errors.ts";
import { sameStructure, type Tree, treeLeaves, treeUnflatten } from "../base/tree.ts";
import { Node, topologicalOrder } from "../ir/graph.ts";
import type { Device, DeviceBuffer, Executable, KernelTime, ProgramStats } from "../runtime/backend.ts";
import { defaultDevice } from "./device.ts";
import { Tensor, tensor } from "./tensor.ts";

/** How a compiled function runs. */
export interface JitOptions {
  /** Where to run; the default device if absent. */
  readonly device?: Device;
  /** Arguments (by position) whose memory the results may take over; those tensors cannot be used afterwards. */
  readonly donate?: readonly number[];
}

/** A leaf of a compiled function's arguments. */
export type Argument = Node | number | DataArray;

/** A compiled function: arguments may also be numbers and typed arrays; results are tensors. */
export interface Compiled<Arguments extends readonly unknown[], Result> {
  (...args: { [K in keyof Arguments]: Concrete<Arguments[K]> }): Result;
  /** What the most recent call's program cost to compile and needs to run. */
  stats(): ProgramStats | null;
  /** Calls the function once with every kernel timed by itself; null on backends that cannot. */
  profile(...args: { [K in keyof Arguments]: Concrete<Arguments[K]> }): { result: Result; times: Promise<KernelTime[]> } | null;
  /** Frees the compiled programs. */
  dispose(): void;
}

/** The same tree with leaves that a caller may pass. */
export type Concrete<T> = T extends Node ? Argument : T extends object ? { [K in keyof T]: Concrete<T[K]> } : T;

interface Entry {
  /** The arguments that were traced: trees of placeholders, and these in order. */
  readonly traced: readonly unknown[];
  readonly inputs: readonly Node[];
  readonly donated: readonly boolean[];
  readonly executable: Executable;
  readonly result: Tree<Node>;
  /** Tensors the function closes over; they must stay in memory. */
  readonly constants: readonly Tensor[];
}

/** Compiles a function of trees of tensors. It is traced once for every combination of argument shapes and element types; the
 * trace sees types, not elements. Tensors it closes over become constants of the program.
 * @example const step = jit((params, x) => treeMap((p) => mul(p, 0.9), params), { donate: [0] }); */
export function jit<Arguments extends readonly unknown[], Result>(
  f: (...args: Arguments) => Result,
  { device, donate = [] }: JitOptions = {},
): Compiled<Arguments, Result> {
  const entries = new Map<Device, Entry[]>();
  let latest: Entry | null = null;

  const perform = (args: readonly unknown[], execute: (executable: Executable, inputs: DeviceBuffer[]) => DeviceBuffer[]): Result => {
    const target = device ?? defaultDevice();
    const given = treeLeaves(args as Tree<Argument>);
    const leaves = given.map((leaf) => toTensor(leaf, target));
    const ofDevice = entries.get(target) ?? [];
    entries.set(target, ofDevice);
    let entry = ofDevice.find(({ traced, inputs }) => sameStructure(args, traced) && leaves.every((leaf, i) => sameType(leaf, inputs[i]!)));
    if (!entry) {
      entry = compile(f, args, leaves, target, donate);
      ofDevice.push(entry);
    }
    latest = entry;
    const { constants, donated } = entry;
    for (const constant of constants) constant.bufferOn(target);
    checkDonated(
      leaves.filter((_, i) => donated[i]),
      [...leaves, ...constants],
    );
    const temporary = leaves.filter((leaf, i) => leaf !== given[i]);
    const results = execute(
      entry.executable,
      leaves.map((leaf) => leaf.bufferOn(target)),
    );
    for (const leaf of temporary) leaf.dispose();
    const nodes = treeLeaves<Node>(entry.result);
    return treeUnflatten(
      entry.result,
      results.map((buffer, i) => new Tensor(nodes[i]!.shape, nodes[i]!.dtype, buffer)),
    ) as Result;
  };
  const call = (...args: unknown[]): Result => perform(args, (executable, inputs) => executable.run(inputs));
  return Object.assign(call, {
    profile(...args: unknown[]) {
      let times: Promise<KernelTime[]> | null = null;
      const result = perform(args, (executable, inputs) => {
        const profiled = executable.profile?.(inputs);
        times = profiled?.times ?? null;
        return profiled?.results ?? executable.run(inputs);
      });
      return times && { result, times };
    },
    stats: () => latest?.executable.stats ?? null,
    dispose() {
      for (const entry of [...entries.values()].flat()) entry.executable.dispose();
      entries.clear();
    },
  }) as Compiled<Arguments, Result>;
}

/** Computes values outside of a compiled function. */
export function evaluate<T extends Tree<Node>>(tree: T, device?: Device): T {
  const leaves = treeLeaves<Node>(tree);
  if (leaves.every((leaf) => leaf instanceof Tensor)) return tree;
  const target = device ?? defaultDevice();
  const executable = compileGraph([], leaves, [], target);
  const results = executable.run([]).map((buffer, i) => new Tensor(leaves[i]!.shape, leaves[i]!.dtype, buffer));
  executable.dispose();
  return treeUnflatten(tree, results) as unknown as T;
}

/** A result may overwrite a donated tensor, so nothing else in the call may read it. */
function checkDonated(donated: readonly Tensor[], used: readonly Tensor[]): void {
  if (donated.length === 0) return;
  const once = new Set<Tensor>();
  const twice = new Set<Tensor>();
  for (const leaf of used) (once.has(leaf) ? twice : once).add(leaf);
  if (donated.some((leaf) => twice.has(leaf))) {
    throw new TraceError("jit: a donated tensor is also used elsewhere in the same call; pass a copy, or do not donate it");
  }
}

function toTensor(leaf: Argument, device: Device): Tensor {
  if (leaf instanceof Tensor) return leaf;
  if (leaf instanceof Node) return evaluate(leaf, device) as Tensor;
  if (typeof leaf === "number" || ArrayBuffer.isView(leaf)) return tensor(leaf);
  throw new TraceError(`jit: arguments must be trees of tensors, numbers and typed arrays, got ${leaf === null ? "null" : typeof leaf}`);
}

function sameType(a: Node, b: Node): boolean {
  return a.dtype === b.dtype && a.shape.length === b.shape.length && a.shape.every((extent, axis) => extent === b.shape[axis]);
}

function compile(f: (...args: never) => unknown, args: readonly unknown[], leaves: readonly Tensor[], device: Device, donate: readonly number[]): Entry {
  const inputs = leaves.map((leaf) => new Node("input", [], {}, leaf.shape, leaf.dtype));
  const traced = treeUnflatten(args as Tree<unknown>, inputs) as readonly unknown[];
  const result = f(...(traced as never)) as Tree<Node>;
  for (const leaf of treeLeaves<unknown>(result)) {
    if (!(leaf instanceof Node)) throw new TraceError(`jit: the function must return a tree of tensors, got a leaf of type ${typeof leaf}`);
  }
  const donated = traced.flatMap((arg, i) => treeLeaves(arg as Tree<unknown>).map(() => donate.includes(i)));
  const outputs = treeLeaves<Node>(result);
  const constants = topologicalOrder(outputs).filter((node): node is Tensor => node instanceof Tensor);
  return { traced, inputs, donated, executable: compileGraph(inputs, outputs, donated, device), result, constants };
}

function compileGraph(inputs: readonly Node[], outputs: readonly Node[], donated: readonly boolean[], device: Device): Executable {
  const constants = new Map<Node, DeviceBuffer>();
  const known = new Set(inputs);
  for (const node of topologicalOrder(outputs)) {
    if (node instanceof Tensor) constants.set(node, node.bufferOn(device));
    else if (node.op === "input" && !known.has(node)) {
      throw new TraceError("jit: a traced value escaped from the function it belongs to; return it instead of storing it outside");
    }
  }
  return device.compile({ inputs, outputs, donated, constants });
}
