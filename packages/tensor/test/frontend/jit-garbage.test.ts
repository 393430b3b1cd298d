/** @file What a compiled function keeps in memory: in Node alone, where the collector of garbage can be called. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { add, createDevice, jit, mul, sum, type Value } from "@gradalign/tensor";
import { expect, test } from "vitest";

test("a compiled function keeps nothing of the graph that it was made from", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const device = await createDevice({ backend: "wasm", threads: 1 });
  const graph: WeakRef<Value>[] = [];
  const f = jit(
    (x: Value) => {
      const square = mul(x, x);
      graph.push(new WeakRef(square), new WeakRef(add(square, 1)));
      return { result: add(square, 1), also: sum(square) };
    },
    { device },
  );
  for (let turn = 0; turn < 3; turn++) {
    expect([...f(Float32Array.of(2, 3)).result.data()]).toEqual([5, 10]);
    await new Promise((resolve) => setTimeout(resolve, 1));
    collect();
  }
  expect(graph.map((node) => node.deref())).toEqual([undefined, undefined]);
  device.close();
});
