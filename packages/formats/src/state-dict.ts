/** @file The state dict in what a training script saved: behind wrappers such as `state_dict` or `last`, with prefixes such as `module.`. */
import { FormatError } from "./errors.ts";
import { clipped, shown } from "./json.ts";
import { LIMITS } from "./limits.ts";
import { PickleCall, PickleDict, PickleGlobal, PickleList, PickleTuple, type PickleValue } from "./pickle.ts";
import { type PytorchFile, PytorchTensor } from "./pytorch.ts";
import { elementBytes, elementCount, type FileTensor } from "./tensor.ts";

/** Named tensors, and how they were found. */
export interface StateDict {
  readonly tensors: Map<string, FileTensor>;
  /** The keys that led to them, outermost first. */
  readonly wrappers: readonly string[];
  /** Prefixes taken off their names. */
  readonly prefixes: readonly string[];
  /** Other entries on the way, by name and kind: an epoch, an optimizer's state. They are not used. */
  readonly others: Readonly<Record<string, string>>;
}

/** Keys under which training scripts save a model, the first of them that is there. Of the paper's `last` and `best`, the last counts. */
export const WRAPPERS = ["state_dict", "model_state_dict", "last", "best", "model", "net", "network", "params", "weights"] as const;

/** What DataParallel, wrapping modules and torch.compile put before every name. */
export const PREFIXES = ["module.", "model.", "_orig_mod."] as const;

const DEEPEST = 4;

/**
 * Finds the state dict in a PyTorch file.
 *
 * @param part the wrapper to take instead of the first known one, e.g. `best`.
 * @throws FormatError when there is none.
 */
export function findStateDict(file: PytorchFile, { size, part }: { readonly size: number; readonly part?: string }): StateDict {
  const wrappers: string[] = [];
  const others: Record<string, string> = {};
  let value = file.value;
  let wanted = part;
  for (;;) {
    if (!(value instanceof PickleDict)) {
      const what = wrappers.length === 0 ? "the file" : shown(wrappers.join(" › "));
      throw new FormatError("unsupported", `${what} holds ${kindOf(value)}, not a state dict; in Python, save model.state_dict()`);
    }
    const { entries } = value;
    const next: string | undefined = wanted !== undefined && entries.has(wanted) ? wanted : WRAPPERS.find((key) => entries.get(key) instanceof PickleDict);
    if (next === undefined || wrappers.length === DEEPEST) break;
    if (next === wanted) wanted = undefined;
    for (const [key, other] of entries) if (key !== next) others[[...wrappers, nameOf(key)].join(" › ")] = kindOf(other);
    wrappers.push(next);
    value = entries.get(next)!;
  }
  if (wanted !== undefined) throw new FormatError("unsupported", `the file has no part ${shown(wanted)}; it has ${keysOf(file.value)}`);
  const tensors = new Map<string, FileTensor>();
  for (const [key, entry] of value.entries) {
    if (typeof key === "string" && entry instanceof PytorchTensor) tensors.set(key, entry);
    else others[[...wrappers, nameOf(key)].join(" › ")] = kindOf(entry);
  }
  if (tensors.size === 0) throw new FormatError("unsupported", `no tensors by name were found; the file has ${keysOf(file.value)}`);
  let bytes = 0;
  for (const { dtype, shape } of tensors.values()) bytes += elementCount(shape) * elementBytes(dtype);
  if (bytes > size + LIMITS.sharedBytes) {
    throw new FormatError("too-large", `its tensors would take ${bytes} bytes, the file has ${size}: they share storages more than honest ones do`);
  }
  return { ...withoutPrefixes(tensors), wrappers, others };
}

/** Takes known prefixes off, outermost first, where most names have them and no two names become one. */
export function withoutPrefixes<T>(tensors: ReadonlyMap<string, T>): { readonly tensors: Map<string, T>; readonly prefixes: readonly string[] } {
  const prefixes: string[] = [];
  let current = new Map(tensors);
  for (;;) {
    const names = [...current.keys()];
    // The others are buffers that a wrapper of its own has beside the network, such as `mu` and `sigma`.
    const prefix = PREFIXES.find((start) => names.filter((name) => name.startsWith(start)).length > names.length / 2);
    if (prefix === undefined || prefixes.length === DEEPEST) return { tensors: current, prefixes };
    const renamed = new Map([...current].map(([name, tensor]) => [name.startsWith(prefix) ? name.slice(prefix.length) : name, tensor]));
    if (renamed.size !== current.size) return { tensors: current, prefixes };
    current = renamed;
    prefixes.push(prefix);
  }
}

function keysOf(value: PickleValue): string {
  if (!(value instanceof PickleDict)) return kindOf(value);
  const keys = [...value.entries.keys()].map(nameOf);
  return clipped(keys.length === 0 ? "nothing" : keys.join(", "));
}

function nameOf(key: PickleValue): string {
  return typeof key === "string" ? key : typeof key === "object" ? kindOf(key) : String(key);
}

/** What a value is, in a word or two. */
export function kindOf(value: PickleValue): string {
  if (value === null) return "None";
  if (value instanceof PickleDict) return `a dict of ${value.entries.size}`;
  if (value instanceof PickleList) return `a list of ${value.items.length}`;
  if (value instanceof PickleTuple) return `a tuple of ${value.items.length}`;
  if (value instanceof PytorchTensor) return `a tensor [${value.shape.join(", ")}]`;
  if (value instanceof PickleCall) return `${value.callee.module}.${value.callee.name}`;
  if (value instanceof PickleGlobal) return `${value.module}.${value.name}`;
  return typeof value === "string" ? clipped(JSON.stringify(value)) : String(value);
}
