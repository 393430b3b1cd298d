/** @file The webgpu device: buffers that share places, tight limits, and everything that can go wrong on a GPU. */
import { add, convert, createDevice, type Device, jit, lt, matmul, mul, sum, type Tensor, tensor, type Value, where } from "@gradalign/tensor";
import { afterAll, describe, expect, test, vi } from "vitest";
import { alteredGpu, setLimits, testGpu } from "../support/gpu.ts";

async function open(alter: (device: GPUDevice) => void = () => {}): Promise<Device> {
  const device = await createDevice({ backend: "webgpu", ...(await alteredGpu(alter)) });
  afterAll(() => device.close());
  return device;
}

const read = async (value: unknown): Promise<number[]> => [...(await (value as Tensor).read())];
const increment = (device: Device): ((x: Float32Array) => unknown) => jit((x: Value) => add(x, 1), { device });

describe("places", () => {
  test("one tensor as several arguments", async () => {
    const device = await open();
    const f = jit((x: Value, y: Value, z: Value) => add(mul(x, y), z), { device });
    const [a, b] = [tensor([1, 2, 3]), tensor([10, 20, 30])];
    expect(await read(f(a, a, a))).toEqual([2, 6, 12]);
    expect(await read(f(a, b, a))).toEqual([11, 42, 93]);
    expect(await read(f(b, b, a))).toEqual([101, 402, 903]);
    const square = tensor([
      [1, 2, 3, 4],
      [5, 6, 7, 8],
      [9, 10, 11, 12],
      [13, 14, 15, 16],
    ]);
    const product = await read(jit((x: Value, y: Value) => matmul(x, y), { device })(square, square));
    expect(product.slice(0, 4)).toEqual([90, 100, 110, 120]);
  });

  test("more buffers in a kernel than bindings", async () => {
    const device = await open((gpu) => setLimits(gpu, { maxStorageBuffersPerShaderStage: 4 }));
    const floats = Array.from({ length: 5 }, (_, i) => tensor([i, i + 1, i + 2, i + 3, i + 4]));
    const bytes = tensor(Uint8Array.of(1, 2, 3, 4, 200));
    const flags = tensor([true, false, true, false, true]);
    const f = jit(
      (xs: Value[], b: Value, c: Value) => {
        const total = xs.reduce((a, x) => add(mul(a, 2), x));
        const chosen = where(c, total, convert(b, "float32"));
        return [chosen, lt(chosen, 30), convert(chosen, "int32")];
      },
      { device },
    );
    const results = f(floats, bytes, flags);
    expect(await read(results[0])).toEqual([26, 2, 88, 4, 150]);
    expect(await read(results[1])).toEqual([1, 1, 0, 1, 0]);
    expect(await read(results[2])).toEqual([26, 2, 88, 4, 150]);
  });

  test("an arena in several buffers", async () => {
    const device = await open((gpu) => setLimits(gpu, { maxBufferSize: 4096, maxStorageBufferBindingSize: 4096 }));
    // Six reductions of 2000 bytes, all alive until the last line.
    const program = (x: Value): Value => {
      const parts = Array.from({ length: 6 }, (_, i) => sum(add(x, i), [1]));
      return parts.map((part) => mul(part, sum(parts[5]!))).reduce((a, b) => add(a, b));
    };
    const compiled = jit(program, { device });
    const x = tensor(
      Float32Array.from({ length: 1000 }, (_, i) => (i % 3) - 1),
      [500, 2],
    );
    const reference = await createDevice({ backend: "reference" });
    const expected = await read(jit(program, { device: reference })(x));
    expect(await read(compiled(x))).toEqual(expected);
    expect(compiled.stats()!.arenaBytes).toBeGreaterThan(8192);
  });

  test("what is freed is used again", async () => {
    const device = await open();
    const f = increment(device);
    for (let i = 0; i < 5; i++) (f(new Float32Array(1000)) as Tensor).dispose();
    const { liveBytes, peakBytes } = device.memory();
    for (let i = 0; i < 50; i++) (f(new Float32Array(1000)) as Tensor).dispose();
    expect(device.memory()).toEqual({ liveBytes, peakBytes });
  });
});

describe("reading", () => {
  test("at once is refused, with the remedy", async () => {
    const device = await open();
    const result = increment(device)(Float32Array.of(1)) as Tensor;
    expect(() => result.data()).toThrow("webgpu: elements cannot be read at once; use `await tensor.read()` instead of data() or item()");
    expect(await read(result)).toEqual([2]);
  });

  test("values of bytes whose number is no multiple of four", async () => {
    const device = await open();
    const same = jit((x: Value) => [x, add(convert(x, "int32"), 1)], { device });
    for (const n of [1, 2, 3, 5, 7]) {
      const x = Uint8Array.from({ length: n }, (_, i) => 250 + (i % 6));
      const [copy, next] = same(x);
      expect(await read(copy)).toEqual([...x]);
      expect(await read(next)).toEqual([...x].map((v) => v + 1));
    }
  });
});

test("tuning measures each shape once, keeps its choice in the store, and changes no result", async () => {
  // Another GPU's choices stay.
  const others = { "another GPU": { "conv 1 1 24 20 1 1 12 1": { m: 4 } } };
  let stored: string | null = JSON.stringify({ gpus: others });
  let saves = 0;
  const tuning = {
    load: async () => stored,
    async save(text: string) {
      stored = text;
      saves++;
    },
  };
  const multiply = (x: Value, y: Value): Value => matmul(x, y);
  const operands = (): [Tensor, Tensor] => {
    const numbers = (count: number): Float32Array => Float32Array.from({ length: count }, (_, i) => ((i * 7) % 11) - 5);
    return [tensor(numbers(24 * 12), [24, 12]), tensor(numbers(12 * 20), [12, 20])];
  };
  const first = await createDevice({ backend: "webgpu", ...(await testGpu()), tuning });
  const product = jit(multiply, { device: first });
  const before = await read(product(...operands()));
  await first.tune!();
  expect(await read(product(...operands()))).toEqual(before);
  const { gpus } = JSON.parse(stored!) as { gpus: Record<string, Record<string, unknown>> };
  expect(gpus).toMatchObject(others);
  expect(Object.values(gpus).map(Object.keys)).toEqual([["conv 1 1 24 20 1 1 12 1"], ["conv 1 1 24 20 1 1 12 1"]]);
  await first.tune!();
  first.close();
  const second = await createDevice({ backend: "webgpu", ...(await testGpu()), tuning });
  expect(await read(jit(multiply, { device: second })(...operands()))).toEqual(before);
  await second.tune!();
  expect(saves).toBe(1);
  second.close();
});

describe("failures", () => {
  test("no adapter", async () => {
    const gpu = { requestAdapter: async () => null } as unknown as GPU;
    await expect(createDevice({ backend: "webgpu", gpu })).rejects.toThrow(
      expect.objectContaining({
        code: "UnsupportedError",
        message: "webgpu: no adapter was found; check the GPU's driver (on Linux: Vulkan), or use the wasm backend",
      }),
    );
    const device = await createDevice({ backend: "auto", gpu, threads: 1 });
    expect(device.backend).toBe("wasm");
    device.close();
  });

  test("no WebGPU at all", async () => {
    vi.stubGlobal("navigator", {});
    try {
      await expect(createDevice({ backend: "webgpu" })).rejects.toThrow(/this environment has no WebGPU/);
    } finally {
      vi.unstubAllGlobals();
    }
  });

  test("a software adapter nobody asked for", async () => {
    const { gpu = navigator.gpu } = await testGpu();
    const adapter = await gpu.requestAdapter();
    if (!adapter!.info.isFallbackAdapter) return;
    await expect(createDevice({ backend: "webgpu", gpu })).rejects.toThrow(/computes on the CPU, slower than the wasm backend/);
    const device = await createDevice({ backend: "auto", gpu, threads: 1 });
    expect(device.backend).toBe("wasm");
    device.close();
  });

  test("a precision that no backend of that name has", async () => {
    const options = await testGpu();
    await expect(createDevice({ backend: "webgpu", precision: "float64", ...options })).rejects.toThrow(
      "createDevice: precision of the webgpu backend must be float32 or float16, got float64; leave it out",
    );
    await expect(createDevice({ backend: "wasm", precision: "float16" })).rejects.toThrow("precision of the wasm backend must be float32, got float16");
  });

  test("a lost GPU: whatever is called next says so", async () => {
    let inner: GPUDevice | undefined;
    const device = await open((gpu) => {
      inner = gpu;
    });
    const f = increment(device);
    const before = f(Float32Array.of(1)) as Tensor;
    expect(await read(before)).toEqual([2]);
    inner!.destroy();
    await inner!.lost;
    await expect(before.read()).rejects.toThrow(
      expect.objectContaining({
        code: "DeviceError",
        message: expect.stringMatching(/^webgpu: the GPU was lost \(device was destroyed\.?\); open the device again and go on from the last checkpoint$/i),
      }),
    );
    await expect(device.settle(0)).rejects.toThrow(/lost/);
    expect(() => f(Float32Array.of(1))).toThrow(/lost/);
  });

  test("a shader that does not compile: the kernel and the line", async () => {
    const device = await open((gpu) => {
      const create = gpu.createShaderModule.bind(gpu);
      gpu.createShaderModule = ({ code, ...rest }) => create({ ...rest, code: code.replace("let item", "let wrong: i32 = 1.5;\nlet item") });
    });
    const result = increment(device)(Float32Array.of(1, 2, 3, 4)) as Tensor;
    await expect(result.read()).rejects.toThrow(/^webgpu: loop \[4\].*: line \d+: cannot convert .*report it/);
  });

  test("out of memory: how much was needed", async () => {
    const device = await open((gpu) => {
      const scopes: string[] = [];
      gpu.pushErrorScope = (filter) => {
        scopes.push(filter);
        return undefined;
      };
      gpu.popErrorScope = async () => (scopes.pop() === "out-of-memory" ? ({ message: "no memory" } as GPUError) : null);
    });
    const result = increment(device)(new Float32Array(4)) as Tensor;
    await expect(result.read()).rejects.toThrow(
      expect.objectContaining({
        code: "OutOfMemoryError",
        message: "webgpu: the GPU is out of memory, 64 MiB more than 0 MiB were needed; use a smaller batch size or width",
      }),
    );
    expect(() => increment(device)(new Float32Array(4))).toThrow(/out of memory/);
  });

  test("no memory for reading: only the reading fails", async () => {
    let refused = false;
    const device = await open((gpu) => {
      const create = gpu.createBuffer.bind(gpu);
      const pop = gpu.popErrorScope.bind(gpu);
      let last = false;
      gpu.createBuffer = (descriptor) => {
        if (!refused || !(descriptor.usage & 1)) return create(descriptor);
        // A buffer that is as invalid as one without memory.
        last = true;
        gpu.pushErrorScope("validation");
        const buffer = create({ ...descriptor, size: 2 ** 52 });
        void pop();
        return buffer;
      };
      gpu.popErrorScope = async () => {
        const now = last;
        last = false;
        const error = await pop();
        return now ? ({ message: "no memory" } as GPUError) : error;
      };
    });
    const f = increment(device);
    const result = f(Float32Array.of(1, 2)) as Tensor;
    expect(await read(result)).toEqual([2, 3]);
    refused = true;
    await expect(result.read()).rejects.toThrow(expect.objectContaining({ code: "OutOfMemoryError" }));
    refused = false;
    expect(await read(result)).toEqual([2, 3]);
    expect(await read(f(Float32Array.of(5)))).toEqual([6]);
  });

  test("a call that is refused: what it donates stays usable, and nothing stays behind", async () => {
    const device = await open((gpu) => setLimits(gpu, { maxStorageBuffersPerShaderStage: 4, maxStorageBufferBindingSize: 1 << 16 }));
    // So far apart that four bindings do not reach them.
    const operands = Array.from({ length: 6 }, (_, i) => {
      const operand = tensor([i, i + 1]);
      operand.bufferOn(device);
      tensor(new Float32Array(1 << 14)).bufferOn(device);
      return operand;
    });
    const f = jit((xs: Value[]) => xs.reduce((a, x) => add(mul(a, 2), x)), { device, donate: [0] });
    const refused = (): unknown => f(operands);
    expect(refused).toThrow(expect.objectContaining({ code: "LimitError" }));
    const { liveBytes } = device.memory();
    expect(refused).toThrow(expect.objectContaining({ code: "LimitError" }));
    expect(device.memory().liveBytes).toBe(liveBytes);
    for (const [i, operand] of operands.entries()) expect(await read(operand)).toEqual([i, i + 1]);
  });

  test("a value beyond the adapter's limits: the limit and the need", async () => {
    const device = await open((gpu) => setLimits(gpu, { maxStorageBufferBindingSize: 1 << 16 }));
    const upload = (): unknown => increment(device)(new Float32Array(20_000));
    const limit = { code: "LimitError", limit: "maxStorageBufferBindingSize", needed: 80_000, available: 65_536 };
    expect(upload).toThrow(expect.objectContaining(limit));
    expect(upload).toThrow("webgpu: a value of the program takes 80000 bytes, the adapter's maxStorageBufferBindingSize is 65536");
    const outer = jit((x: Value, y: Value) => sum(matmul(x, y)), { device });
    const product = (n: number) => outer(tensor(new Float32Array(n), [n, 1]), tensor(new Float32Array(n), [1, n]));
    expect(() => product(200)).toThrow(expect.objectContaining({ code: "LimitError", needed: 160_000 }));
    expect(await read(product(100))).toEqual([0]);
  });

  test("a closed device", async () => {
    const device = await open();
    const f = increment(device);
    device.close();
    expect(() => f(new Float32Array(1))).toThrow("webgpu: the device was closed; open another with createDevice");
  });
});
