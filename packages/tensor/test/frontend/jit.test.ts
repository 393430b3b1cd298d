/** @file Compiled functions: caching, donation, memory, and what must not happen to the tensors they use. */
import { add, createDevice, type Device, grad, jit, matmul, mul, relu, sub, sum, type Tensor, TraceError, tensor, type Value } from "@gradalign/tensor";
import { afterAll, describe, expect, test } from "vitest";
import { openDevices } from "../support/devices.ts";

const { reference, tested } = await openDevices();
const devices: [string, Device][] = [["reference", reference], ...tested];

/** A device of the test's own, so that nobody else allocates. */
async function ownDevice(threads = 1): Promise<Device> {
  const device = await createDevice({ backend: "wasm", threads });
  afterAll(() => device.close());
  return device;
}

describe.each(devices)("%s", (_, device) => {
  test.each([
    ["images", [3072], [1]],
    ["planes", [64, 64], [2]],
    ["maps", [8, 8, 64], [1, 2]],
  ])("sums over an example's %s have the same bits in every batch, if that is asked for", async (_what, shape, axes) => {
    const size = shape.reduce((product, extent) => product * extent, 1);
    const f = jit((x: Value) => sum(x, axes), { device, batchInvariant: true });
    const results = async (examples: number) => {
      const x = tensor(
        Float32Array.from({ length: examples * size }, (_, i) => Math.fround(1 / (1 + (i % 9973)))),
        [examples, ...shape],
      );
      const bytes = new Uint8Array((await f(x).read()).buffer);
      x.dispose();
      return bytes.slice(0, (bytes.length / examples) * 8);
    };
    const few = await results(8);
    for (const examples of [16, 40]) expect(await results(examples)).toEqual(few);
    f.dispose();
  });

  test("a function is traced once per combination of shapes, element types and structure", async () => {
    let traces = 0;
    const f = jit(
      (x: { a: Value; b?: Value }) => {
        traces++;
        return mul(x.a, 2);
      },
      { device },
    );
    f({ a: Float32Array.of(1, 2) });
    f({ a: Float32Array.of(3, 4) });
    expect(traces).toBe(1);
    f({ a: Float32Array.of(3, 4, 5) });
    expect(traces).toBe(2);
    f({ a: Int32Array.of(3, 4) });
    expect(traces).toBe(3);
    f({ a: tensor([[1, 2]]) });
    expect(traces).toBe(4);
    f({ a: Float32Array.of(1, 2), b: Float32Array.of(1) });
    expect(traces).toBe(5);
    f({ a: tensor([7, 8]) });
    expect(traces).toBe(5);
    f.dispose();
    expect([...(await f({ a: Float32Array.of(1, 2) }).read())]).toEqual([2, 4]);
    expect(traces).toBe(6);
  });

  test("numbers, typed arrays, values not yet computed and tensors are arguments; keys in any order", async () => {
    const f = jit((p: { x: Value; y: Value }, s: Value) => ({ r: sub(mul(p.x, s), p.y), list: [p.y] }), { device });
    const result = f({ y: add(tensor([1, 2]), 1), x: Float32Array.of(5, 6) }, 3) as unknown as { r: Tensor; list: [Tensor] };
    expect([...(await result.r.read())]).toEqual([13, 15]);
    expect([...(await result.list[0].read())]).toEqual([2, 3]);
  });

  test("results are independent of the arguments and of one another", async () => {
    const f = jit((x: Value) => [x, x, add(x, 0)], { device });
    const x = tensor([1, 2]);
    const results = f(x);
    x.dispose();
    results[0]!.dispose();
    expect(await Promise.all(results.slice(1).map(async (r) => [...(await r.read())]))).toEqual([
      [1, 2],
      [1, 2],
    ]);
  });

  test("a donated tensor cannot be used again", async () => {
    const f = jit((x: Value, y: Value) => add(x, y), { device, donate: [0] });
    const start = f(tensor([1, 2]), tensor([3, 4]));
    const y = tensor([10, 20]);
    const next = f(start, y);
    expect([...(await next.read())]).toEqual([14, 26]);
    expect(() => f(start, y)).toThrow(TraceError);
    expect(() => f(start, y)).toThrow("tensor: its memory was donated to a compiled function; use the function's result instead, or do not donate it");
    expect(() => start.data()).toThrow(/donated/);
    expect([...(await y.read())]).toEqual([10, 20]);
    // Disposing of what is gone is harmless.
    start.dispose();
  });

  test("a donated tensor must not be used twice in one call", async () => {
    const f = jit((x: Value, y: Value) => [add(x, 1), mul(y, 2)], { device, donate: [0] });
    const x = f(tensor([1, 2]), tensor([3, 4]));
    expect(() => f(x[0]!, x[0]!)).toThrow("jit: a donated tensor is also used elsewhere in the same call; pass a copy, or do not donate it");
    const both = jit((a: Value, b: Value) => [add(a, 1), add(b, 2)], { device, donate: [0, 1] });
    expect(() => both(x[1]!, x[1]!)).toThrow(TraceError);
    // Nothing was lost by the refusal.
    expect([...(await x[0]!.read()), ...(await x[1]!.read())]).toEqual([2, 3, 6, 8]);
  });

  test("a tensor that a compiled function closes over must stay", async () => {
    const w = jit((x: Value) => mul(x, 1), { device })(tensor([2, 3]));
    const f = jit((x: Value) => mul(x, w), { device, donate: [0] });
    expect([...(await f(tensor([1, 1])).read())]).toEqual([2, 3]);
    expect(() => f(w)).toThrow(/also used elsewhere/);
    w.dispose();
    expect(() => f(tensor([1, 1]))).toThrow(/tensor: it was disposed/);
  });

  test("a disposed tensor cannot be used", async () => {
    const x = tensor([1, 2]);
    x.dispose();
    expect(() => x.data()).toThrow("tensor: it was disposed; keep a copy of data() to use its elements later");
    expect(() => jit((y: Value) => y, { device })(x)).toThrow(TraceError);
  });

  test("an error while tracing leaves the function usable", async () => {
    let broken = true;
    const f = jit(
      (x: Value) => {
        if (broken) throw new RangeError("not now");
        return add(x, 1);
      },
      { device },
    );
    expect(() => f(1)).toThrow(RangeError);
    broken = false;
    expect((await f(1).read())[0]).toBe(2);
  });

  test("a traced value must not escape", async () => {
    let escaped: Value | undefined;
    jit(
      (x: Value) => {
        escaped = x;
        return x;
      },
      { device },
    )(1);
    const message = "jit: a traced value escaped from the function it belongs to; return it instead of storing it outside";
    expect(() => jit((y: Value) => add(y, escaped!), { device })(1)).toThrow(message);
    expect(() => jit((y: Value) => y, { device })(escaped!)).toThrow(message);
  });
});

describe("memory", () => {
  const network = (p: { w: Value; v: Value }, x: Value): Value => sum(matmul(relu(matmul(x, p.w)), p.v));
  const step = (p: { w: Value; v: Value }, x: Value): { w: Value; v: Value } => {
    const g = grad(network)(p, x) as { w: Value; v: Value };
    return { w: sub(p.w, mul(0.01, g.w)), v: sub(p.v, mul(0.01, g.v)) };
  };
  const start = (): { w: Tensor; v: Tensor } => ({
    w: tensor(new Float32Array(1000).fill(0.5), [20, 50]),
    v: tensor(new Float32Array(50).fill(0.25), [50, 1]),
  });
  const batch = Float32Array.from({ length: 1000 }, (_, i) => (i % 7) / 7);
  const images = tensor(batch, [50, 20]);

  test("donated state is updated in place: live bytes stay constant, results equal those without donation", async () => {
    const device = await ownDevice();
    const inPlace = jit(step, { device, donate: [0] });
    const fresh = jit(step, { device });
    const states = [start(), start()] as const;
    let p = inPlace(states[0], images) as unknown as { w: Tensor; v: Tensor };
    let q = fresh(states[1], images) as unknown as { w: Tensor; v: Tensor };
    const before = device.memory();
    for (let i = 0; i < 50; i++) {
      p = inPlace(p, images) as unknown as typeof p;
      // Not even for a moment was there a second copy of the state.
      expect(device.memory()).toEqual(before);
    }
    for (let i = 0; i < 50; i++) {
      const next = fresh(q, images) as unknown as typeof q;
      for (const old of [q.w, q.v]) old.dispose();
      q = next;
    }
    expect(states[1].w.data()[0]).toBe(0.5);
    expect(p.w.data()).toEqual(q.w.data());
    expect(p.v.data()).toEqual(q.v.data());
  });

  test("a thousand calls leave nothing behind", async () => {
    const device = await ownDevice(2);
    const f = jit((x: Value, s: Value) => [mul(x, s), sum(x)], { device });
    const call = (i: number): void => {
      for (const result of f(batch, i)) result.dispose();
    };
    call(0);
    const before = device.memory();
    for (let i = 0; i < 1000; i++) call(i);
    expect(device.memory()).toEqual(before);
  });

  test("compiling and disposing leave nothing behind", async () => {
    const device = await ownDevice(2);
    const once = (): void => {
      const f = jit((x: Value) => mul(x, 3), { device });
      f(batch).dispose();
      f.dispose();
    };
    once();
    const before = device.memory().liveBytes;
    for (let i = 0; i < 20; i++) once();
    expect(device.memory().liveBytes).toBe(before);
  });

  test("stats tell kernels, memory and code of the latest program", async () => {
    const f = jit((x: Value) => sum(mul(x, x)), { device: await ownDevice() });
    expect(f.stats()).toBeNull();
    f(batch);
    expect(f.stats()).toMatchObject({ kernels: 1, arenaBytes: 0 });
    expect(f.stats()!.codeBytes).toBeGreaterThan(100);
  });
});
