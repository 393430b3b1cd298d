/** @file What is stored in float16: activations and their cotangents, at half the memory; nothing that enters or leaves a program, no statistics,
 * losses or filter gradients. */
import { grad, mul, sign, sub, type Value } from "@gradalign/tensor";
import { expect, test } from "vitest";
import { sizeOf } from "../../src/base/shape.ts";
import { Node } from "../../src/ir/graph.ts";
import { writesGroups } from "../../src/ir/groups.ts";
import { GPU } from "../../src/ir/target.ts";
import { type CompiledGraph, compileGraph } from "../../src/passes/pipeline.ts";
import { byteLength } from "../../src/passes/plan-memory.ts";
import { type Network, networkInputs, networkLoss } from "../support/small-network.ts";

const TARGET = { ...GPU, winograd: false, half: true };
const shapes = networkInputs();
const leaf = (name: keyof Network): Node => new Node("input", [], {}, shapes[name].shape, "float32");

/** A step of an attack and of descent: a perturbed image and new filters. */
function step(half: boolean): CompiledGraph & { readonly inputs: Node[] } {
  const network = { x: leaf("x"), w1: leaf("w1"), w2: leaf("w2"), w3: leaf("w3") };
  const inputs = Object.values(network);
  const forImages = grad((x: Value) => networkLoss({ ...network, x }))(network.x) as Node;
  const forFilter = grad((w2: Value) => networkLoss({ ...network, w2 }))(network.w2) as Node;
  const outputs = [sub(network.x, mul(sign(forImages), 0.03)), sub(network.w2, mul(forFilter, 0.1))] as Node[];
  return {
    inputs,
    ...compileGraph(
      inputs,
      outputs,
      inputs.map(() => false),
      { ...TARGET, half },
    ),
  };
}

test("activations and cotangents are, the program's inputs, results and images are not", () => {
  const { half, inputs, outputs, calls } = step(true);
  for (const node of [...inputs, ...outputs]) expect(half.has(node)).toBe(false);
  const activations = calls.filter(({ kernel }) => kernel.kind === "conv" && kernel.channels === 16 && kernel.batch === 4).map(({ buffers }) => buffers[2]!);
  expect(activations.length).toBeGreaterThan(2);
  for (const node of activations) expect(half.has(node), `${node.op} ${node.shape}`).toBe(sizeOf(node.shape) >= 4096);
  // The gradient with respect to the images has their three channels.
  const images = calls.filter(({ kernel }) => kernel.kind === "conv" && kernel.channels === 3);
  expect(images.length).toBe(1);
  expect(half.has(images[0]!.buffers[2]!)).toBe(false);
});

test("reductions and filter gradients are float32, and all that is float16 is written in groups of four", () => {
  const { half, calls } = step(true);
  let written = 0;
  for (const { kernel, buffers, written: count } of calls) {
    for (const node of buffers.slice(-count)) {
      if (!half.has(node)) continue;
      written++;
      expect(node.dtype).toBe("float32");
      expect(writesGroups(kernel)).toBe(true);
      expect(kernel.kind === "filter-grad" || (kernel.kind === "loop" && kernel.reduced > 0)).toBe(false);
    }
  }
  expect(written).toBeGreaterThan(4);
});

test("takes half the memory", () => {
  const [whole, packed] = [step(false), step(true)];
  expect(whole.half.size).toBe(0);
  for (const node of packed.half) expect(byteLength(node, packed.half)).toBe(2 * sizeOf(node.shape));
  expect(packed.plan.arenaBytes).toBeLessThan(0.6 * whole.plan.arenaBytes);
});

test("what is alive at the same time does not overlap", () => {
  const { half, calls, plan } = step(true);
  const lives = new Map<Node, { first: number; last: number }>();
  calls.forEach(({ buffers }, time) => {
    for (const node of buffers) lives.set(node, { first: lives.get(node)?.first ?? time, last: time });
  });
  const placed = [...lives].flatMap(([node, life]) => {
    const place = plan.places.get(node);
    return place?.kind === "arena" ? [{ ...life, start: place.offset, end: place.offset + byteLength(node, half) }] : [];
  });
  expect(placed.length).toBeGreaterThan(10);
  placed.forEach((a, i) => {
    expect(a.end).toBeLessThanOrEqual(plan.arenaBytes);
    for (const b of placed.slice(0, i)) expect(a.last < b.first || b.last < a.first || a.end <= b.start || b.end <= a.start).toBe(true);
  });
});
