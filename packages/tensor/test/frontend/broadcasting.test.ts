/** @file Which shape and element type operands meet in, and how tensors are made from numbers. */
import { add, and, type DType, div, eq, evaluate, maximum, mul, type Operand, sum, type Tensor, tensor, type Value, where, zeros } from "@gradalign/tensor";
import { describe, expect, test } from "vitest";

const ofType = (dtype: DType): Tensor => tensor([1, 0], [2], dtype);
const TYPES = ["bool", "uint8", "int32", "float32"] as const;

describe("element types", () => {
  test("two tensors meet in the wider type; arithmetic on bytes is int32", () => {
    const table = TYPES.map((a) => TYPES.map((b) => add(ofType(a), ofType(b)).dtype));
    expect(table).toEqual([
      ["int32", "int32", "int32", "float32"],
      ["int32", "int32", "int32", "float32"],
      ["int32", "int32", "int32", "float32"],
      ["float32", "float32", "float32", "float32"],
    ]);
  });

  test("a whole number takes the tensor's type, a fraction makes float32", () => {
    expect(TYPES.map((type) => mul(ofType(type), 2).dtype)).toEqual(["int32", "int32", "int32", "float32"]);
    expect(TYPES.map((type) => mul(0.5, ofType(type)).dtype)).toEqual(["float32", "float32", "float32", "float32"]);
    expect(add(1, 2).dtype).toBe("float32");
  });

  test("a byte compared with a number too large for bytes does not wrap", () => {
    const x = tensor(Uint8Array.of(44, 255));
    expect([...evaluate(eq(x, 300)).data()]).toEqual([0, 0]);
    expect([...evaluate(add(x, 300)).data()]).toEqual([344, 555]);
  });

  test("quotients are float32, comparisons bool, choices keep the type", () => {
    expect(TYPES.map((type) => div(ofType(type), ofType(type)).dtype)).toEqual(["float32", "float32", "float32", "float32"]);
    expect(TYPES.map((type) => eq(ofType(type), ofType(type)).dtype)).toEqual(["bool", "bool", "bool", "bool"]);
    expect(TYPES.map((type) => where(ofType("bool"), ofType(type), ofType(type)).dtype)).toEqual([...TYPES]);
    expect(and(ofType("bool"), true).dtype).toBe("bool");
  });
});

describe("shapes", () => {
  const shapeOf = (a: Operand, b: Operand): readonly number[] => maximum(a, b).shape;

  test("follow NumPy", () => {
    expect(shapeOf(zeros([3, 1]), zeros([4]))).toEqual([3, 4]);
    expect(shapeOf(zeros([2, 1, 5]), zeros([3, 1]))).toEqual([2, 3, 5]);
    expect(shapeOf(zeros([]), zeros([2, 0]))).toEqual([2, 0]);
    expect(shapeOf(zeros([1]), zeros([0]))).toEqual([0]);
    expect(shapeOf(7, zeros([2]))).toEqual([2]);
  });

  test("an empty sum is zero, also over several axes", () => {
    expect([...evaluate(sum(zeros([3, 0]), [1])).data()]).toEqual([0, 0, 0]);
    expect(evaluate(sum(zeros([0, 4]))).item()).toBe(0);
  });
});

describe("tensor", () => {
  const described = (x: Value): string => `${x.dtype}[${x.shape.join()}]`;

  test("type and shape follow from the data", () => {
    expect(described(tensor(3))).toBe("float32[]");
    expect(described(tensor(true))).toBe("bool[]");
    expect(described(tensor([[1, 2, 3]]))).toBe("float32[1,3]");
    expect(described(tensor([[true], [false]]))).toBe("bool[2,1]");
    expect(described(tensor([true, 2]))).toBe("float32[2]");
    expect(described(tensor([]))).toBe("float32[0]");
    expect(described(tensor([[], []]))).toBe("float32[2,0]");
    expect(described(tensor(new Uint8Array(6), [2, 3]))).toBe("uint8[2,3]");
    expect(described(tensor(new Float64Array(2)))).toBe("float32[2]");
    expect(described(tensor(new Uint32Array(2)))).toBe("int32[2]");
    expect(described(tensor([1, 2, 3, 4], [2, 2], "int32"))).toBe("int32[2,2]");
  });

  test("copies its data, in and out", () => {
    const source = Float32Array.of(1, 2);
    const x = tensor(source);
    source[0] = 9;
    x.data()[1] = 9;
    expect([...x.data()]).toEqual([1, 2]);
  });

  test("conversions on the way in", async () => {
    expect([...tensor([3, 0, -1], [3], "bool").data()]).toEqual([1, 0, 1]);
    expect([...tensor(Uint32Array.of(0x7fffffff)).data()]).toEqual([2 ** 31 - 1]);
    expect([...(await tensor([1.5, 2]).read())]).toEqual([1.5, 2]);
    expect(tensor([[2.5]]).item()).toBe(2.5);
  });
});
