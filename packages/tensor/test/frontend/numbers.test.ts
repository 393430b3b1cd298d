/** @file Numbers at the boundary: what an element type does not hold, and positions that are none, are refused by every operation. */
import {
  add,
  and,
  broadcastAlong,
  broadcastTo,
  clamp,
  conv2d,
  conv2dFilterGrad,
  conv2dInputGrad,
  convert,
  type DType,
  eq,
  evaluate,
  flip,
  foldIn,
  full,
  GradalignError,
  gather,
  ge,
  gt,
  InvariantError,
  iota,
  jit,
  le,
  lt,
  maximum,
  minimum,
  mul,
  ne,
  normal,
  type Operand,
  ones,
  or,
  pad,
  permutation,
  randomBits,
  randomKey,
  reshape,
  type Shape,
  shiftRight,
  slice,
  split,
  sub,
  sum,
  tensor,
  transpose,
  uniform,
  type Value,
  where,
  xor,
  zeros,
} from "@gradalign/tensor";
import { describe, expect, test } from "vitest";
import { apply } from "../../src/ops/definition.ts";
import { openDevices } from "../support/devices.ts";

const { tested } = await openDevices();

/** `class: message` of what a function throws on purpose. */
function thrown(f: () => unknown): string {
  try {
    f();
  } catch (error) {
    expect(error).toBeInstanceOf(GradalignError);
    expect(error).not.toBeInstanceOf(InvariantError);
    return `${(error as GradalignError).code}: ${(error as GradalignError).message}`;
  }
  return "nothing";
}

const x = zeros([2, 3, 4]);
const line = zeros([10]);
const ints = tensor(Int32Array.of(-5, 0, 7));
const image = zeros([2, 3, 4, 4]);
const filter = zeros([5, 3, 3, 3]);
const key = randomKey(5);
/** Numbers that are no positions. */
const NO_POSITIONS = [0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, 2 ** 53];

describe("an element type's numbers", () => {
  const BINARY: Record<string, (a: Operand, b: Operand) => Value> = { add, sub, mul, maximum, minimum, eq, ne, lt, le, gt, ge, and, or, xor };

  test.each(Object.entries(BINARY))("%s of int32 and a number beyond it names both", (name, f) => {
    for (const number of [2 ** 31, 3e9, -(2 ** 31) - 1, 2 ** 53]) {
      expect(thrown(() => f(ints, number))).toContain(`DTypeError: ${name}: ${number} is not a value of int32`);
      expect(thrown(() => f(number, ints))).toContain(`DTypeError: ${name}: ${number} is not a value of int32`);
    }
    expect(f(ints, 2 ** 31 - 1).shape).toEqual([3]);
    expect(f(-(2 ** 31), ints).shape).toEqual([3]);
  });

  test("where, clamp and the numbers of constants", () => {
    expect(thrown(() => where(tensor([true, false, true]), ints, 3e9))).toMatch(/^DTypeError: where: 3000000000 is not a value of int32/);
    expect(thrown(() => clamp(ints, 0, 3e9))).toMatch(/^DTypeError: .*3000000000 is not a value of int32/);
    expect(thrown(() => full([2], 2.5, "int32"))).toMatchInlineSnapshot(
      `"DTypeError: full: 2.5 is not a value of int32, which holds integers from -2147483648 to 2147483647; compute in float32 instead, with convert(x, "float32")"`,
    );
    expect(thrown(() => mul(line, 1e39))).toMatchInlineSnapshot(
      `"DTypeError: mul: 1e+39 is not a value of float32, which holds numbers up to 3.4028234663852886e+38, infinities and NaN; write Infinity where that is meant"`,
    );
    const refused: [DType, number[]][] = [
      ["int32", [0.5, Number.NaN, Number.NEGATIVE_INFINITY, 2 ** 31]],
      ["uint8", [-1, 256, 0.5, Number.NaN]],
      ["bool", [2, -1, 0.5, Number.NaN]],
      ["float32", [1e39, -3.5e38]],
    ];
    for (const [dtype, numbers] of refused)
      for (const number of numbers) expect(thrown(() => full([2], number, dtype))).toMatch(/^DTypeError: full: .* is not a value of/);
    for (const dtype of ["uint8", "bool"] as const)
      expect(thrown(() => pad(zeros([2], dtype), [[1, 1]], 300))).toContain(`pad: 300 is not a value of ${dtype}`);
    expect(thrown(() => full([2], "1" as never))).toMatch(/^DTypeError: full: 1 is not a value of float32/);
  });

  test("infinities, NaN and fractions make a comparison with integers one of floats", () => {
    const compared = (value: Value): number[] => [...evaluate(value).data()];
    expect(compared(lt(ints, Number.POSITIVE_INFINITY))).toEqual([1, 1, 1]);
    expect(compared(gt(ints, Number.NaN))).toEqual([0, 0, 0]);
    expect(compared(gt(ints, -0.5))).toEqual([0, 1, 1]);
    expect(compared(mul(ints, 0.5))).toEqual([-2.5, 0, 3.5]);
  });

  test.each(tested)("what fits stays itself: %s", async (_, device) => {
    const sums = jit((v: Value) => add(v, 2 ** 31 - 8), { device })(ints);
    expect([...(await sums.read())]).toEqual([2 ** 31 - 13, 2 ** 31 - 8, 2 ** 31 - 1]);
    const largest = jit((v: Value) => maximum(v, 3.4028234663852886e38), { device })(tensor([1]));
    expect([...(await largest.read())]).toEqual([3.4028234663852886e38]);
  });

  test("a type that does not exist is not taken for another", () => {
    const int16 = "int16" as DType;
    expect(thrown(() => tensor([1], [1], int16))).toMatchInlineSnapshot(
      `"DTypeError: tensor: an element type is one of float32, int32, uint8, bool, got "int16""`,
    );
    expect(thrown(() => convert(line, int16))).toMatch(/^DTypeError: convert: an element type is one of .*"int16"$/);
    expect(thrown(() => full([2], 1, int16))).toMatch(/^DTypeError: full: an element type is one of/);
  });

  test("the operations themselves are checked, not only their public names", () => {
    expect(thrown(() => apply("pad", [line], { low: [0.5], high: [0], interior: [0], value: 0 }))).toMatch(/^ShapeError: pad: low must be whole numbers/);
    expect(thrown(() => apply("random-bits", [key, tensor(0, [], "int32")], { shape: [-1] }))).toMatch(/^ShapeError: randomBits: every extent/);
    expect(thrown(() => apply("iota", [], { shape: [3], axis: 0.5 }))).toMatch(/^ShapeError: iota: axis must be whole numbers/);
  });
});

describe("tensor", () => {
  test("refuses elements that the type does not hold, and says which", () => {
    expect(thrown(() => tensor(3e9, [], "int32"))).toMatch(/^DTypeError: tensor: element 0, 3000000000 is not a value of int32/);
    expect(
      thrown(() =>
        tensor(
          [
            [1, 2],
            [3, 2.5],
          ],
          [2, 2],
          "int32",
        ),
      ),
    ).toMatch(/^DTypeError: tensor: element 3, 2\.5 is not a value of int32/);
    expect(thrown(() => tensor(Float32Array.of(1, Number.NaN), [2], "uint8"))).toMatch(/element 1, NaN is not a value of uint8/);
    expect(thrown(() => tensor(Int32Array.of(255, 256), [2], "uint8"))).toMatch(/element 1, 256 is not a value of uint8/);
    expect(thrown(() => tensor(Uint32Array.of(7, 0x80000000)))).toMatch(/element 1, 2147483648 is not a value of int32/);
    expect(thrown(() => tensor(Float64Array.of(1e39)))).toMatch(/element 0, 1e\+39 is not a value of float32/);
    expect(thrown(() => tensor([1e39]))).toMatch(/element 0, 1e\+39 is not a value of float32/);
    expect(thrown(() => tensor(BigInt64Array.of(1n) as never, [1], "int32"))).toMatch(/element 0, 1 is not a value of int32/);
  });

  test("takes other typed arrays with an element type, and refuses them without", () => {
    expect([...tensor(Int16Array.of(-300, 300) as never, [2], "int32").data()]).toEqual([-300, 300]);
    expect([...tensor(Uint16Array.of(7, 65535) as never, [2], "float32").data()]).toEqual([7, 65535]);
    expect(thrown(() => tensor(Int16Array.of(300) as never, [1], "uint8"))).toMatch(/element 0, 300 is not a value of uint8/);
    for (const array of [Int8Array.of(1), Uint16Array.of(1), BigInt64Array.of(1n)])
      expect(thrown(() => tensor(array as never))).toMatch(/give another its element type/);
    expect(thrown(() => tensor(new DataView(new ArrayBuffer(4)) as never))).toMatch(/^DTypeError: tensor: expected numbers.*DataView/);
  });

  test("keeps infinities, NaN and what float32 rounds", () => {
    expect([...tensor([Infinity, -Infinity, Number.NaN, 0.1, 2 ** 24 + 1]).data()]).toEqual([Infinity, -Infinity, Number.NaN, Math.fround(0.1), 2 ** 24]);
    expect([...tensor([0, 0.5, Number.NaN, -3], [4], "bool").data()]).toEqual([0, 1, 1, 1]);
  });
});

describe("positions", () => {
  const CASES: Record<string, (n: number) => Value> = {
    "slice from": (n) => slice(line, [n]),
    "slice to": (n) => slice(line, [0], [n]),
    "slice by steps": (n) => slice(line, [0], [10], [n]),
    "pad below": (n) => pad(line, [[n, 0]]),
    "pad above": (n) => pad(line, [[0, n]]),
    "reshape to": (n) => reshape(line, [n, 10 / n]),
    "reshape with an open extent": (n) => reshape(line, [n, -1]),
    broadcastTo: (n) => broadcastTo(zeros([1]), [n]),
    "broadcastAlong an axis": (n) => broadcastAlong(zeros([2]), [2, 3], [n]),
    "an axis of a sum": (n) => sum(x, [n]),
    "an axis of flip": (n) => flip(x, [n]),
    "an axis of transpose": (n) => transpose(x, [0, 1, n]),
    "an axis of iota": (n) => iota([3], n),
    "extents of full": (n) => full([2, n], 0),
    "extents of iota": (n) => iota([n]),
    "extents of ones": (n) => ones([n]),
    "extents of random bits": (n) => randomBits(key, [n]),
    "extents of uniform": (n) => uniform(key, [n]),
    "extents of normal": (n) => normal(key, [n]),
    "extents of tensor": (n) => tensor([1], [n]),
    gather: (n) => gather(line, [n]),
    "bits of a shift": (n) => shiftRight(ints, n),
    stride: (n) => conv2d(image, filter, { stride: n }),
    padding: (n) => conv2d(image, filter, { padding: [0, n] }),
    "the filter of a gradient": (n) => conv2dFilterGrad(image, image, { filterShape: [3, 3, n, 1] }),
    "the input of a gradient": (n) => conv2dInputGrad(image, zeros([3, 3, 1, 1]), { inputShape: [2, 3, 4, n] }),
    "data of a key": (n) => foldIn(key, n),
  };

  test.each(Object.entries(CASES))("%s", (_, f) => {
    for (const n of NO_POSITIONS) expect(thrown(() => f(n))).toMatch(/^(Shape|Config|DType)Error: /);
  });

  test("of donated arguments", () => {
    for (const n of [0.5, -1, Number.NaN])
      expect(thrown(() => jit((v: Value) => v, { donate: [n] }))).toMatch(/^ConfigError: jit: a donated argument's position/);
  });

  test("below zero, where they cannot be", () => {
    for (const f of [(n: number) => pad(line, [[n, 0]]), (n: number) => full([n], 0), (n: number) => iota([n]), (n: number) => gather(line, [n])]) {
      expect(thrown(() => f(-1))).toMatch(/^(Shape|Config)Error: /);
    }
    for (const options of [{ stride: 0 }, { stride: -1 }, { padding: -1 }, { stride: [1, 0] }] as const) {
      expect(thrown(() => conv2d(image, filter, options))).toMatch(/^ShapeError: conv2d: stride must be positive and padding non-negative integers/);
    }
    expect(thrown(() => slice(line, [0], [10], [0]))).toMatch(/^ShapeError: slice: need/);
    expect(thrown(() => slice(line, [-11]))).toMatch(/^ShapeError: slice: need/);
  });

  test("beyond the end: numbers of gather, bits of a shift", () => {
    expect(thrown(() => gather(x, [1, 3]))).toMatchInlineSnapshot(`"ConfigError: gather: an index of axis 1 must be an integer in [0, 3), got 3"`);
    expect(gather(x, [1, 2]).shape).toEqual([4]);
    expect(thrown(() => shiftRight(ints, 32))).toMatchInlineSnapshot(`"ConfigError: shiftRight: the number of bits must be an integer in [0, 32), got 32"`);
  });

  test("lists of another length than the axes", () => {
    for (const permutation of [[0], [0, 1], [0, 0, 1], [0, 1, 2, 3], []]) expect(thrown(() => transpose(x, permutation))).toMatch(/^ShapeError: transpose: /);
    expect(thrown(() => slice(x, [0, 0, 0, 0]))).toMatchInlineSnapshot(
      `"ShapeError: slice: starts has more numbers than [2, 3, 4] has axes, got [0, 0, 0, 0]"`,
    );
    expect(thrown(() => slice(x, [0], [1, 1, 1, 1]))).toMatch(/^ShapeError: slice: ends has more/);
    expect(thrown(() => conv2d(image, filter, { stride: [1] as never }))).toMatch(
      /^ShapeError: conv2d: stride is one number or \[vertical, horizontal\], got \[1\]$/,
    );
    expect(thrown(() => conv2d(image, filter, { padding: [1, 1, 1] as never }))).toMatch(
      /^ShapeError: conv2d: padding is one number, \[vertical, horizontal\] or \[\[top, bottom\], \[left, right\]\], got \[1,1,1\]$/,
    );
    expect(transpose(x, [0, 1, 2])).toBe(x);
    expect([...evaluate(slice(iota([10]), [-3])).data()]).toEqual([7, 8, 9]);
  });

  test("more elements than kernels can count", () => {
    const shapes: Shape[] = [
      [2 ** 16, 2 ** 15],
      [2 ** 31 - 1, 2],
      [2 ** 20, 2 ** 20, 2 ** 20],
    ];
    for (const shape of shapes) expect(thrown(() => broadcastTo(zeros([1]), shape))).toMatch(/^ShapeError: broadcast: a value has at most 2147483647 elements/);
    expect(broadcastTo(zeros([1]), [2 ** 16, 2 ** 15 - 1]).shape).toEqual([2 ** 16, 2 ** 15 - 1]);
  });
});

describe("keys", () => {
  test("come from integers in range, so that other data give other keys", () => {
    expect(thrown(() => foldIn(key, 0.5))).toMatchInlineSnapshot(`"ConfigError: foldIn: data must be an integer in [0, 1073741824), got 0.5"`);
    for (const data of [1.5, Number.NaN, Number.POSITIVE_INFINITY, -1, -(2 ** 30), 2 ** 30, 2 ** 32])
      expect(thrown(() => foldIn(key, data))).toMatch(/^ConfigError: foldIn/);
    expect(thrown(() => foldIn(key, tensor(0.5)))).toMatch(/^DTypeError: foldIn: data must be int32/);
    for (const count of [2.5, -1, Number.NaN]) expect(thrown(() => split(key, count))).toMatch(/^ConfigError: split/);
    for (const count of [2.5, -1, Number.NaN]) expect(thrown(() => permutation(1, count))).toMatch(/^ConfigError: permutation/);
    for (const seed of [0.5, -1, Number.NaN, 2 ** 53]) expect(thrown(() => randomKey(seed))).toMatch(/^ConfigError: randomKey/);
    const folded = [0, 1, 2 ** 30 - 1].map((data) => evaluate(foldIn(key, data)).data().join());
    expect(new Set(folded).size).toBe(3);
  });
});
