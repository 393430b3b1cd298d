/** @file Which kernels wait for which. */
import { conv2d, grad, matmul, relu, sum, type Value } from "@gradalign/tensor";
import { expect, test } from "vitest";
import { Node } from "../../src/ir/graph.ts";
import { waitsOf } from "../../src/passes/dependencies.ts";
import type { KernelCall } from "../../src/passes/lower.ts";
import { compileGraph } from "../../src/passes/pipeline.ts";
import { byteLength, type Place } from "../../src/passes/plan-memory.ts";

const input = (...shape: number[]): Node => new Node("input", [], {}, shape, "float32");
const kernel = { kind: "random", count: 1 } as const;
/** A call that reads some values and writes the last one. */
const call = (...buffers: Node[]): KernelCall => ({ kernel, buffers, written: 1 });

test("a kernel waits for what writes its operands, and for what still uses the memory it writes; for nothing twice", () => {
  const [a, b, c, d, e] = Array.from({ length: 5 }, () => input(16)) as [Node, Node, Node, Node, Node];
  const arena = (offset: number): Place => ({ kind: "arena", offset });
  const places = new Map<Node, Place>([
    [a, { kind: "input", index: 0 }],
    [b, arena(0)],
    [c, arena(64)],
    // Over b, but for its first words.
    [d, arena(32)],
    // Over the input.
    [e, { kind: "output", index: 0 }],
  ]);
  const calls = [call(a, b), call(a, c), call(b, c, d), call(d, e), call(a, e), call(c, b)];
  expect(waitsOf(calls, { places, reused: [0] })).toEqual([[], [], [0, 1], [2], [3], []]);
  expect(waitsOf(calls, { places, reused: [-1] })).toEqual([[], [], [0, 1], [2], [3], []]);
  // The last one would overwrite d while the third one writes it, had the fourth not waited for that.
  expect(waitsOf([calls[2]!, calls[5]!], { places, reused: [] })).toEqual([[], [0]]);
  // Who writes over an input waits for those that read it.
  expect(waitsOf([call(a, b), call(e)], { places, reused: [0] })).toEqual([[], [0]]);
  expect(waitsOf([call(a, b), call(e)], { places, reused: [-1] })).toEqual([[], []]);
});

test("in a training step every two kernels that meet are in order, and many others are not", () => {
  const loss = (x: Value, first: Value, second: Value, linear: Value): Value => {
    const h = relu(conv2d(relu(conv2d(x, first, { padding: 1 })), second, { stride: 2, padding: 1 }));
    return sum(relu(matmul(sum(h, [2, 3]), linear)));
  };
  const inputs = [input(4, 3, 16, 16), input(16, 3, 3, 3), input(32, 16, 3, 3), input(32, 10)] as const;
  const gradients = [0, 1, 2, 3].map((i) => grad(loss, i)(...inputs) as Node);
  const { calls, plan } = compileGraph(inputs, [loss(...inputs) as Node, ...gradients], [false, true, true, true]);
  const waits = waitsOf(calls, plan);
  const blockOf = (node: Node): [block: string, start: number, end: number] => {
    const place = plan.places.get(node)!;
    if (place.kind === "arena" || place.kind === "local") return [place.kind, place.offset, place.offset + byteLength(node)];
    if (place.kind === "constant") return [`constant ${place.node.id}`, 0, 1];
    const taken = place.kind === "output" ? plan.reused[place.index]! : place.index;
    return [taken < 0 ? `output ${place.kind === "output" ? place.index : ""}` : `input ${taken}`, 0, 1];
  };
  const meet = (a: KernelCall, b: KernelCall): boolean =>
    a.buffers.some((x, i) =>
      b.buffers.some((y, j) => {
        const writes = i >= a.buffers.length - a.written || j >= b.buffers.length - b.written;
        const [one, other] = [blockOf(x), blockOf(y)];
        return writes && one[0] === other[0] && one[1] < other[2] && other[1] < one[2];
      }),
    );
  const done = new Set<number>();
  let free = 0;
  calls.forEach((later, i) => {
    for (const index of waits[i]!) {
      expect(done.has(index)).toBe(false);
      done.add(index);
    }
    for (let j = 0; j < i; j++) if (meet(calls[j]!, later)) expect(done.has(j), `call ${i} after ${j}`).toBe(true);
    if (waits[i]!.length === 0) free++;
  });
  expect(free).toBeGreaterThan(calls.length / 4);
});
