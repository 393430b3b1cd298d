/**
 * @file PyTorch's .pth and .pt files: the zip form (since 1.6) and the legacy form, read without running anything.
 *
 * Either is a pickle in which tensors are views of numbered storages, and the storages' bytes. Formats: torch/serialization.py and
 * torch/_utils.py of PyTorch.
 */
import { FormatError } from "./errors.ts";
import { shown } from "./json.ts";
import { LIMITS } from "./limits.ts";
import { PickleDict, PickleGlobal, type PickleHost, PickleList, PickleTuple, type PickleValue, readPickle } from "./pickle.ts";
import { type ByteSource, readRange, sourceOf } from "./source.ts";
import { elementBytes, elementCount, type FileTensor, STORED_ARRAYS, type StoredDType, type StoredTensor } from "./tensor.ts";
import { readZip, type ZipEntry } from "./zip.ts";

/** A PyTorch file: what was saved, its tensors unread. */
export interface PytorchFile {
  readonly form: "zip" | "legacy";
  readonly value: PickleValue;
}

/** A tensor in a PyTorch file: a view of a storage. */
export class PytorchTensor implements FileTensor {
  readonly dtype: StoredDType;
  readonly shape: readonly number[];
  readonly #read: () => StoredTensor;
  constructor(dtype: StoredDType, shape: readonly number[], read: () => StoredTensor) {
    this.dtype = dtype;
    this.shape = shape;
    this.#read = read;
  }
  read(): StoredTensor {
    return this.#read();
  }
}

/** A storage: `bytes` reads it whole. */
class Storage {
  readonly key: string;
  readonly dtype: StoredDType;
  /** In elements of `dtype`. */
  readonly count: number;
  readonly bytes: () => Uint8Array;
  constructor(key: string, dtype: StoredDType, count: number, bytes: () => Uint8Array) {
    this.key = key;
    this.dtype = dtype;
    this.count = count;
    this.bytes = bytes;
  }
}

const STORAGES: Readonly<Record<string, StoredDType>> = {
  DoubleStorage: "float64",
  FloatStorage: "float32",
  HalfStorage: "float16",
  BFloat16Storage: "bfloat16",
  LongStorage: "int64",
  IntStorage: "int32",
  ShortStorage: "int16",
  CharStorage: "int8",
  ByteStorage: "uint8",
  BoolStorage: "bool",
  UntypedStorage: "uint8",
};

/** torch's names of element types, aliases included. */
const DTYPES: ReadonlyMap<string, StoredDType> = new Map([
  ...(Object.keys(STORED_ARRAYS) as StoredDType[]).map((dtype) => [dtype, dtype] as const),
  ["double", "float64"],
  ["float", "float32"],
  ["half", "float16"],
  ["long", "int64"],
  ["int", "int32"],
  ["short", "int16"],
]);

const REBUILDERS = ["_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_parameter", "_rebuild_parameter_with_state"];

/** What is plain data, or stays a record of a call: settings and numbers of NumPy that training scripts save beside the weights. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  collections: ["OrderedDict"],
  "torch._utils": REBUILDERS,
  torch: [...Object.keys(STORAGES), ...DTYPES.keys(), "Size", "device"],
  "torch.storage": ["UntypedStorage"],
  builtins: ["set", "bytearray", "complex"],
  _codecs: ["encode"],
  argparse: ["Namespace"],
  numpy: ["dtype", "ndarray"],
  "numpy.core.multiarray": ["scalar", "_reconstruct"],
  "numpy._core.multiarray": ["scalar", "_reconstruct"],
};

const MAGIC = 0x1950a86a20f9469cfc6cn;
const PROTOCOL = 1001;

const damaged = (what: string): FormatError => new FormatError("damaged", `not a valid PyTorch file: ${what}`);

/**
 * Reads a PyTorch file, zip or legacy. Nothing in it is run, and no tensor's elements are read yet.
 *
 * @throws FormatError saying what the file is, or what is wrong with it.
 */
export function readPytorch(input: Uint8Array | ByteSource): PytorchFile {
  const source = sourceOf(input);
  const first = source.read(0, Math.min(4, source.size));
  return first[0] === 0x50 && first[1] === 0x4b ? readZipForm(source) : readLegacyForm(source);
}

function readZipForm(source: ByteSource): PytorchFile {
  const entries = readZip(source);
  const pickles = [...entries.keys()].filter((name) => name.endsWith("/data.pkl"));
  const root = pickles[0]?.slice(0, -"data.pkl".length);
  if (root === undefined || pickles.length > 1) {
    const numpy = [...entries.keys()].some((name) => name.endsWith(".npy"));
    throw new FormatError("archive", `a zip file, but not PyTorch's: it has no data.pkl${numpy ? "; it holds NumPy arrays (.npz)" : ""}`);
  }
  if (entries.has(`${root}constants.pkl`) || [...entries.keys()].some((name) => name.startsWith(`${root}code/`))) {
    throw new FormatError(
      "torchscript",
      "a TorchScript program (torch.jit.save), not weights. In Python: torch.save(torch.jit.load(file).state_dict(), other)",
    );
  }
  const swapped = entries.has(`${root}byteorder`) && textOf(entries.get(`${root}byteorder`)!.read()) === "big";
  const pickle = entries.get(`${root}data.pkl`)!;
  if (pickle.size > LIMITS.pickle) throw tooLarge(pickle.size);
  const host = hostOf((key, dtype, count) => {
    const entry = entries.get(`${root}data/${key}`);
    checkStorage(key, dtype, count, entry);
    return new Storage(key, dtype, count, () => ordered(entry.read(), dtype, swapped));
  }, false);
  const bytes = pickle.read();
  const { value, length } = readPickle(bytes, host);
  if (length !== bytes.length) throw damaged(`its pickle ends at ${length} of ${bytes.length} bytes`);
  return { form: "zip", value };
}

function checkStorage(key: string, dtype: StoredDType, count: number, entry: ZipEntry | undefined): asserts entry {
  if (!entry) throw damaged(`its storage ${shown(key)} is not there`);
  const expected = count * elementBytes(dtype);
  if (entry.size !== expected) throw damaged(`its storage ${shown(key)} should have ${expected} bytes, but has ${entry.size}`);
}

function readLegacyForm(source: ByteSource): PytorchFile {
  let at = 0;
  const next = (host: PickleHost): PickleValue => {
    const window = source.read(at, Math.min(source.size, at + LIMITS.pickle));
    try {
      const { value, length } = readPickle(window, host);
      at += length;
      return value;
    } catch (error) {
      if (error instanceof FormatError && error.problem === "truncated" && window.length === LIMITS.pickle) throw tooLarge(source.size);
      throw error;
    }
  };
  const plain: PickleHost = {
    allows: () => false,
    call: () => undefined,
    persistent: () => {
      throw damaged("its beginning has a storage");
    },
  };
  if (next(plain) !== MAGIC || next(plain) !== PROTOCOL) throw damaged("it does not begin as torch.save's files do");
  const system = next(plain);
  const swapped = system instanceof PickleDict && system.entries.get("little_endian") === false;
  const places = new Map<string, number>();
  const storages = new Map<string, Storage>();
  const host = hostOf((key, dtype, count) => {
    const storage = new Storage(key, dtype, count, () => {
      const start = places.get(key);
      if (start === undefined) throw damaged(`its storage ${shown(key)} is not there`);
      return ordered(readRange(source, start, count * elementBytes(dtype), `the storage ${shown(key)}`), dtype, swapped);
    });
    storages.set(key, storage);
    return storage;
  }, true);
  const value = next(host);
  const keys = next(plain);
  if (!(keys instanceof PickleList)) throw damaged("the list of its storages is not there");
  for (const key of keys.items) {
    const storage = typeof key === "string" ? storages.get(key) : undefined;
    if (!storage || places.has(storage.key))
      throw damaged(`it lists the storage ${shown(String(key))}, which ${storage ? "it has listed before" : "nothing uses"}`);
    const header = readRange(source, at, 8, `the storage ${shown(storage.key)}`);
    const count = new DataView(header.buffer, header.byteOffset, 8).getBigInt64(0, true);
    if (count !== BigInt(storage.count)) throw damaged(`its storage ${shown(storage.key)} should have ${storage.count} elements, but has ${count}`);
    const size = storage.count * elementBytes(storage.dtype);
    if (at + 8 + size > source.size)
      throw new FormatError("truncated", `the file ends within the storage ${shown(storage.key)}: it is truncated; get or copy it again`);
    places.set(storage.key, at + 8);
    at += 8 + size;
  }
  for (const key of storages.keys()) if (!places.has(key)) throw damaged(`its storage ${shown(key)} is not there`);
  if (at !== source.size) throw damaged(`${source.size - at} bytes follow its last storage`);
  return { form: "legacy", value };
}

/** What names and storages mean; `views` of storages occur in the legacy form only. */
function hostOf(open: (key: string, dtype: StoredDType, count: number) => Storage, views: boolean): PickleHost {
  const storages = new Map<string, Storage>();
  return {
    allows: (module, name) => Object.hasOwn(ALLOWED, module) && ALLOWED[module]!.includes(name),
    call: ({ module, name }, args) => {
      if (module === "torch._utils") return name.startsWith("_rebuild_parameter") ? parameterOf(args) : tensorOf(name, args);
      if (module === "collections") return dictOf(args);
      if (module === "builtins" && name === "set") return args[0] instanceof PickleList ? args[0] : new PickleList();
      if (module === "torch" && name === "Size") return args[0] instanceof PickleTuple ? args[0] : new PickleTuple([]);
      return undefined;
    },
    persistent: (id) => {
      const parts = id instanceof PickleTuple ? id.items : [];
      const [what, type, key, , count, view = null] = parts;
      const dtype = type instanceof PickleGlobal && Object.hasOwn(STORAGES, type.name) ? STORAGES[type.name] : undefined;
      if (what !== "storage" || !dtype || typeof key !== "string" || !isCount(count) || parts.length !== (views ? 6 : 5)) {
        throw damaged("a storage is not described as torch.save does");
      }
      if (view !== null) throw new FormatError("unsupported", "a storage that is a part of another one (PyTorch 0.3 or older); save it again with a newer one");
      const known = storages.get(key);
      if (known && (known.dtype !== dtype || known.count !== count)) throw damaged(`its storage ${shown(key)} is described in two ways`);
      const storage = known ?? open(key, dtype, count);
      storages.set(key, storage);
      return storage;
    },
  };
}

/** `_rebuild_tensor[_v2|_v3](storage, offset, size, stride, …)`; offset and strides are in elements. */
function tensorOf(rebuilder: string, args: readonly PickleValue[]): PytorchTensor {
  const [storage, offset, size, stride] = args;
  if (!(storage instanceof Storage)) throw damaged("a tensor has no storage");
  const sizes = size instanceof PickleTuple ? size.items : [];
  const strides = stride instanceof PickleTuple ? stride.items : [];
  if (!isCount(offset) || !sizes.every(isCount) || !strides.every(isCount) || sizes.length !== strides.length) {
    throw damaged(`a tensor of storage ${shown(storage.key)} has no size`);
  }
  let { dtype, count } = storage;
  if (rebuilder === "_rebuild_tensor_v3") {
    const type = args[6];
    const named = type instanceof PickleGlobal ? DTYPES.get(type.name) : undefined;
    if (!named) throw damaged(`a tensor of storage ${shown(storage.key)} has no element type`);
    count = Math.floor((count * elementBytes(dtype)) / elementBytes(named));
    dtype = named;
  }
  const elements = elementCount(sizes);
  if (sizes.length > LIMITS.axes) throw new FormatError("too-large", `a tensor has ${sizes.length} axes, more than the limit of ${LIMITS.axes}`);
  if (elements > Math.max(count, LIMITS.repeatedElements)) {
    throw new FormatError("too-large", `a tensor of ${elements} elements repeats a storage of ${count}`);
  }
  const last = sizes.reduce((sum, extent, axis) => sum + (extent - 1) * strides[axis]!, offset);
  if (elements > 0 && !(last < count)) throw damaged(`a tensor reaches element ${last} of storage ${shown(storage.key)}, which has ${count}`);
  const read = (): StoredTensor => {
    const array = new STORED_ARRAYS[dtype](elements);
    const target = new Uint8Array(array.buffer);
    copyStrided(storage.bytes(), target, { width: elementBytes(dtype), offset, sizes, strides });
    if (dtype === "bool" && target.some((byte) => byte > 1)) throw damaged(`the storage ${shown(storage.key)} is bool but has bytes other than 0 and 1`);
    return { dtype, shape: sizes, data: array };
  };
  return new PytorchTensor(dtype, sizes, read);
}

/** Copies the elements of a strided view in row-major order; a run of neighbours at a time. */
function copyStrided(
  from: Uint8Array,
  to: Uint8Array,
  view: { readonly width: number; readonly offset: number; readonly sizes: readonly number[]; readonly strides: readonly number[] },
): void {
  if (to.length === 0) return;
  const { width, offset, sizes, strides } = view;
  let axes = sizes.length;
  let run = 1;
  while (axes > 0 && (strides[axes - 1] === run || sizes[axes - 1] === 1)) run *= sizes[--axes]!;
  const index = new Array<number>(axes).fill(0);
  for (let at = 0, start = offset; at < to.length; at += run * width) {
    to.set(from.subarray(start * width, (start + run) * width), at);
    for (let axis = axes - 1; axis >= 0; axis--) {
      start += strides[axis]!;
      if (++index[axis]! < sizes[axis]!) break;
      start -= sizes[axis]! * strides[axis]!;
      index[axis] = 0;
    }
  }
}

function parameterOf([tensor]: readonly PickleValue[]): PytorchTensor {
  if (!(tensor instanceof PytorchTensor)) throw damaged("a parameter has no tensor");
  return tensor;
}

/** An OrderedDict: empty, or with Python 2's list of pairs. */
function dictOf([pairs]: readonly PickleValue[]): PickleDict {
  const dict = new PickleDict();
  for (const pair of pairs instanceof PickleList ? pairs.items : []) {
    const items = pair instanceof PickleList || pair instanceof PickleTuple ? pair.items : [];
    if (items.length !== 2) throw damaged("an OrderedDict is made of what are no pairs");
    dict.entries.set(items[0]!, items[1]!);
  }
  return dict;
}

function isCount(value: PickleValue | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** Bytes in little-endian order. */
function ordered(bytes: Uint8Array, dtype: StoredDType, swapped: boolean): Uint8Array {
  const width = elementBytes(dtype);
  if (!swapped || width === 1) return bytes;
  const result = new Uint8Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) result[i - (i % width) + width - 1 - (i % width)] = bytes[i]!;
  return result;
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function tooLarge(size: number): FormatError {
  return new FormatError("too-large", `the file's pickle has ${size} bytes, more than the limit of ${LIMITS.pickle}`);
}
