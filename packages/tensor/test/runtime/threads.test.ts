/** @file Threads: the same bits with any number of them, and processes that end. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import {
  add,
  conv2d,
  createDevice,
  type Device,
  evaluate,
  exp,
  grad,
  jit,
  log,
  matmul,
  mean,
  mul,
  normal,
  randomKey,
  relu,
  reshape,
  sub,
  sum,
  type Tensor,
  treeLeaves,
  type Value,
} from "@gradalign/tensor";
import { afterAll, expect, test } from "vitest";

interface Params {
  readonly [name: string]: Value;
}

/** Two convolutions, one with a stride, batch statistics, a linear layer and a smooth loss. */
function loss(p: Params, x: Value): Value {
  const h = conv2d(x, p["first"]!, { padding: 1 });
  const centred = sub(h, mean(h, [0, 2, 3], { keepDims: true }));
  const y = conv2d(relu(centred), p["second"]!, { stride: 2, padding: 1 });
  const logits = matmul(reshape(relu(y), [x.shape[0]!, -1]), p["linear"]!);
  return mean(log(add(1, sum(exp(logits), [1]))));
}

function step(p: Params, x: Value): Params {
  const g = grad(loss)(p, x) as Params;
  return Object.fromEntries(Object.keys(p).map((name) => [name, sub(p[name]!, mul(0.1, g[name]!))]));
}

async function run(threads: number): Promise<Float32Array[]> {
  const device: Device = await createDevice({ backend: "wasm", threads });
  afterAll(() => device.close());
  expect(device.threads).toBe(threads);
  const random = (n: number, shape: number[]): Tensor => evaluate(mul(normal(randomKey(n), shape), 0.2), device);
  let p: Params = { first: random(1, [16, 3, 3, 3]), second: random(2, [12, 16, 3, 3]), linear: random(3, [12 * 64, 10]) };
  const x = random(4, [8, 3, 16, 16]);
  const update = jit(step, { device });
  for (let i = 0; i < 3; i++) p = update(p, x) as unknown as Params;
  return treeLeaves(p as Record<string, Tensor>).map((leaf) => leaf.data() as Float32Array);
}

test("one to four threads compute the same bits", async () => {
  const [one, ...others] = await Promise.all([1, 2, 3, 4].map(run));
  for (const result of others) expect(result).toEqual(one);
  expect(one!.every((values) => values.every(Number.isFinite))).toBe(true);
});

test("a program of hundreds of kernels, which is in several functions", async () => {
  const turned = (x: Value): Value => {
    let y = x;
    for (let i = 0; i < 150; i++) y = sub(y, mul(mean(y, [i % 2], { keepDims: true }), 0.5));
    return y;
  };
  const x = Float32Array.from({ length: 40 * 50 }, (_, i) => Math.sin(i));
  const results = [1, 2, 3].map(async (threads) => {
    const device = await createDevice({ backend: "wasm", threads });
    afterAll(() => device.close());
    const f = jit((given: Value) => turned(reshape(given, [40, 50])), { device });
    const result = f(x).data();
    expect(f.stats()!.kernels).toBeGreaterThan(200);
    return result;
  });
  const [one, ...others] = await Promise.all(results);
  for (const other of others) expect(other).toEqual(one);
  const reference = await createDevice({ backend: "reference" });
  const expected = jit((given: Value) => turned(reshape(given, [40, 50])), { device: reference })(x).data();
  one!.forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i]!, 4);
  });
});

test("many short programs on several threads", async () => {
  const device = await createDevice({ backend: "wasm", threads: 4 });
  afterAll(() => device.close());
  const f = jit((x: Value) => sum(add(mul(x, x), 1), [0]), { device });
  for (let i = 0; i < 500; i++) {
    const result = f(Float32Array.of(i, 1, 2));
    expect(result.item()).toBe(i * i + 8);
    result.dispose();
  }
});

/** Runs a script as a process of its own, on the built package (`npm test` builds first). Its command line says that scripts are
 * modules, which the workers' script is not. */
function runScript(body: string): { status: number | null; stdout: string } {
  const index = fileURLToPath(new URL("../../dist/index.js", import.meta.url));
  const script = `import { add, createDevice, jit } from ${JSON.stringify(index)};\n${body}`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8", timeout: 50_000 });
  expect(stderr).toBe("");
  return { status, stdout };
}

const USE = `const device = await createDevice({ backend: "wasm", threads: 3 });
const result = jit((x) => add(x, 1), { device })(Float32Array.of(1, 2));
console.log([...result.data()].join());`;

test("a process ends by itself once its device is closed", () => {
  expect(runScript(`${USE}\ndevice.close();`)).toEqual({ status: 0, stdout: "2,3\n" });
});

test("an idle device does not keep a process alive either", () => {
  expect(runScript(USE)).toEqual({ status: 0, stdout: "2,3\n" });
});
