/** @file Error messages: the operation, the rule, and what was given. */
import {
  add,
  and,
  argmax,
  avgPool2d,
  broadcastTo,
  ConfigError,
  concat,
  conv2d,
  conv2dFilterGrad,
  createDevice,
  DataError,
  DTypeError,
  exp,
  expandDims,
  full,
  GradalignError,
  gather,
  InvariantError,
  jit,
  matmul,
  max,
  maxPool2d,
  min,
  not,
  pad,
  randomBits,
  randomKey,
  reshape,
  ShapeError,
  slice,
  sum,
  TraceError,
  tensor,
  transpose,
  treeMap,
  UnsupportedError,
  type Value,
  where,
} from "@gradalign/tensor";
import { describe, expect, test } from "vitest";
import { scatterAdd } from "../../src/ops/build.ts";
import { operation } from "../../src/ops/definition.ts";

/** `class: message` of what a function throws. */
function thrown(f: () => unknown): string {
  try {
    f();
  } catch (error) {
    const { code, message } = error as GradalignError;
    expect(error).toBeInstanceOf(GradalignError);
    return `${code}: ${message}`;
  }
  return "nothing";
}

const matrix = tensor([
  [1, 2, 3],
  [4, 5, 6],
]);
const image = tensor(new Float32Array(2 * 3 * 4 * 4), [2, 3, 4, 4]);
const flags = tensor([true, false]);

describe("shapes", () => {
  test("of operands", () => {
    expect(thrown(() => matmul(matrix, matrix))).toMatchInlineSnapshot(`"ShapeError: matmul: inner dimensions must match, got [2, 3] @ [2, 3]"`);
    expect(thrown(() => add(matrix, tensor([1, 2])))).toMatchInlineSnapshot(`"ShapeError: add: shapes cannot be broadcast together, got [2, 3] and [2]"`);
    expect(thrown(() => concat([matrix, tensor([[1, 2]])]))).toMatchInlineSnapshot(
      `"ShapeError: concat: shapes must agree outside axis 0, got [2, 3] and [1, 2]"`,
    );
    expect(thrown(() => concat([]))).toMatchInlineSnapshot(`"ShapeError: concat: need at least one value"`);
    expect(thrown(() => gather(matrix, []))).toMatchInlineSnapshot(`"ShapeError: gather: need between 1 and 2 index tensors for [2, 3], got 0"`);
    expect(thrown(() => where(flags, matrix, matrix))).toMatchInlineSnapshot(`"ShapeError: where: shapes cannot be broadcast together, got [2] and [2, 3]"`);
    expect(thrown(() => conv2d(image, matrix))).toMatchInlineSnapshot(
      `"ShapeError: conv2d: expected x [N, C, H, W] and filter [K, C, R, S], got x [2, 3, 4, 4], filter [2, 3], stride [1, 1], padding [0, 0]"`,
    );
    expect(thrown(() => conv2d(image, tensor(new Float32Array(4), [1, 1, 2, 2])))).toMatchInlineSnapshot(
      `"ShapeError: conv2d: x has 3 channels but the filter expects 1; got x [2, 3, 4, 4], filter [1, 1, 2, 2], stride [1, 1], padding [0, 0]"`,
    );
    expect(thrown(() => conv2d(image, tensor(new Float32Array(75), [1, 3, 5, 5])))).toMatchInlineSnapshot(
      `"ShapeError: conv2d: the filter is larger than the padded input, got x [2, 3, 4, 4], filter [1, 3, 5, 5], stride [1, 1], padding [0, 0]"`,
    );
    expect(thrown(() => conv2d(image, tensor(new Float32Array(3), [1, 3, 1, 1]), { stride: 0 }))).toMatchInlineSnapshot(
      `"ShapeError: conv2d: stride must be positive and padding non-negative integers, got x [2, 3, 4, 4], filter [1, 3, 1, 1], stride [0, 0], padding [0, 0]"`,
    );
    expect(thrown(() => conv2d(image, tensor(new Float32Array(12), [3, 1, 2, 2]), { groups: 2 }))).toMatchInlineSnapshot(
      `"ShapeError: conv2d: groups must divide the channels of x (3) and the filters (3); got x [2, 3, 4, 4], filter [3, 1, 2, 2], stride [1, 1], padding [0, 0], groups 2"`,
    );
    expect(thrown(() => conv2d(image, tensor(new Float32Array(24), [3, 2, 2, 2]), { groups: 3 }))).toMatchInlineSnapshot(
      `"ShapeError: conv2d: x has 3 channels but the filter expects 2 in each of 3 groups; got x [2, 3, 4, 4], filter [3, 2, 2, 2], stride [1, 1], padding [0, 0], groups 3"`,
    );
    expect(thrown(() => conv2d(image, tensor(new Float32Array(27), [1, 3, 3, 3]), { dilation: 2 }))).toMatchInlineSnapshot(
      `"ShapeError: conv2d: the filter is larger than the padded input, got x [2, 3, 4, 4], filter [1, 3, 3, 3], stride [1, 1], padding [0, 0], dilation [2, 2]"`,
    );
    expect(thrown(() => conv2d(image, tensor(new Float32Array(27), [1, 3, 3, 3]), { dilation: 0 }))).toMatchInlineSnapshot(
      `"ShapeError: conv2d: dilation and groups must be positive integers, got x [2, 3, 4, 4], filter [1, 3, 3, 3], stride [1, 1], padding [0, 0], dilation [0, 0]"`,
    );
    expect(
      thrown(() =>
        conv2d(image, tensor(new Float32Array(27), [1, 3, 3, 3]), {
          padding: [
            [1, 0],
            [-1, 0],
          ],
        }),
      ),
    ).toMatchInlineSnapshot(
      `"ShapeError: conv2d: stride must be positive and padding non-negative integers, got x [2, 3, 4, 4], filter [1, 3, 3, 3], stride [1, 1], padding [[1, 0], [-1, 0]]"`,
    );
    expect(thrown(() => maxPool2d(image, { kernel: 2, padding: 2 }))).toMatchInlineSnapshot(
      `"ShapeError: maxPool2d: padding must be at least 0 and at most half the window, got x [2, 3, 4, 4], window [2, 2], stride [2, 2], padding [[2, 2], [2, 2]]"`,
    );
    expect(thrown(() => avgPool2d(image, { kernel: 5 }))).toMatchInlineSnapshot(
      `"ShapeError: avgPool2d: the window is larger than the padded input, got x [2, 3, 4, 4], window [5, 5], stride [5, 5], padding [[0, 0], [0, 0]]"`,
    );
    expect(thrown(() => maxPool2d(image, { kernel: [2] as never }))).toMatchInlineSnapshot(
      `"ShapeError: maxPool2d: kernel is one number or [vertical, horizontal], got [2]"`,
    );
    expect(thrown(() => conv2dFilterGrad(image, image, { filterShape: [3, 3, 3, 3] }))).toMatchInlineSnapshot(
      `"ShapeError: conv2dFilterGrad: cotangent must be [2, 3, 2, 2], got [2, 3, 4, 4] for x [2, 3, 4, 4], filter [3, 3, 3, 3], stride [1, 1], padding [0, 0]"`,
    );
  });

  test("of results", () => {
    expect(thrown(() => reshape(matrix, [4]))).toMatchInlineSnapshot(`"ShapeError: reshape: the number of elements must stay the same, got [2, 3] to [4]"`);
    expect(thrown(() => reshape(matrix, [4, -1]))).toMatchInlineSnapshot(`"ShapeError: reshape: the elements of [2, 3] do not divide evenly into [4, -1]"`);
    expect(thrown(() => reshape(matrix, [0, -1]))).toMatchInlineSnapshot(`"ShapeError: reshape: the elements of [2, 3] do not divide evenly into [0, -1]"`);
    expect(thrown(() => broadcastTo(matrix, [3]))).toMatchInlineSnapshot(`"ShapeError: broadcastTo: [2, 3] cannot be broadcast to [3]"`);
    expect(thrown(() => full([2, -1], 0))).toMatchInlineSnapshot(`"ShapeError: full: every extent must be a non-negative integer, got [2, -1]"`);
    expect(thrown(() => pad(matrix, [[1, 1]]))).toMatchInlineSnapshot(`"ShapeError: pad: need one [low, high] pair per axis of [2, 3], got 1"`);
    expect(
      thrown(() =>
        pad(matrix, [
          [1, 1],
          [-1, 0],
        ]),
      ),
    ).toMatchInlineSnapshot(`"ShapeError: pad: need one non-negative integer per axis of [2, 3], got [1, -1], [1, 0], [0, 0]"`);
    expect(thrown(() => slice(matrix, [1, 2], [2, 1]))).toMatchInlineSnapshot(
      `"ShapeError: slice: need 0 <= start <= end <= 3 and step >= 1 on axis 1 of [2, 3], got 2:1:1"`,
    );
  });

  test("axes", () => {
    expect(thrown(() => sum(matrix, [2]))).toMatchInlineSnapshot(`"ShapeError: sum: axis must be an integer in [-2, 1] for rank 2, got 2"`);
    expect(thrown(() => sum(matrix, [0, -2]))).toMatchInlineSnapshot(`"ShapeError: sum: axes must be distinct, got [0, -2]"`);
    expect(thrown(() => transpose(matrix, [0, 0]))).toMatchInlineSnapshot(`"ShapeError: transpose: [0, 0] is not a permutation of the axes of [2, 3]"`);
    expect(thrown(() => expandDims(matrix, 4))).toMatchInlineSnapshot(`"ShapeError: expandDims: axis must be an integer in [-3, 2] for rank 3, got 4"`);
    expect(thrown(() => argmax(tensor(1)))).toMatchInlineSnapshot(`"ShapeError: argmax: a scalar has no axes, got axis -1"`);
    expect(thrown(() => max(tensor(new Float32Array(0))))).toMatchInlineSnapshot(`"ShapeError: max: an empty axis has no maximum, got shape [0]"`);
    expect(thrown(() => min(tensor([], [0, 3]), [0]))).toMatchInlineSnapshot(`"ShapeError: min: an empty axis has no minimum, got shape [0, 3]"`);
    expect(thrown(() => argmax(tensor([], [3, 0]), 1))).toMatchInlineSnapshot(`"ShapeError: argmax: an empty axis has no maximum, got axis 1 of [3, 0]"`);
  });

  test("of tables without rows", () => {
    const [empty, first] = [tensor([], [0, 3]), tensor([0, 2], [2], "int32")];
    expect(thrown(() => gather(empty, [first]))).toMatchInlineSnapshot(
      `"ShapeError: gather: axis 0 of [0, 3] has no elements, got indices of shape [2]; pick from a table with elements, or pick nothing"`,
    );
    expect(thrown(() => gather(tensor([], [2, 0]), [first, first]))).toMatchInlineSnapshot(
      `"ShapeError: gather: axis 1 of [2, 0] has no elements, got indices of shape [2]; pick from a table with elements, or pick nothing"`,
    );
    expect(thrown(() => scatterAdd(matrix, [first], [0, 3]))).toMatchInlineSnapshot(
      `"ShapeError: scatter-add: axis 0 of [0, 3] has no elements, got indices of shape [2]; pick from a table with elements, or pick nothing"`,
    );
    expect(thrown(() => reshape(empty, [0, -1]))).toMatchInlineSnapshot(`"ShapeError: reshape: the elements of [0, 3] do not divide evenly into [0, -1]"`);
  });

  test("of tensors", () => {
    expect(thrown(() => tensor([[1, 2], [3]]))).toMatchInlineSnapshot(`"ShapeError: tensor: nested arrays must form a box, got rows of 2 and 1"`);
    expect(thrown(() => tensor([[1, 2], 3 as never]))).toMatchInlineSnapshot(
      `"ShapeError: tensor: nested arrays must form a box, got rows of different depth"`,
    );
    expect(thrown(() => tensor([1, 2, 3], [2]))).toMatchInlineSnapshot(`"ShapeError: tensor: shape [2] needs 2 elements, got 3"`);
    expect(thrown(() => tensor(new Float32Array(3), [2, 2]))).toMatchInlineSnapshot(`"ShapeError: tensor: shape [2, 2] needs 4 elements, got 3"`);
    expect(thrown(() => tensor([], [-1]))).toMatchInlineSnapshot(`"ShapeError: tensor: every extent must be a non-negative integer, got [-1]"`);
    expect(thrown(() => matrix.item())).toMatchInlineSnapshot(`"ShapeError: item: expected one element, got shape [2, 3]"`);
  });
});

test("element types", () => {
  expect(thrown(() => matmul(tensor([[1]], [1, 1], "int32"), tensor([[1]])))).toMatchInlineSnapshot(
    `"DTypeError: matmul: expected float32, got int32 and float32"`,
  );
  expect(thrown(() => gather(matrix, [tensor([0.5])]))).toMatchInlineSnapshot(`"DTypeError: gather: indices must be int32, got float32"`);
  expect(thrown(() => where(matrix, 1, 2))).toMatchInlineSnapshot(
    `"DTypeError: where: the condition must be bool, got float32; compare it first, for instance ne(x, 0)"`,
  );
  expect(thrown(() => and(matrix, matrix))).toMatchInlineSnapshot(`"DTypeError: and: expected bool or int32, got float32"`);
  expect(thrown(() => not(matrix))).toMatchInlineSnapshot(`"DTypeError: not: expected bool, got float32"`);
  expect(thrown(() => tensor(new Float32Array(1).buffer as never))).toMatchInlineSnapshot(
    `"DTypeError: tensor: expected numbers, booleans, nested arrays of them or a typed array, got [object ArrayBuffer]"`,
  );
  expect(thrown(() => tensor(new Int16Array(1) as never))).toMatchInlineSnapshot(
    `"DTypeError: tensor: expected a Float32Array, Float64Array, Int32Array, Uint32Array or Uint8Array, got [object Int16Array]; give another its element type: tensor(data, shape, "int32")"`,
  );
  expect(thrown(() => randomBits(tensor([1, 2]), [2]))).toMatchInlineSnapshot(`"DTypeError: randomBits: key and stream must be int32, got float32 and int32"`);
  expect(thrown(() => randomBits(tensor([1, 2, 3], [3], "int32"), [2]))).toMatchInlineSnapshot(
    `"ShapeError: randomBits: a key has shape [2], got [3]; make one with randomKey(seed)"`,
  );
});

test("tracing", () => {
  expect(thrown(() => exp("x" as never))).toMatchInlineSnapshot(`"TraceError: exp: expected a tensor or a number, got string"`);
  expect(thrown(() => exp(null as never))).toMatchInlineSnapshot(`"TraceError: exp: expected a tensor or a number, got null"`);
  expect(thrown(() => jit((x: Value) => x)("x" as never))).toMatchInlineSnapshot(
    `"TraceError: jit: arguments must be trees of tensors, numbers and typed arrays, got string"`,
  );
  expect(thrown(() => jit((x: Value) => x)(null as never))).toMatchInlineSnapshot(
    `"TraceError: jit: arguments must be trees of tensors, numbers and typed arrays, got null"`,
  );
  expect(thrown(() => jit((_x: Value) => 3)(1))).toMatchInlineSnapshot(
    `"TraceError: jit: the function must return a tree of tensors, got a leaf of type number"`,
  );
  expect(thrown(() => treeMap<Readonly<Record<string, number>>, number>((a) => a, { a: 1 }, { b: 1 }))).toMatchInlineSnapshot(
    `"TraceError: treeMap: trees must have the same structure, got {"a":*} and {"b":*}"`,
  );
});

test("settings, and what this machine cannot do", async () => {
  expect(thrown(() => randomKey(-1))).toMatchInlineSnapshot(
    `"ConfigError: randomKey: seed must be an integer in [0, 2^53), got -1; use a non-negative whole number"`,
  );
  await expect(createDevice({ backend: "cuda" as never })).rejects.toThrowErrorMatchingInlineSnapshot(
    `[ConfigError: createDevice: backend must be one of wasm, webgpu, reference and auto, got "cuda"]`,
  );
  await expect(createDevice({ threads: 0 })).rejects.toThrowErrorMatchingInlineSnapshot(
    `[ConfigError: threads must be an integer in [1, 64], got 0; leave it out to use all cores]`,
  );
  const device = await createDevice({ threads: 2 });
  const f = jit((x: Value) => add(x, 1), { device });
  f(1);
  device.close();
  expect(thrown(() => f(1))).toMatchInlineSnapshot(`"UnsupportedError: wasm: the device was closed; open another with createDevice"`);
  expect(thrown(() => f(new Float32Array(2)))).toMatchInlineSnapshot(`"UnsupportedError: wasm: the device was closed; open another with createDevice"`);
});

test("bugs of our own ask to be reported", () => {
  expect(thrown(() => operation("teleport"))).toMatchInlineSnapshot(
    `"InvariantError: operation "teleport" is not registered (this is a bug in gradalign, please report it)"`,
  );
});

test("every class has its name as code, and keeps the cause", () => {
  const cause = new Error("why");
  const classes = { ShapeError, DTypeError, TraceError, UnsupportedError, ConfigError, DataError, InvariantError };
  for (const [name, type] of Object.entries(classes)) {
    const error = new type("what", { cause });
    expect(error).toBeInstanceOf(GradalignError);
    expect([error.code, error.name, error.cause]).toEqual([name, name, cause]);
    expect(error.message).toMatch(/^what/);
  }
});
