/** @file Running out of memory: one error, after which everything is as it was, and the same call works once there is memory. */
import {
  add,
  broadcastTo,
  createDevice,
  type Device,
  evaluate,
  jit,
  matmul,
  mul,
  OutOfMemoryError,
  reshape,
  sqrt,
  sum,
  type Tensor,
  tensor,
  type Value,
} from "@gradalign/tensor";
import { afterEach, expect, test, vi } from "vitest";
import { LinearMemory } from "../../src/runtime/wasm/memory.ts";

const opened: Device[] = [];
async function open(threads: number, maxBytes?: number): Promise<Device> {
  const device = await createDevice({ backend: "wasm", threads, ...(maxBytes === undefined ? {} : { maxBytes }) });
  opened.push(device);
  return device;
}
afterEach(() => {
  vi.restoreAllMocks();
  for (const device of opened.splice(0)) device.close();
});

const outOfMemory = expect.objectContaining({ code: "OutOfMemoryError" });
/** The different elements of a tensor. */
const elements = (value: Value): number[] => [...new Set((value as Tensor).data())];
const square = (value: number): Tensor => tensor(new Float32Array(64 * 64).fill(value), [64, 64]);
/** A tensor that has moved to the device. */
function on(device: Device, value: Tensor): Tensor {
  value.bufferOn(device);
  return value;
}

/** Refuses the n-th allocation from now on. */
function refuse(n: number): { happened(): boolean; stop(): void } {
  const allocate = LinearMemory.prototype.allocate;
  let calls = 0;
  const spy = vi.spyOn(LinearMemory.prototype, "allocate").mockImplementation(function (this: LinearMemory, bytes) {
    if (++calls === n) throw new OutOfMemoryError("refused");
    return allocate.call(this, bytes);
  });
  return { happened: () => calls >= n, stop: () => spy.mockRestore() };
}

interface Results {
  readonly state: Value;
  readonly product: Value;
  readonly twice: Value;
}

/** A device with living tensors, and calls that need memory for a constant, an array, numbers, code, intermediate values and results. */
async function scenario(threads: number) {
  const device = await open(threads);
  const state = on(device, square(2));
  const alive = [10, 11, 12].map((value) => on(device, square(value)));
  const constant = square(3);
  const program = jit(
    (s: Value, x: Value, factor: Value): Results => {
      const scaled = mul(sqrt(x), factor);
      const product = matmul(matmul(scaled, constant), add(scaled, 1));
      return { state: add(s, product), product, twice: mul(product, 2) };
    },
    { device, donate: [0] },
  );
  const x = square(4);
  const calls = {
    run: () => program(state, x, 2),
    profile: () => program.profile(state, x, 2)!.result,
  };
  const finish = ({ state: next, product, twice }: Results): void => {
    expect([next, product, twice].map(elements)).toEqual([[245_762], [245_760], [491_520]]);
    for (const value of [next, product, twice, x, constant]) (value as Tensor).dispose();
    program.dispose();
  };
  return { device, state, program, calls, finish, expectAlive: () => expect([state, ...alive].map(elements)).toEqual([[2], [10], [11], [12]]) };
}

for (const threads of [1, 2]) {
  for (const name of ["run", "profile"] as const) {
    test(`${name} on ${threads} thread(s): whichever allocation is refused, everything is as before, and the call works afterwards`, async () => {
      const undisturbed = await scenario(threads);
      undisturbed.finish(undisturbed.calls[name]());
      const { liveBytes } = undisturbed.device.memory();
      let refused = 0;
      for (let n = 1; ; n++) {
        const { device, state, program, calls, finish, expectAlive } = await scenario(threads);
        const before = device.memory().liveBytes;
        const refusal = refuse(n);
        const call = (): Results => calls[name]();
        let results: Results | null = null;
        try {
          results = call();
        } catch (error) {
          expect(error).toEqual(outOfMemory);
        }
        refusal.stop();
        if (!refusal.happened()) {
          expect(results).not.toBeNull();
          break;
        }
        refused++;
        expect(results).toBeNull();
        expectAlive();
        // The operands, 16 KiB each, may have moved to the device; before the program is there, nothing else may.
        if (program.stats() === null) expect([0, 16_384, 32_768]).toContain(device.memory().liveBytes - before);
        // What others compute meanwhile goes elsewhere.
        const others = Array.from({ length: 5 }, (_, i) => evaluate(mul(state, i), device));
        expectAlive();
        expect(others.map(elements)).toEqual([[0], [2], [4], [6], [8]]);
        for (const other of others) other.dispose();
        finish(call());
        expect(device.memory().liveBytes).toBe(liveBytes);
        device.close();
      }
      // Constant, array, number, control block, code for other threads, arena, results.
      expect(refused).toBeGreaterThanOrEqual(threads === 1 ? 7 : 8);
    });
  }
}

test("a value computed at once, and an upload: nothing stays behind", async () => {
  const device = await open(1);
  const x = on(device, square(5));
  const host = square(6);
  const before = device.memory().liveBytes;
  for (let n = 1; n <= 2; n++) {
    const refusal = refuse(n);
    expect(() => evaluate(add(x, 1), device)).toThrow(outOfMemory);
    refusal.stop();
    expect(device.memory().liveBytes).toBe(before);
  }
  const refusal = refuse(1);
  expect(() => host.bufferOn(device)).toThrow(outOfMemory);
  refusal.stop();
  expect(elements(host)).toEqual([6]);
  host.bufferOn(device);
  expect(elements(host)).toEqual([6]);
  expect(elements(evaluate(add(x, host), device))).toEqual([11]);
});

test("a program that is too large leaves scratch memory and live tensors alone", async () => {
  const device = await open(1, 4 * 2 ** 20);
  const x = tensor(new Float32Array(64 * 64).fill(1));
  const product = (i: number) => jit((v: Value) => sum(matmul(reshape(sqrt(add(v, i)), [64, 64]), reshape(mul(v, i), [64, 64]))), { device });
  product(3)(x);
  const [column, row] = [tensor(new Float32Array(700).fill(1), [700, 1]), tensor(new Float32Array(700).fill(1), [1, 700])];
  const large = jit((a: Value, b: Value) => sum(matmul(matmul(a, b), matmul(mul(a, 2), b))), { device });
  expect(() => large(column, row)).toThrow(outOfMemory);
  expect(() => large(column, row)).toThrow(/needed \d+ MiB of at most 4 MiB; use a smaller batch size or width, or dispose of tensors/);
  const alive = Array.from({ length: 20 }, (_, i) => jit((v: Value) => add(v, i), { device })(x));
  for (let i = 0; i < 3; i++) expect(product(1)(x).item()).toBeCloseTo(64 ** 3 * Math.SQRT2, -1);
  expect(alive.map(elements)).toEqual(alive.map((_, i) => [i + 1]));
});

test("results that do not fit: donated state stays usable, and once something is freed the same call works", async () => {
  const device = await open(1, 4 * 2 ** 20);
  const step = jit((s: Value, v: Value) => [add(s, 1), ...[1, 2, 3].map((i) => broadcastTo(add(v, i), [200_000]))], { device, donate: [0] });
  const state = jit((v: Value) => add(v, 1), { device })(tensor(new Float32Array(1024).fill(6)));
  const v = tensor([1]);
  const large = on(device, tensor(new Float32Array(500_000).fill(2)));
  expect(() => step(state, v)).toThrow(outOfMemory);
  const { liveBytes } = device.memory();
  for (let i = 0; i < 3; i++) expect(() => step(state, v)).toThrow(outOfMemory);
  expect(device.memory().liveBytes).toBe(liveBytes);
  expect([elements(state), elements(large)]).toEqual([[7], [2]]);
  large.dispose();
  expect(step(state, v).map(elements)).toEqual([[8], [2], [3], [4]]);
  expect(() => state.data()).toThrow("donated");
});

test("a limit that is none is refused", async () => {
  for (const maxBytes of [0, 65_535, 2 ** 33, 1e5 + 0.5, Number.NaN]) {
    await expect(open(1, maxBytes)).rejects.toThrow(`maxBytes must be an integer in [65536, 4294967296], got ${maxBytes}`);
  }
});
