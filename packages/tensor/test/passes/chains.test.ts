/** @file Chains: kernels that hand large values on are done for a few images at a time, with the same bits. */
import { add, broadcastAlong, conv2d, grad, mean, mul, relu, square, sub, sum, type Value } from "@gradalign/tensor";
import { expect, test } from "vitest";
import { encodeProgram } from "../../src/codegen/wasm/program.ts";
import type { BufferRef } from "../../src/codegen/wasm/units.ts";
import { Node } from "../../src/ir/graph.ts";
import { partOf, unitsOf } from "../../src/ir/parts.ts";
import { CPU, type Target } from "../../src/ir/target.ts";
import { compileGraph } from "../../src/passes/pipeline.ts";
import { byteLength, type Place } from "../../src/passes/plan-memory.ts";
import { numbers } from "../support/kernels.ts";

const BATCH = 32;
const input = (...shape: number[]): Node => new Node("input", [], {}, shape, "float32");
const INPUTS = [input(BATCH, 16, 32, 32), input(16, 16, 3, 3), input(32, 16, 3, 3), input(BATCH, 16, 32, 32)] as const;

/** Two convolutions, the first one's values less their means. */
function loss(x: Value, first: Value, second: Value): Value {
  const y = add(conv2d(relu(x), first, { padding: 1 }), x);
  const centered = relu(sub(y, broadcastAlong(mean(y, [0, 2, 3]), y.shape, [1])));
  return sum(square(conv2d(centered, second, { padding: 1, stride: 2 })));
}

const outputs = [0, 1, 2].map((i) => mul(grad(loss, i)(...(INPUTS.slice(0, 3) as [Value, Value, Value])), i === 0 ? INPUTS[3] : 1) as Node);
const compile = (target: Target) => compileGraph(INPUTS, outputs, [false, false, false, true], target);

/** The words of all results, computed by one thread. */
function run(target: Target): Int32Array {
  const { calls, plan } = compile(target);
  const sizes = [...INPUTS, ...outputs].map((node) => byteLength(node));
  const placeOf = (place: Place | undefined): BufferRef => {
    if (!place || place.kind === "constant") throw new Error("no place");
    return place.kind === "input" || place.kind === "output" ? { kind: "slot", slot: place.index + (place.kind === "output" ? INPUTS.length : 0) } : place;
  };
  const { bytes, controlBytes, arenaBytes } = encodeProgram(
    calls.map((call) => ({ ...call, buffers: call.buffers.map((node) => placeOf(plan.places.get(node))) })),
    { memory: { shared: false, initialPages: 1, maximumPages: 65536 }, threads: 1, arenaBytes: plan.arenaBytes, localBytes: plan.localBytes, relaxed: false, wide: false }, // biome-ignore format: one line
  );
  const table = Math.ceil(controlBytes / 64) * 64;
  let end = table + 64;
  const addresses = sizes.map((size) => {
    end += size;
    return end - size;
  });
  plan.reused.forEach((from, i) => {
    if (from >= 0) addresses[INPUTS.length + i] = addresses[from]!;
  });
  const memory = new WebAssembly.Memory({ initial: Math.ceil((end + arenaBytes) / 65536), maximum: 65536 });
  new Int32Array(memory.buffer, table, addresses.length).set(addresses);
  INPUTS.forEach((node, i) => {
    new Float32Array(memory.buffer, addresses[i]!, byteLength(node) / 4).set(numbers(byteLength(node) / 4, i + 1));
  });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
  (exports["run"] as (thread: number, control: number, table: number, arena: number) => void)(0, 0, table, Math.ceil(end / 64) * 64);
  return Int32Array.from(outputs.flatMap((node, i) => [...new Int32Array(memory.buffer, addresses[INPUTS.length + i]!, byteLength(node) / 4)]));
}

test("a network's kernels in chains give the same bits", () => {
  expect(run(CPU)).toEqual(run({ ...CPU, chains: false }));
});

test("what is handed on inside of a chain has a place for one part; what others read has one for all", () => {
  const { calls, plan } = compile(CPU);
  const chains = unitsOf(calls).filter((unit) => unit[0]!.chain);
  expect(chains.map((unit) => unit.map(({ kernel }) => kernel.kind))).toContainEqual(expect.arrayContaining(["loop", "winograd-conv"]));
  let local = 0;
  for (const unit of chains) {
    const { parts } = unit[0]!.chain!;
    for (const { buffers, written, steps } of unit) {
      buffers.forEach((node, i) => {
        const users = calls.filter((call) => call.buffers.includes(node));
        const isLocal = plan.places.get(node)!.kind === "local";
        if (isLocal) local++;
        if (i >= buffers.length - written) expect(steps![i]).toBe(isLocal ? 0 : byteLength(node) / parts);
        if (isLocal) expect(unit).toEqual(expect.arrayContaining(users));
      });
    }
  }
  expect(local).toBeGreaterThan(2);
});

test("a kernel has parts where each is within its own share of what is written, and nowhere else", () => {
  const load = (strides: number[]) => ({ kind: "load", dtype: "float32", buffer: 0, at: { offset: 0, strides } }) as const;
  const map = (from: number[], to: number[]) =>
    ({ kind: "loop", extents: [4, 6], reduced: 0, outputs: [{ buffer: 1, dtype: "float32", at: { offset: 0, strides: to }, value: load(from) }] }) as const;
  expect(partOf(map([6, 1], [6, 1]), 2, [24, 24])).toMatchObject({ kernel: { extents: [12] }, steps: [12, 12] });
  // The same row for all.
  expect(partOf(map([0, 1], [6, 1]), 2, [6, 24])).toMatchObject({ kernel: { extents: [2, 6] }, steps: [0, 12] });
  // A transposition, a part of a longer buffer, a number that does not divide.
  expect(partOf(map([6, 1], [1, 4]), 2, [24, 24])).toBeNull();
  expect(partOf(map([6, 1], [6, 1]), 2, [30, 24])).toBeNull();
  expect(partOf(map([6, 1], [6, 1]), 3, [24, 24])).toBeNull();
  const guard = { ...map([6, 1], [6, 1]).outputs[0]!, value: { kind: "guard", dtype: "float32", guards: [{ offset: -1, strides: [1, 0], extent: 3 }], inside: load([6, 1]), fill: 0 } as const }; // biome-ignore format: one line
  expect(partOf({ ...map([6, 1], [6, 1]), outputs: [guard] }, 2, [24, 24])).toBeNull();
});
