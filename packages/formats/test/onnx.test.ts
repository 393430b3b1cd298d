/** @file ONNX files: what is written is read again, in each of the ways elements are stored, and nothing beyond the file. */
import { describe, expect, test } from "vitest";
import { identifyFile } from "../src/identify.ts";
import type { OnnxAttribute } from "../src/onnx/model.ts";
import { bytes, float, int, joined, message, type Piece, text } from "../src/onnx/protobuf.ts";
import { readOnnx } from "../src/onnx/read.ts";
import { encodeOnnx, type OnnxContent } from "../src/onnx/write.ts";
import { bytesSource } from "../src/source.ts";
import { little } from "./support.ts";

const weight = { dtype: "float32", shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, -6) } as const;
const content: OnnxContent = {
  irVersion: 8,
  opset: 17,
  producer: "test",
  metadata: { note: "ünïcode" },
  name: "graph",
  nodes: [
    {
      op: "Gemm",
      domain: "",
      name: "fc",
      inputs: ["x", "w", ""],
      outputs: ["y"],
      attributes: new Map<string, OnnxAttribute>([
        ["alpha", { kind: "float", value: 0.5 }],
        ["transB", { kind: "int", value: -1 }],
        ["mode", { kind: "string", value: "constant" }],
        ["pads", { kind: "ints", value: [0, 2 ** 40, -3] }],
        ["scales", { kind: "floats", value: [1, 0.25] }],
        ["names", { kind: "strings", value: ["a", ""] }],
      ]),
    },
  ],
  initializers: new Map([["w", weight]]),
  inputs: [{ name: "x", dtype: "float32", shape: ["batch", 3, null] }],
  outputs: [{ name: "y", dtype: "int64", shape: [1] }],
};

const refusal = (problem: string, text: string) => expect.objectContaining({ code: "FormatError", problem, message: expect.stringContaining(text) });

test("what is written is read", () => {
  const file = encodeOnnx(content);
  expect(identifyFile(file)).toBe("onnx");
  const { initializers, ...rest } = readOnnx(file);
  const { initializers: _, ...written } = content;
  expect(rest).toEqual({ ...written, domains: {} });
  expect(initializers.get("w")!.read()).toEqual(weight);
});

/** A model with one initializer, its TensorProto made by hand. */
const withTensor = (...pieces: Piece[]): Uint8Array => joined(int(1, 8), message(7, message(5, ...pieces, text(8, "w"))), message(8, int(2, 13)));
const read = (file: Uint8Array, external?: (location: string) => ReturnType<typeof bytesSource>) => {
  const { dtype, shape, data } = readOnnx(file, external ? { external } : {})
    .initializers.get("w")!
    .read();
  return [dtype, [...shape], [...data]];
};

describe("elements", () => {
  test("as bytes, as packed lists and one by one", () => {
    expect(read(withTensor(int(1, 2), int(2, 1), bytes(9, little(0x3f800000 * 2 ** 0, 4)), bytes(9, new Uint8Array(8))))).toEqual(["float32", [2], [0, 0]]);
    expect(read(withTensor(int(1, 2), int(2, 1), float(4, 1.5), float(4, -2)))).toEqual(["float32", [2], [1.5, -2]]);
    expect(read(withTensor(bytes(1, Uint8Array.of(1, 2)), int(2, 7), bytes(7, Uint8Array.of(5, 0x80, 1))))).toEqual(["int64", [1, 2], [5n, 128n]]);
    expect(read(withTensor(int(1, 1), int(2, 10), int(5, 0x3c00)))).toEqual(["float16", [1], [0x3c00]]);
    expect(read(withTensor(int(1, 1), int(2, 3), int(5, -7)))).toEqual(["int8", [1], [-7]]);
  });

  test("in a file beside the model", () => {
    const outside = (location: string): Piece[] =>
      Object.entries({ location, offset: "2", length: "2" }).map(([key, value]) => message(13, text(1, key), text(2, value)));
    const beside = (location: string) => withTensor(int(1, 2), int(2, 2), ...outside(location), int(14, 1));
    const opened: string[] = [];
    const external = (location: string) => {
      opened.push(location);
      return bytesSource(Uint8Array.of(9, 9, 3, 4));
    };
    expect(read(beside("data/weights.bin"), external)).toEqual(["uint8", [2], [3, 4]]);
    for (const location of ["/etc/passwd", "../up", "a/../../b", "C:\\x", "..\\x", "", "a\0b"]) {
      expect(() => read(beside(location), external)).toThrow(refusal("unsupported", "not inside the model's folder"));
    }
    expect(() => read(beside("weights"))).toThrow(refusal("unsupported", "open the model with its folder"));
    expect(opened).toEqual(["data/weights.bin"]);
    expect(() => read(beside("short"), () => bytesSource(Uint8Array.of(1, 2, 3)))).toThrow(refusal("truncated", "the file ends before the weights"));
  });

  const wrong: [what: string, pieces: Piece[], problem: string, text: string][] = [
    ["fewer than the shape", [int(1, 3), int(2, 1), bytes(9, new Uint8Array(8))], "damaged", '"w" is float32 [3] = 12 bytes, but 8 are stored'],
    ["a billion of none", [int(1, 2 ** 30), int(2, 1)], "damaged", "should have 1073741824 elements, but 0 bytes are stored"],
    ["a negative extent", [int(1, -2), int(2, 1)], "damaged", "has shape [-2]"],
    ["strings", [int(1, 1), int(2, 8)], "unsupported", "element type 8 (strings), which is not read"],
    ["too few listed", [int(1, 2), int(2, 7), bytes(7, Uint8Array.of(0x80, 1))], "damaged", "should have 2 elements, but has 1"],
    ["floats of an integer type", [int(1, 1), int(2, 7), float(4, 1)], "damaged", "elements of another type than int64"],
  ];
  test.each(wrong)("%s are refused", (_, pieces, problem, text) => {
    expect(() => read(withTensor(...pieces))).toThrow(refusal(problem, text));
  });
});

test("a file cut at any byte is refused, or is a smaller whole one", () => {
  const file = encodeOnnx(content);
  for (let length = 1; length < file.length; length++) {
    try {
      for (const tensor of readOnnx(file.subarray(0, length)).initializers.values()) tensor.read();
    } catch (error) {
      expect(error, `cut at ${length}`).toEqual(expect.objectContaining({ code: "FormatError" }));
    }
  }
  expect(() => readOnnx(file.subarray(0, 60))).toThrow(refusal("truncated", "not a whole ONNX file"));
});

test("millions of fields, functions and endless numbers are refused", () => {
  expect(() => readOnnx(joined(int(1, 8), bytes(7, new Uint8Array(2 ** 22).fill(8))))).toThrow(refusal("too-large", "more than the limit of 1048576 fields"));
  expect(() => readOnnx(joined(int(1, 8), bytes(7, Uint8Array.of()), bytes(25, Uint8Array.of())))).toThrow(refusal("unsupported", "functions of its own"));
  expect(() => readOnnx(new Uint8Array(12).fill(0xff))).toThrow(refusal("damaged", "a number has more than ten bytes"));
  expect(() => readOnnx(joined(int(1, 8)))).toThrow(refusal("damaged", "it has no graph"));
});
