/** @file Compiled functions: traced once per argument types, then run as one program. */
import type { DataArray } from "../base/dtype.ts";
import { TraceError } from "../base/errors.ts";
import { checkInteger } from "../base/numbers.ts";
import { Node, topologicalOrder } from "../ir/graph.ts";
import { type MapLeaves, sameStructure, type TreeOf, treeLeaves, treeUnflatten } from "../ir/tree.ts";
import type { Device, DeviceBuffer, Executable, KernelTime, Program, ProgramStats } from "../runtime/backend.ts";
import { defaultDevice } from "./device.ts";
import { Tensor, tensor } from "./tensor.ts";

/** How a compiled function runs. */
export interface JitOptions {
  /** Where to run; the default device if absent. */
  readonly device?: Device;
  /** Arguments (by position) whose memory the results may take over; those tensors cannot be used afterwards. */
  readonly donate?: readonly number[];
  /** Whether what is computed of an example has the same bits in every batch of eight or more; false unless set. */
  readonly batchInvariant?: boolean;
}

/** A leaf of a compiled function's arguments. */
export type Argument = Node | number | DataArray;

/** The same tree with tensors, whose elements are in memory, as leaves. */
export type Computed<T> = MapLeaves<T, Tensor>;

/** A compiled function: arguments may also be numbers and typed arrays; results are tensors. */
export interface Compiled<Arguments extends readonly unknown[], Result> {
  (...args: { [K in keyof Arguments]: Concrete<Arguments[K]> }): Computed<Result>;
  /** What the most recent call's program cost to compile and needs to run. */
  stats(): ProgramStats | null;
  /** Calls the function once with every kernel timed by itself; null on backends that cannot. */
  profile(...args: { [K in keyof Arguments]: Concrete<Arguments[K]> }): { result: Computed<Result>; times: Promise<KernelTime[]> } | null;
  /** Frees the compiled programs. */
  dispose(): void;
}

/** The same tree with leaves that a caller may pass. */
export type Concrete<T> = T extends Node ? Argument : T extends object ? { [K in keyof T]: Concrete<T[K]> } : T;

type Type = Pick<Node, "shape" | "dtype">;

interface Entry {
  /** The arguments that were traced: trees of placeholders, and these in order. */
  readonly traced: readonly unknown[];
  readonly inputs: readonly Node[];
  readonly donated: readonly boolean[];
  readonly executable: Executable;
  /** A tree like the result, and the types of the result's leaves in order. What was traced is not kept: it is larger than the program. */
  readonly structure: unknown;
  readonly types: readonly Type[];
  /** Tensors the function closes over; they must stay in memory. */
  readonly constants: readonly Tensor[];
}

/** Compiles a function of trees of tensors. It is traced once for every combination of argument shapes and element types; the
 * trace sees types, not elements. Tensors it closes over become constants of the program.
 * @example const step = jit((params, x) => treeMap((p) => mul(p, 0.9), params), { donate: [0] }); */
export function jit<Arguments extends readonly unknown[], Result>(
  f: (...args: Arguments) => Result,
  { device, donate = [], batchInvariant = false }: JitOptions = {},
): Compiled<Arguments, Result> {
  for (const position of donate) checkInteger("jit", "a donated argument's position", position, 0, 2 ** 31);
  const entries = new Map<Device, Entry[]>();
  let latest: Entry | null = null;

  const perform = (args: readonly unknown[], execute: (executable: Executable, inputs: DeviceBuffer[]) => DeviceBuffer[]): Computed<Result> => {
    const target = device ?? defaultDevice();
    const temporary: Tensor[] = [];
    try {
      const leaves = treeLeaves<unknown>(args).map((leaf) => {
        if (leaf instanceof Tensor) return leaf;
        const made = toTensor(leaf, target);
        temporary.push(made);
        return made;
      });
      const ofDevice = entries.get(target) ?? [];
      entries.set(target, ofDevice);
      let entry = ofDevice.find(({ traced, inputs }) => sameStructure(args, traced) && leaves.every((leaf, i) => sameType(leaf, inputs[i]!)));
      if (!entry) {
        entry = compile(f, args, leaves, target, { donate, batchInvariant });
        ofDevice.push(entry);
      }
      latest = entry;
      const { constants, donated } = entry;
      for (const constant of constants) constant.bufferOn(target);
      checkDonated(
        leaves.filter((_, i) => donated[i]),
        [...leaves, ...constants],
      );
      const results = execute(
        entry.executable,
        leaves.map((leaf) => leaf.bufferOn(target)),
      );
      return treeUnflatten(entry.structure, tensorsOf(entry.types, results)) as Computed<Result>;
    } finally {
      for (const leaf of temporary) leaf.dispose();
    }
  };
  const call = (...args: unknown[]): Computed<Result> => perform(args, (executable, inputs) => executable.run(inputs));
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
export function evaluate<T>(tree: T & TreeOf<T, Node>, device?: Device): Computed<T> {
  const leaves = treeLeaves<unknown>(tree).map((leaf) => traced("evaluate: expected a tree of tensors", leaf));
  if (leaves.every((leaf) => leaf instanceof Tensor)) return tree as Computed<T>;
  const target = device ?? defaultDevice();
  const executable = compileGraph({ inputs: [], outputs: leaves, donated: [], batchInvariant: false }, target);
  try {
    return treeUnflatten<T, Tensor>(tree, tensorsOf(leaves, executable.run([])));
  } finally {
    executable.dispose();
  }
}

function tensorsOf(types: readonly Type[], buffers: readonly DeviceBuffer[]): Tensor[] {
  return buffers.map((buffer, i) => new Tensor(types[i]!.shape, types[i]!.dtype, buffer));
}

function traced(rule: string, leaf: unknown): Node {
  if (!(leaf instanceof Node)) throw new TraceError(`${rule}, got a leaf of type ${typeof leaf}`);
  return leaf;
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

function toTensor(leaf: unknown, device: Device): Tensor {
  if (leaf instanceof Node) return evaluate(leaf, device);
  if (typeof leaf === "number" || ArrayBuffer.isView(leaf)) return tensor(leaf as number | DataArray);
  throw new TraceError(`jit: arguments must be trees of tensors, numbers and typed arrays, got ${leaf === null ? "null" : typeof leaf}`);
}

function sameType(a: Node, b: Node): boolean {
  return a.dtype === b.dtype && a.shape.length === b.shape.length && a.shape.every((extent, axis) => extent === b.shape[axis]);
}

function compile(
  f: (...args: never) => unknown,
  args: readonly unknown[],
  leaves: readonly Tensor[],
  device: Device,
  { donate, batchInvariant }: Required<Omit<JitOptions, "device">>,
): Entry {
  const inputs = leaves.map((leaf) => new Node("input", [], {}, leaf.shape, leaf.dtype));
  const placeholders = treeUnflatten(args, inputs) as readonly unknown[];
  const result: unknown = f(...(placeholders as never));
  const outputs = treeLeaves(result).map((leaf) => traced("jit: the function must return a tree of tensors", leaf));
  const donated = placeholders.flatMap((arg, i) => treeLeaves(arg).map(() => donate.includes(i)));
  const constants = topologicalOrder(outputs).filter((node): node is Tensor => node instanceof Tensor);
  const executable = compileGraph({ inputs, outputs, donated, batchInvariant }, device);
  const types = outputs.map(({ shape, dtype }) => ({ shape, dtype }));
  const structure = treeUnflatten(
    result,
    types.map(() => null),
  );
  return { traced: placeholders, inputs, donated, executable, structure, types, constants };
}

function compileGraph(program: Omit<Program, "constants">, device: Device): Executable {
  const constants = new Map<Node, DeviceBuffer>();
  const known = new Set(program.inputs);
  for (const node of topologicalOrder(program.outputs)) {
    if (node instanceof Tensor) constants.set(node, node.bufferOn(device));
    else if (node.op === "input" && !known.has(node)) {
      throw new TraceError("jit: a traced value escaped from the function it belongs to; return it instead of storing it outside");
    }
  }
  return device.compile({ ...program, constants });
}
