/** @file What depends on a program's inputs alone is computed when it is wanted, and again where keeping it is what memory is for. */
import { add, conv2d, exp, jit, mul, sum, type Tensor, tensor, transpose, type Value } from "@gradalign/tensor";
import { beforeAll, describe, expect, test } from "vitest";
import { Node } from "../../src/ir/graph.ts";
import type { Kernel } from "../../src/ir/kernel.ts";
import { structuralKey } from "../../src/ir/structure.ts";
import { G } from "../../src/ir/winograd.ts";
import { arrangeFromInputs } from "../../src/passes/from-inputs.ts";
import type { KernelCall } from "../../src/passes/lower.ts";
import { compileGraph } from "../../src/passes/pipeline.ts";
import { openDevices } from "../support/devices.ts";
import { randomInputs, randomProgram } from "../support/random-program.ts";

const { reference, tested } = await openDevices();

const MIB = 1 << 20;
const kernel = { kind: "loop" } as unknown as Kernel;
const value = (name: string, mib: number): Node => new Node(name, [], {}, [(mib * MIB) / 4], "float32");
/** A kernel that makes the last value of the others. */
const call = (...buffers: Node[]): KernelCall => ({ kernel, buffers, written: 1 });
const names = (calls: readonly KernelCall[]): string => calls.map(({ buffers }) => buffers.map(({ op }) => op).join(" ")).join("; ");

describe("order", () => {
  const [input, packed, form, small, a, b, c] = [
    value("input", 2),
    value("packed", 2),
    value("form", 8),
    value("small", 0.5),
    value("a", 0.5),
    value("b", 0.5),
    value("c", 0.5),
  ];

  test("large values of inputs alone come right before they are read, with what they come from", () => {
    const calls = [call(input, packed), call(packed, form), call(input, small), call(input, a), call(a, small, b), call(b, form, c)];
    expect(names(arrangeFromInputs(calls, [c]))).toBe("input small; input a; a small b; input packed; packed form; b form c");
  });

  test("what nobody reads comes last, and chains stay together", () => {
    const chain = { parts: 2 };
    const parts = [
      { ...call(a, b), chain, steps: [1, 1] },
      { ...call(b, form, c), chain, steps: [1, 0, 1] },
    ] as const;
    const calls = [call(input, packed), call(packed, form), call(small, a), ...parts];
    expect(names(arrangeFromInputs(calls, [c, packed]))).toBe("small a; input packed; packed form; a b; b form c");
    expect(names(arrangeFromInputs([call(input, form), call(small, a)], [a, form]))).toBe("small a; input form");
  });
});

test("a buffer that several kernels fill is filled before it is read", () => {
  const [input, zeros, filled, out] = [value("input", 2), value("zeros", 2), value("filled", 2), value("out", 0.5)];
  const calls = [call(input, filled), call(input, zeros), call(zeros, filled), call(filled, out)];
  expect(names(arrangeFromInputs(calls, [out]))).toBe("input filled; input zeros; zeros filled; filled out");
});

test("in random programs, however small what is moved or computed again, every read finds what it found before", () => {
  const names = new Map<string, string>();
  /** A short name for a text, the same for the same text. */
  const digest = (text: string): string => {
    const name = names.get(text) ?? `v${names.size}`;
    names.set(text, name);
    return name;
  };
  /** What is computed: of each call its kernel and what it reads, as what was computed before, all the way down. */
  const meanings = (calls: readonly KernelCall[]): string[] => {
    const contents = new Map<Node, string>();
    const computed = new Set<string>();
    for (const { kernel: own, buffers, written } of calls) {
      const first = buffers.length - written;
      // What a call writes may be a part of a buffer that another one began.
      const before = buffers.map((node, i) => contents.get(node) ?? (i < first ? `input ${node.id}` : ""));
      const meaning = digest(`${structuralKey(own)} of ${before.join()}`);
      for (const [i, node] of buffers.slice(first).entries()) contents.set(node, digest(`${i} of ${meaning}`));
      computed.add(meaning);
    }
    return [...computed].sort();
  };
  let [moved, again] = [0, 0];
  for (let seed = 0; seed < 200; seed++) {
    const inputs = randomInputs(seed).map(({ shape, dtype }) => new Node("input", [], {}, shape, dtype));
    const outputs = randomProgram(seed, inputs, { steps: 24 })
      .slice(-4)
      .map(({ value: result }) => result as unknown as Node);
    const { calls, outputs: results } = compileGraph(
      inputs,
      outputs,
      inputs.map(() => false),
    );
    const arranged = arrangeFromInputs(calls, results, { moved: 1, again: 1 });
    expect(meanings(arranged), `seed ${seed}`).toEqual(meanings(calls));
    if (arranged.some((one, i) => one !== calls[i])) moved++;
    if (arranged.length > calls.length) again++;
  }
  expect([moved > 20, again > 3]).toEqual([true, true]);
});

describe("again", () => {
  const [input, packed, form, x, large, y, z] = [
    value("input", 5),
    value("packed", 5),
    value("form", 20),
    value("x", 1),
    value("large", 30),
    value("y", 1),
    value("z", 1),
  ];
  const [larger, w] = [value("larger", 45), value("w", 1)];
  /** A form that is read, kept while something else needs memory, and read once more. */
  const calls = [call(input, packed), call(packed, form), call(x, form, y), call(y, large), call(large, z), call(z, form, x)];

  test("a value is computed again, with what it comes from, if that makes the peak lower", () => {
    const arranged = arrangeFromInputs(calls, [x]);
    expect(names(arranged)).toBe("input packed; packed form; x form y; y large; large z; input packed; packed form; z form x");
    expect(arranged.at(-1)!.buffers[1]).not.toBe(form);
    expect(arranged.at(-1)!.buffers[1]).toBe(arranged.at(-2)!.buffers[1]);
    expect(arranged.at(-2)!.buffers[0]).toBe(arranged.at(-3)!.buffers[1]);
  });

  test("not if another time needs as much, if it is a result, or if it is used then", () => {
    const elsewhere = [...calls, call(x, larger), call(larger, w)];
    expect(names(arrangeFromInputs(elsewhere, [w]))).toBe(names(elsewhere));
    expect(names(arrangeFromInputs(calls, [x, form]))).toBe(names(calls));
    const used = [call(input, packed), call(packed, form), call(x, form, y), call(y, form, large), call(large, z), call(z, form, x)];
    expect(names(arrangeFromInputs(used, [x]))).toBe(names(used));
  });
});

const numbers = (...shape: number[]): Tensor =>
  tensor(
    Float32Array.from({ length: shape.reduce((p, q) => p * q, 1) }, (_, i) => Math.sin(i * i) / 50),
    shape,
  );

describe("a filter that is used before and after a large value", () => {
  const args = [numbers(1, 352, 4, 4), numbers(352, 352, 3, 3), numbers(64, 96, 1024)] as const;
  const program = (x: Value, w: Value, l: Value): Value => {
    const first = conv2d(x, w, { padding: 1 });
    // Two kernels read it, and it is too dear for each to compute: it is stored.
    const large = transpose(exp(add(l, sum(first))), [2, 0, 1]);
    return conv2d(add(first, sum(mul(large, sum(large)))), w, { padding: 1 });
  };
  let expected: Float32Array;
  beforeAll(async () => {
    expected = (await jit(program, { device: reference })(...args).read()) as Float32Array;
  });

  test("has its form made twice", () => {
    const inputs = args.map(({ shape, dtype }) => new Node("input", [], {}, shape, dtype));
    const { calls } = compileGraph(inputs, [program(...(inputs as unknown as [Value, Value, Value]))] as unknown as Node[], [false, false, false]);
    expect(calls.filter(({ kernel }) => kernel.kind === "tile-transform" && kernel.map === G)).toHaveLength(2);
  });

  test.each(tested)("gives the reference's results on %s", async (_, device) => {
    const result = (await jit(program, { device })(...args).read()) as Float32Array;
    const scale = Math.max(...expected.map(Math.abs));
    for (const [i, number] of result.entries()) expect(Math.abs(number - expected[i]!) / scale).toBeLessThan(1e-4);
  });
});
