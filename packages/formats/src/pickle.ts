/**
 * @file A machine for Python's pickles that calls nothing.
 *
 * A pickle is a program: it may name any function of any module and have it called. Here a name is only a name, and a call only a record of
 * one. The host is asked what a record of an allowed name stands for; names it does not know are collected and refused together.
 * Instructions are those of protocol 2 that torch's own restricted reader takes.
 */
import { FormatError } from "./errors.ts";
import { clipped } from "./json.ts";
import { LIMITS } from "./limits.ts";

/** Anything a pickle holds; what is not plain data is a class below, or an object of the host's. */
export type PickleValue = null | boolean | number | bigint | string | object;

/** A list; a set is one too. */
export class PickleList {
  readonly items: PickleValue[] = [];
}

/** A tuple. */
export class PickleTuple {
  readonly items: readonly PickleValue[];
  constructor(items: readonly PickleValue[]) {
    this.items = items;
  }
}

/** A dict or OrderedDict. */
export class PickleDict {
  readonly entries: Map<PickleValue, PickleValue> = new Map();
}

/** A function or class, by name. */
export class PickleGlobal {
  readonly module: string;
  readonly name: string;
  constructor(module: string, name: string) {
    this.module = module;
    this.name = name;
  }
}

/** A call that was not made: what would have been called, with what. */
export class PickleCall {
  readonly callee: PickleGlobal;
  readonly args: readonly PickleValue[];
  /** What the object's state would have been set to. */
  state: PickleValue = null;
  constructor(callee: PickleGlobal, args: readonly PickleValue[]) {
    this.callee = callee;
    this.args = args;
  }
}

/** What reads a pickle decides. */
export interface PickleHost {
  /** Whether this name may occur. */
  allows(module: string, name: string): boolean;
  /** What a call of an allowed name stands for; undefined keeps it as a {@link PickleCall}. */
  call(callee: PickleGlobal, args: readonly PickleValue[]): PickleValue | undefined;
  /** What a persistent id stands for. */
  persistent(id: PickleValue): PickleValue;
}

/** Modules that Python 2 called otherwise. */
const PYTHON_2: Readonly<Record<string, string>> = { __builtin__: "builtins", copy_reg: "copyreg" };

/** Instructions that are known, but not taken. */
const REFUSED: Readonly<Record<number, string>> = {
  105: "INST",
  111: "OBJ",
  130: "EXT1",
  131: "EXT2",
  132: "EXT4",
  147: "STACK_GLOBAL",
  149: "FRAME",
};

/**
 * Reads one pickle from the beginning of `bytes`.
 *
 * @returns its value and how many bytes it takes.
 * @throws FormatError: `foreign-globals` naming every name that the host does not allow, else what is wrong with the bytes.
 */
export function readPickle(bytes: Uint8Array, host: PickleHost): { readonly value: PickleValue; readonly length: number } {
  const foreign = new Set<string>();
  let result: ReturnType<typeof run>;
  try {
    result = run(bytes, host, foreign);
  } catch (error) {
    // After an unknown name the program need not make sense to us any more.
    if (foreign.size > 0) throw foreignGlobals(foreign);
    throw error;
  }
  if (foreign.size > 0) throw foreignGlobals(foreign);
  return result;
}

function foreignGlobals(names: ReadonlySet<string>): FormatError {
  const some = [...names].slice(0, 8);
  const list = `${some.join(", ")}${names.size > some.length ? ` and ${names.size - some.length} more` : ""}`;
  return new FormatError(
    "foreign-globals",
    `the pickle asks for ${list}: it holds objects of Python classes, whose code would have to be run; nothing was. ` +
      "In Python, save the weights alone: torch.save(model.state_dict(), file)",
  );
}

/** A set is written as a list: its elements' order is that of the file. */
const EMPTY: Readonly<Record<number, () => object>> = {
  93: () => new PickleList(),
  125: () => new PickleDict(),
  41: () => new PickleTuple([]),
  143: () => new PickleList(),
};
const CONSTANT: Readonly<Record<number, null | boolean>> = { 78: null, 136: true, 137: false };

function run(bytes: Uint8Array, host: PickleHost, foreign: Set<string>): { value: PickleValue; length: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const memo = new Map<number, PickleValue>();
  let stack: PickleValue[] = [];
  const marks: PickleValue[][] = [];
  let at = 0;

  /** The place of the next `count` bytes. */
  const take = (count: number): number => {
    if (count > bytes.length - at)
      throw new FormatError("truncated", `the pickle ends at ${bytes.length} within an instruction that needs ${count} bytes more`);
    at += count;
    return at - count;
  };
  const damaged = (what: string): FormatError => new FormatError("damaged", `the pickle is damaged: ${what} at ${at}`);
  const pop = (): PickleValue => {
    const value = stack.pop();
    if (value === undefined) throw damaged("an instruction has no operand");
    return value;
  };
  const top = (): PickleValue => {
    const value = stack.at(-1);
    if (value === undefined) throw damaged("an instruction has no operand");
    return value;
  };
  /** What was pushed since the last mark. */
  const popMark = (): PickleValue[] => {
    const items = stack;
    const below = marks.pop();
    if (!below) throw damaged("there is no mark");
    stack = below;
    return items;
  };
  const popTuple = (count: number): PickleTuple => {
    if (stack.length < count) throw damaged("a tuple has too few elements");
    return new PickleTuple(stack.splice(stack.length - count, count));
  };
  const text = (length: number): string => {
    const start = take(length);
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes.subarray(start, at));
    } catch {
      throw damaged("a string is not UTF-8");
    }
  };
  const line = (): string => {
    const end = bytes.subarray(at, at + LIMITS.pickleName).indexOf(0x0a);
    if (end < 0) throw damaged("a name does not end");
    const value = text(end);
    take(1);
    return value;
  };
  const append = (items: readonly PickleValue[]): void => {
    const list = top();
    if (list instanceof PickleCall) return;
    if (!(list instanceof PickleList)) throw damaged("elements are appended to what is no list");
    for (const item of items) list.items.push(item);
  };
  const setItems = (items: readonly PickleValue[]): void => {
    const dict = top();
    if (dict instanceof PickleCall) return;
    if (!(dict instanceof PickleDict) || items.length % 2 !== 0) throw damaged("keys are set in what is no dict");
    for (let i = 0; i < items.length; i += 2) dict.entries.set(items[i]!, items[i + 1]!);
  };
  const call = (): void => {
    const args = pop();
    const callee = pop();
    if (!(callee instanceof PickleGlobal) || !(args instanceof PickleTuple)) throw damaged("something is called that is no function");
    const known = host.allows(callee.module, callee.name) ? host.call(callee, args.items) : undefined;
    stack.push(known === undefined ? new PickleCall(callee, args.items) : known);
  };
  const build = (): void => {
    const state = pop();
    const target = top();
    if (target instanceof PickleCall) target.state = state;
    // An OrderedDict's attributes: a state dict's `_metadata`.
    else if (!(target instanceof PickleDict)) throw damaged("a state is given to what is no object");
  };
  const global = (): void => {
    const written = line();
    const name = line();
    const module = Object.hasOwn(PYTHON_2, written) ? PYTHON_2[written]! : written;
    if (!host.allows(module, name)) foreign.add(clipped(JSON.stringify(`${module}.${name}`).slice(1, -1)));
    stack.push(new PickleGlobal(module, name));
  };
  const recall = (index: number): void => {
    const value = memo.get(index);
    if (value === undefined) throw damaged(`there is nothing in place ${index} of the memo`);
    stack.push(value);
  };

  for (let count = 0; ; count++) {
    if (count === LIMITS.pickleOpcodes) throw new FormatError("too-large", `the pickle has more than the limit of ${LIMITS.pickleOpcodes} instructions`);
    const opcode = bytes[take(1)]!;
    switch (opcode) {
      case 0x80: {
        const protocol = bytes[take(1)]!;
        if (protocol > 2) throw new FormatError("unsupported", `the pickle has protocol ${protocol}; save it with torch.save's own, pickle_protocol=2`);
        break;
      }
      case 0x2e: {
        const value = pop();
        if (stack.length > 0 || marks.length > 0) throw damaged("values are left over");
        return { value, length: at };
      }
      case 0x28:
        marks.push(stack);
        stack = [];
        break;
      case 0x5d:
      case 0x7d:
      case 0x29:
      case 0x8f:
        stack.push(EMPTY[opcode]!());
        break;
      case 0x4e:
      case 0x88:
      case 0x89:
        stack.push(CONSTANT[opcode]!);
        break;
      case 0x4b:
        stack.push(bytes[take(1)]!);
        break;
      case 0x4d:
        stack.push(view.getUint16(take(2), true));
        break;
      case 0x4a:
        stack.push(view.getInt32(take(4), true));
        break;
      case 0x8a: {
        const length = bytes[take(1)]!;
        take(length);
        stack.push(longOf(bytes.subarray(at - length, at)));
        break;
      }
      case 0x47:
        stack.push(view.getFloat64(take(8), false));
        break;
      case 0x58:
        stack.push(text(view.getUint32(take(4), true)));
        break;
      case 0x55:
        stack.push(text(bytes[take(1)]!));
        break;
      case 0x74: {
        const items = popMark();
        stack.push(new PickleTuple(items));
        break;
      }
      case 0x85:
      case 0x86:
      case 0x87:
        stack.push(popTuple(opcode - 0x84));
        break;
      case 0x71:
        memo.set(bytes[take(1)]!, top());
        break;
      case 0x72:
        memo.set(view.getUint32(take(4), true), top());
        break;
      case 0x68:
        recall(bytes[take(1)]!);
        break;
      case 0x6a:
        recall(view.getUint32(take(4), true));
        break;
      case 0x61:
        append([pop()]);
        break;
      case 0x65:
        append(popMark());
        break;
      case 0x73: {
        const value = pop();
        setItems([pop(), value]);
        break;
      }
      case 0x75:
        setItems(popMark());
        break;
      case 0x63:
        global();
        break;
      case 0x52:
      case 0x81:
        call();
        break;
      case 0x62:
        build();
        break;
      case 0x51:
        stack.push(host.persistent(pop()));
        break;
      default: {
        const name = REFUSED[opcode];
        const shownCode = `0x${opcode.toString(16).padStart(2, "0")}`;
        if (name) throw new FormatError("unsupported", `the pickle has the instruction ${name} (${shownCode}), which torch.save does not write`);
        throw damaged(`${shownCode} is no instruction that is read here,`);
      }
    }
  }
}

/** A number in two's complement, little-endian. */
function longOf(bytes: Uint8Array): number | bigint {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!);
  if (bytes.length > 0 && bytes.at(-1)! >= 0x80) value -= 1n << BigInt(8 * bytes.length);
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
}
