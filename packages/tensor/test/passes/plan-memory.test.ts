/** @file Memory plans of random programs: values alive at the same time never overlap, and a donated input is not overwritten
 * before its last read. */
import { add, jit, mul, tensor, type Value } from "@gradalign/tensor";
import { describe, expect, test } from "vitest";
import { Node } from "../../src/ir/graph.ts";
import { compileGraph } from "../../src/passes/pipeline.ts";
import { byteLength } from "../../src/passes/plan-memory.ts";
import { openDevices } from "../support/devices.ts";
import { Chooser } from "../support/random/known.ts";
import { randomInputs, randomProgram } from "../support/random-program.ts";

const { reference, tested } = await openDevices();

function programOf(seed: number, inputs: readonly Value[]): Value[] {
  const pool = randomProgram(seed, inputs, { steps: 24 });
  const choose = new Chooser(seed);
  return [...pool.slice(-2), choose.pick(pool), choose.pick(pool)].map(({ value }) => value);
}

const SEEDS = Array.from({ length: 80 }, (_, i) => 3001 + i);

test("arena values with overlapping lives have disjoint places", async () => {
  let pairs = 0;
  for (const seed of SEEDS) {
    const inputs = randomInputs(seed).map(({ shape, dtype }) => new Node("input", [], {}, shape, dtype));
    const { calls, plan } = compileGraph(
      inputs,
      programOf(seed, inputs),
      inputs.map(() => true),
    );
    const lives = new Map<Node, { first: number; last: number }>();
    calls.forEach(({ buffers }, time) => {
      for (const node of buffers) lives.set(node, { first: lives.get(node)?.first ?? time, last: time });
    });
    const placed = [...lives].flatMap(([node, life]) => {
      const place = plan.places.get(node);
      return place?.kind === "arena" ? [{ ...life, start: place.offset, end: place.offset + byteLength(node) }] : [];
    });
    placed.forEach((a, i) => {
      expect(a.end).toBeLessThanOrEqual(plan.arenaBytes);
      expect(a.start % 64).toBe(0);
      for (const b of placed.slice(0, i)) {
        if (a.last < b.first || b.last < a.first) continue;
        pairs++;
        expect(a.end <= b.start || b.end <= a.start, `seed ${seed}`).toBe(true);
      }
    });
  }
  expect(pairs).toBeGreaterThan(100);
});

test("every value is written before it is read, and no kernel reads what it writes", async () => {
  for (const seed of SEEDS) {
    const inputs = randomInputs(seed).map(({ shape, dtype }) => new Node("input", [], {}, shape, dtype));
    const { calls } = compileGraph(
      inputs,
      programOf(seed, inputs),
      inputs.map(() => false),
    );
    const ready = new Set<Node>(inputs);
    for (const { buffers, written } of calls) {
      const [reads, writes] = [buffers.slice(0, -written), buffers.slice(-written)];
      for (const node of reads) expect(ready.has(node) || node.op === "constant", `seed ${seed}: ${node.op}`).toBe(true);
      for (const node of writes) {
        expect(reads).not.toContain(node);
        ready.add(node);
      }
    }
  }
});

describe.each(tested)("%s", (_, device) => {
  test("programs whose inputs are all donated compute the same", async () => {
    for (const seed of SEEDS.slice(0, 25)) {
      const run = (on: typeof device, donate: number[]): Promise<number[][]> => {
        const f = jit((...inputs: Value[]) => [...programOf(seed, inputs), ...inputs.map((input) => (input.dtype === "float32" ? mul(input, 2) : input))], {
          device: on,
          donate,
        });
        return Promise.all(f(...randomInputs(seed)).map(async (result) => [...(await result.read())]));
      };
      const expected = await run(reference, []);
      const plain = await run(device, []);
      const donated = await run(device, [0, 1, 2]);
      expect(donated, `seed ${seed}`).toEqual(plain);
      donated.forEach((values, i) => {
        expect(values.length).toBe(expected[i]!.length);
      });
    }
  });

  test("an exchange of two donated tensors", async () => {
    const swap = jit((a: Value, b: Value) => [add(b, 1), add(a, 2)], { device, donate: [0, 1] });
    const [a, b] = swap(tensor([1, 2, 3, 4, 5]), tensor([10, 20, 30, 40, 50]));
    expect([...(await a!.read())]).toEqual([11, 21, 31, 41, 51]);
    expect([...(await b!.read())]).toEqual([3, 4, 5, 6, 7]);
    const plain = jit((x: Value, y: Value) => [y, x], { device, donate: [0, 1] });
    const [c, d] = plain(a!, b!);
    expect([...(await c!.read())]).toEqual([3, 4, 5, 6, 7]);
    expect([...(await d!.read())]).toEqual([11, 21, 31, 41, 51]);
  });
});
