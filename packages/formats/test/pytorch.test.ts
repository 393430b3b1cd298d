/** @file PyTorch's files: what torch wrote is read, what would run code is not, and no file gets more than it has. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it, test } from "vitest";
import { crc32 } from "../src/crc32.ts";
import { openWeights } from "../src/identify.ts";
import { PickleDict } from "../src/pickle.ts";
import { readPytorch } from "../src/pytorch.ts";
import { toFloat32 } from "../src/tensor.ts";
import { bytesOf, little, op, type Part, pytorchZip, tensorPickle, zipOf } from "./support.ts";

const FIXTURES = new URL("./fixtures/", import.meta.url);
const names = readdirSync(FIXTURES).filter((name) => name.startsWith("torch-"));
const fixture = (name: string): Uint8Array => readFileSync(new URL(name, FIXTURES));
const versions = [...new Set(names.map((name) => name.split("-")[1]!))];
const forms = versions.flatMap((version) => ["zip", "legacy"].map((form) => `torch-${version}-${form}`));

const refusal = (problem: string, message: string) => expect.objectContaining({ code: "FormatError", problem, message: expect.stringContaining(message) });
/** 0, 1, 2, … picked by place. */
const numbers = (count: number, at: (i: number) => number = (i) => i): number[] => Array.from({ length: count }, (_, i) => at(i));

describe.each(forms)("%s", (form) => {
  test("every element type and view", () => {
    const { format, tensors } = openWeights(fixture(`${form}-kinds.pth`));
    expect(form.endsWith(format.replace("pytorch", ""))).toBe(true);
    const elements = (name: string): [string, readonly number[], number[]] => {
      const { dtype, shape, data } = tensors.get(name)!.read();
      return [dtype, shape, [...toFloat32({ dtype, shape, data })]];
    };
    expect(elements("base")).toEqual(["float32", [2, 3, 4], numbers(24)]);
    expect(elements("transposed")).toEqual(["float32", [4, 2, 3], numbers(24, (i) => Math.floor(i / 6) + 4 * (i % 6))]);
    expect(elements("row")).toEqual(["float32", [3, 4], numbers(12, (i) => 12 + i)]);
    expect(elements("strided")).toEqual(["float32", [2, 2, 3], [1, 2, 3, 9, 10, 11, 13, 14, 15, 21, 22, 23]]);
    expect(elements("repeated")).toEqual(["float32", [5], numbers(5, () => 1)]);
    expect(elements("parameter")).toEqual(["float32", [3, 4], numbers(12)]);
    expect(elements("channels_last")).toEqual(["float32", [2, 3, 2, 2], numbers(24)]);
    expect(elements("empty")).toEqual(["float32", [0, 3], []]);
    expect(elements("scalar")).toEqual(["int64", [], [3]]);
    expect(elements("bool")).toEqual(["bool", [2], [1, 0]]);
    for (const dtype of ["float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8"])
      expect(elements(dtype)).toEqual([dtype, [3], [0, 1, 2]]);
    for (const dtype of ["uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2"]) {
      if (tensors.has(dtype)) expect(elements(dtype)).toEqual([dtype, [3], [0, 1, 2]]);
    }
  });

  test("wrappers and prefixes, told; what else is there, listed", () => {
    const found = openWeights(fixture(`${form}-wrapped.pth`));
    expect(found.wrappers).toEqual(["last", "state_dict"]);
    expect(found.prefixes).toEqual(["module.", "model."]);
    expect([...found.tensors.keys()]).toEqual(["conv.weight", "conv.bias", "mu"]);
    expect([...toFloat32(found.tensors.get("conv.bias")!.read())]).toEqual([1, 2, 3, 4]);
    expect(found.others).toMatchObject({
      epoch: "3",
      args: "argparse.Namespace",
      size: "a tuple of 2",
      big: String(2n ** 80n),
      negative: "-70000",
      losses: "a list of 2",
    });
    const best = openWeights(fixture(`${form}-wrapped.pth`), { part: "best" });
    expect([best.wrappers, [...toFloat32(best.tensors.get("conv.weight")!.read())]]).toEqual([
      ["best", "state_dict"],
      [-0, -1, -2, -3],
    ]);
    expect(() => openWeights(fixture(`${form}-wrapped.pth`), { part: "ema" })).toThrow(refusal("unsupported", 'no part "ema"; it has epoch, last, best'));
  });

  test("objects of classes are refused, with the classes' names", () => {
    expect(() => openWeights(fixture(`${form}-foreign.pth`))).toThrow(refusal("foreign-globals", "the pickle asks for __main__.Foreign"));
  });

  test("a file cut at any byte says that it is cut", () => {
    const file = fixture(`${form}-wrapped.pth`);
    for (let length = 0; length < file.length; length += 1 + Math.floor(file.length / 400)) {
      expect(() => openWeights(file.subarray(0, length)), `cut at ${length}`).toThrow(expect.objectContaining({ code: "FormatError" }));
    }
    expect(() => openWeights(file.subarray(0, file.length - 1))).toThrow(refusal("truncated", "truncated"));
  });
});

test.each(names.filter((name) => name.includes("script")))("%s is refused as TorchScript", (name) => {
  expect(() => openWeights(fixture(name))).toThrow(refusal("torchscript", "a TorchScript program (torch.jit.save), not weights"));
});

test.each(names.filter((name) => name.includes("unsummed")))("%s, written without checksums, is read", (name) => {
  expect([...toFloat32(openWeights(fixture(name)).tensors.get("base")!.read())]).toEqual(numbers(24));
});

describe("what is no model says what it is", () => {
  const cases: [what: string, file: Uint8Array, problem: string, message: string][] = [
    ["an HTML page", bytesOf("\n <!DOCTYPE html><html>Sign in</html>"), "html", "an HTML page, not a model"],
    ["a page after a byte order mark", bytesOf(0xef, 0xbb, 0xbf, "<html>"), "html", "an HTML page"],
    ["a Git LFS pointer", bytesOf("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"), "git-lfs", "run git lfs pull"],
    ["a server's message", bytesOf('{"error": "not found"}'), "json-text", "JSON text, not a model"],
    ["an empty file", new Uint8Array(0), "truncated", "the file is empty"],
    ["a tar archive", bytesOf("storages", new Uint8Array(249), "ustar"), "tar", "a tar archive"],
    ["a gzip file", bytesOf(0x1f, 0x8b, 8), "archive", "unpack it first"],
    ["HDF5", bytesOf(0x89, "HDF\r\n"), "hdf5", "HDF5"],
    ["NumPy arrays", zipOf({ "a.npy": Uint8Array.of(1) }), "archive", "it holds NumPy arrays (.npz)"],
    ["a bare pickle", bytesOf(0x80, 4, 0x95), "unsupported", "a bare pickle"],
    ["noise", Uint8Array.from({ length: 64 }, (_, i) => (i * 77 + 5) & 255), "unknown", "neither a PyTorch, a safetensors nor an ONNX file"],
  ];
  it.each(cases)("%s", (_, file, problem, message) => {
    expect(() => openWeights(file)).toThrow(refusal(problem, message));
  });
});

describe("a pickle", () => {
  const read = (...parts: Part[]) => readPytorch(pytorchZip(bytesOf(op.proto, ...parts, op.stop)));

  test("calls nothing, and is refused for what it would call", () => {
    const attack = bytesOf(op.global("os", "system"), op.mark, op.text("touch owned"), op.tuple, op.reduce);
    expect(() => read(attack)).toThrow(refusal("foreign-globals", "the pickle asks for os.system: it holds objects of Python classes"));
    expect(() => read(op.global("__builtin__", "eval"), op.mark, op.text("1"), op.tuple, op.reduce)).toThrow(refusal("foreign-globals", "builtins.eval"));
    expect(() => read(op.global("torch", "__class__"))).toThrow(refusal("foreign-globals", "torch.__class__"));
    expect(() => read(op.global("__proto__", "constructor"))).toThrow(refusal("foreign-globals", "__proto__.constructor"));
  });

  test("names every class it needs, wherever the program breaks off", () => {
    expect(() => read(op.global("a", "B"), op.global("c", "D"), op.reduce)).toThrow(refusal("foreign-globals", "the pickle asks for a.B, c.D: it"));
  });

  test("may contain itself", () => {
    const { value } = read(op.emptyDict, op.put(0), op.text("self"), op.get(0), op.setItem);
    expect(value instanceof PickleDict && value.entries.get("self") === value).toBe(true);
  });

  const broken: [what: string, parts: Part[], problem: string, message: string][] = [
    ["an unknown instruction", [0xff], "damaged", "0xff is no instruction that is read here"],
    ["another protocol's instruction", [0x93], "unsupported", "the instruction STACK_GLOBAL (0x93), which torch.save does not write"],
    ["a later protocol", [0x80, 4], "unsupported", "the pickle has protocol 4"],
    ["no operand", [op.append], "damaged", "an instruction has no operand"],
    ["no mark", [op.tuple], "damaged", "there is no mark"],
    ["an empty memo", [op.get(3)], "damaged", "nothing in place 3"],
    ["values left over", [op.emptyDict, op.emptyDict], "damaged", "values are left over"],
    ["a string that is too long", ["X", little(2 ** 32 - 1, 4)], "truncated", "within an instruction"],
    ["a call of no function", [op.text("x"), op.emptyTuple, op.reduce], "damaged", "something is called that is no function"],
    ["a list as a dict", [op.emptyList, op.text("a"), op.text("b"), op.setItem], "damaged", "keys are set in what is no dict"],
    ["a state for a list", [op.emptyList, op.emptyDict, op.build], "damaged", "a state is given to what is no object"],
    ["bad UTF-8", ["X", little(1, 4), 0xff], "damaged", "a string is not UTF-8"],
    ["an endless name", ["c", "a".repeat(2000)], "damaged", "a name does not end"],
    ["millions of instructions", [new Uint8Array(2 ** 21).fill(0x4e)], "too-large", "more than the limit of 2097152 instructions"],
  ];
  test.each(broken)("with %s", (_, parts, problem, message) => {
    expect(() => read(...parts)).toThrow(refusal(problem, message));
  });
});

describe("tensors", () => {
  const six = new Uint8Array(Float32Array.from({ length: 6 }, (_, i) => i).buffer);
  const file = (tensor: Uint8Array, storages: Readonly<Record<string, Uint8Array>> = { 0: six }) =>
    pytorchZip(bytesOf(op.proto, op.emptyDict, op.text("w"), tensor, op.setItem, op.stop), storages);
  const read = (tensor: Uint8Array, storages?: Readonly<Record<string, Uint8Array>>) => [
    ...toFloat32(openWeights(file(tensor, storages)).tensors.get("w")!.read()),
  ];

  test("are views of their storage", () => {
    expect(read(tensorPickle())).toEqual([0, 1, 2, 3, 4, 5]);
    expect(read(tensorPickle({ offset: 1, size: [2, 2], stride: [1, 3] }))).toEqual([1, 4, 2, 5]);
    expect(read(tensorPickle({ size: [0, 2 ** 30], stride: [1, 1] }))).toEqual([]);
  });

  const wrong: [what: string, options: Parameters<typeof tensorPickle>[0], problem: string, message: string][] = [
    ["beyond the storage", { offset: 1 }, "damaged", 'a tensor reaches element 6 of storage "0", which has 6'],
    ["with a stride beyond it", { stride: [4, 1] }, "damaged", "a tensor reaches element 6"],
    ["of a negative size", { size: [-2, -3] }, "damaged", 'a tensor of storage "0" has no size'],
    ["with fewer strides", { stride: [1] }, "damaged", "has no size"],
    ["repeated a billion times", { size: [2 ** 30], stride: [0] }, "too-large", "a tensor of 1073741824 elements repeats a storage of 6"],
    ["of overflowing sizes", { size: Array(60).fill(2 ** 30), stride: Array(60).fill(0) }, "too-large", "repeats a storage of 6"],
    ["of another storage", { key: "7" }, "damaged", 'its storage "7" is not there'],
    ["of a shorter storage", { count: 7 }, "damaged", 'its storage "0" should have 28 bytes, but has 24'],
  ];
  test.each(wrong)("%s are refused", (_, options, problem, message) => {
    expect(() => read(tensorPickle(options))).toThrow(refusal(problem, message));
  });

  test("many names of one storage do not make a file larger than it is", () => {
    const size = 2 ** 22;
    const names = numbers(20).map((i) =>
      bytesOf(op.text(`w${i}`), i === 0 ? bytesOf(tensorPickle({ count: size, size: [size], stride: [1] }), op.put(1)) : op.get(1)),
    );
    const many = pytorchZip(bytesOf(op.proto, op.emptyDict, ...names.flatMap((name) => [name, op.setItem]), op.stop), { 0: new Uint8Array(4 * size) });
    expect(() => openWeights(many)).toThrow(refusal("too-large", "its tensors would take 335544320 bytes"));
  });

  test("of altered, moved or compressed entries are refused", () => {
    const pickle = bytesOf(op.proto, op.emptyDict, op.text("w"), tensorPickle(), op.setItem, op.stop);
    const entries = { "a/data.pkl": pickle, "a/data/0": six };
    const load = (wrong: Parameters<typeof zipOf>[1]) => openWeights(zipOf(entries, wrong)).tensors.get("w")!.read();
    expect([...toFloat32(load({}))]).toEqual(numbers(6));
    expect(() => load({ "a/data/0": { crc: 1 } })).toThrow(refusal("damaged", 'the entry "a/data/0" is altered: its checksum is'));
    expect(() => load({ "a/data/0": { localName: "a/data/1" } })).toThrow(refusal("damaged", 'is called "a/data/1" where it lies'));
    expect(() => load({ "a/data/0": { method: 8 } })).toThrow(refusal("unsupported", "is compressed; torch.save stores entries as they are"));
  });
});

test("the checksum is CRC-32's", () => {
  expect(crc32(bytesOf("123456789"))).toBe(0xcbf43926);
  expect(crc32(new Uint8Array(0))).toBe(0);
});
