/** @file A program that breaks off, or a thread that ends: the call throws, the device says that it is lost, and others are not affected. */
import { add, createDevice, type Device, jit, mul, sum, type Tensor, tensor, type Value } from "@gradalign/tensor";
import { afterEach, describe, expect, test, vi } from "vitest";
import { ThreadPool } from "../../src/runtime/wasm/threads.ts";

const opened: Device[] = [];
async function open(threads: number): Promise<Device> {
  const device = await createDevice({ backend: "wasm", threads });
  opened.push(device);
  return device;
}
afterEach(() => {
  vi.restoreAllMocks();
  for (const device of opened.splice(0)) device.close();
});

const numbers = (device: Device): Tensor => {
  const x = tensor(new Float32Array(1 << 18).fill(1));
  x.bufferOn(device);
  return x;
};
const chain = (device: Device) => jit((x: Value) => mul(sum(mul(add(x, 1), x)), x), { device });

/** Makes a tensor lie where there is no memory. */
function misplace(x: Tensor, device: Device): void {
  const { block } = x.bufferOn(device) as unknown as { block: { address: number } };
  block.address = -4096;
}

/** Every use of a lost device throws the same error at once; closing works. */
async function expectLost(device: Device, alive: Tensor, reason: RegExp): Promise<void> {
  const lost = expect.objectContaining({ code: "DeviceError", message: expect.stringMatching(reason) });
  const f = jit((x: Value) => add(x, 1), { device });
  const uses = [() => f(alive), () => f(Float32Array.of(1)), () => tensor([1]).bufferOn(device), () => alive.data(), () => f.profile(alive)];
  for (const use of uses) expect(use).toThrow(lost);
  await expect(alive.read()).rejects.toThrow(lost);
  alive.dispose();
  f.dispose();
  device.close();
  expect(() => f(Float32Array.of(1))).toThrow("closed");
}

describe.each([1, 2, 3])("a trap, %i thread(s)", (threads) => {
  test.each(["run", "profile"] as const)("in %s", async (how) => {
    const [device, other] = [await open(threads), await open(threads)];
    const [x, alive] = [numbers(device), numbers(device)];
    const f = chain(device);
    const expected = [...f(x).data().subarray(0, 3)];
    misplace(x, device);
    const call = (): unknown => (how === "run" ? f(x) : f.profile(x));
    expect(call).toThrow(/^wasm: the device is lost \(RuntimeError: memory access out of bounds\); open another with createDevice and go on from/);
    expect(call).toThrow(expect.objectContaining({ code: "DeviceError" }));
    await expectLost(device, alive, /memory access out of bounds/);
    expect([...chain(other)(numbers(other)).data().subarray(0, 3)]).toEqual(expected);
  });
});

test("a trap in a worker alone", async () => {
  const device = await open(2);
  const [x, alive] = [numbers(device), numbers(device)];
  const f = chain(device);
  f(x);
  const { run } = ThreadPool.prototype;
  vi.spyOn(ThreadPool.prototype, "run").mockImplementation(function (this: ThreadPool, program, places) {
    run.call(this, program, { ...places, table: -4096 });
  });
  // A worker that comes late finds nothing to do.
  const often = (): void => {
    for (let i = 0; i < 10_000; i++) f(x).dispose();
  };
  expect(often).toThrow(/^wasm: the device is lost \(RuntimeError: memory access out of bounds\)/);
  await expectLost(device, alive, /memory access out of bounds/);
});

describe("a worker that ends", () => {
  const threads = process.getBuiltinModule("node:worker_threads");
  const { Worker } = threads;

  test.each([
    ["terminated", /a worker thread ended, exit code 1/, (worker: InstanceType<typeof Worker>) => worker.terminate()],
    ["by an error", /a worker thread ended, Error: no memory left/, (worker: InstanceType<typeof Worker>) => worker.emit("error", new Error("no memory left"))],
  ])("%s", async (_, reason, end) => {
    const workers: InstanceType<typeof Worker>[] = [];
    threads.Worker = class extends Worker {
      constructor(...args: ConstructorParameters<typeof Worker>) {
        super(...args);
        workers.push(this);
      }
    };
    try {
      const [device, other] = [await open(3), await open(1)];
      expect(workers).toHaveLength(2);
      const alive = numbers(device);
      const f = chain(device);
      f(alive);
      await end(workers[1]!);
      await new Promise((resolve) => setTimeout(resolve));
      expect(() => f(alive)).toThrow(reason);
      await expectLost(device, alive, reason);
      expect(chain(other)(numbers(other)).data()[0]).toBe(1 << 19);
    } finally {
      threads.Worker = Worker;
    }
  });
});

test("a worker that cannot load a program", async () => {
  const device = await open(2);
  const alive = numbers(device);
  const { load } = ThreadPool.prototype;
  vi.spyOn(ThreadPool.prototype, "load").mockImplementation(function (this: ThreadPool, program) {
    // What lies there is no module.
    load.call(this, program, 0, 64);
  });
  expect(() => chain(device)(alive)).toThrow(/^wasm: the device is lost \(CompileError: /);
  await expectLost(device, alive, /CompileError/);
});

test("code that the engine has no memory for is out of memory, and the device goes on", async () => {
  const device = await open(1);
  const x = numbers(device);
  const before = device.memory().liveBytes;
  const refusal = vi.spyOn(WebAssembly, "Module").mockImplementation(
    class {
      constructor() {
        throw new RangeError("no room for code");
      }
    } as never,
  );
  const f = chain(device);
  expect(() => f(x)).toThrow(expect.objectContaining({ code: "OutOfMemoryError" }));
  refusal.mockRestore();
  expect(device.memory().liveBytes).toBe(before);
  expect(f(x).data()[0]).toBe(1 << 19);
});
