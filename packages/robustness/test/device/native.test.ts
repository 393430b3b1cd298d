/** @file Machine code for contractions: the same bits as WebAssembly, in memory that is never writable and executable at once, on this machine or not at all. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  conv2d,
  createDevice,
  type Device,
  grad,
  jit,
  matmul,
  mul,
  type NativeHost,
  nativeProblem,
  sum,
  type Tensor,
  tensor,
  type Value,
} from "@gradalign/tensor";
import { afterAll, describe, expect, test } from "vitest";
import { nativeDifference } from "../../../tensor/src/runtime/wasm/native-proof.ts";
import { randomKernel } from "../../../tensor/test/support/random-kernels.ts";
import { nodeNative, proven } from "../../src/device/node-native.ts";
import { arithmeticDifference, arithmeticOf } from "../../src/train/seal.ts";

const folder = mkdtempSync(join(tmpdir(), "gradalign-native-"));
afterAll(() => rmSync(folder, { recursive: true }));
const { host: found, problem } = nodeNative(false, { folder, version: "test" });

test("says why there is no machine code, where there is none", () => {
  expect(found === null).toBe(problem !== null);
});

test("contractions that round otherwise than the rest are another arithmetic, and sealed as one", () => {
  const device = { backend: "wasm" } as Device;
  expect(arithmeticOf(device)).not.toHaveProperty("contractions");
  const other = arithmeticOf({ ...device, contractions: "fused" });
  expect(arithmeticDifference(arithmeticOf(device), other)).toBe('it was computed with contractions null so far, here that is "fused"');
});

describe.skipIf(found === null)(`machine code (${problem ?? "here"})`, () => {
  const host = found as NativeHost;

  test("the proof is noted, and taken from the note", () => {
    const note = JSON.parse(readFileSync(join(folder, "native-proof.json"), "utf8")) as unknown;
    expect(note).toEqual({ subject: expect.stringContaining(process.version), instructions: host.instructions, problem: null });
  });

  test("where one kind of machine code does wrong the next one is taken, and that is noted", () => {
    const path = join(folder, "fallback", "native-proof.json");
    const wrong: NativeHost = { ...host, instructions: "avx512", bind: () => () => {} };
    const right: NativeHost = { ...host, instructions: "avx2" };
    expect(proven([wrong, right], path, "test")).toEqual({ host: right, problem: null });
    expect(JSON.parse(readFileSync(path, "utf8"))).toMatchObject({ instructions: "avx2", problem: null });
    // Taken from the note: this host would not pass the proof.
    const unproven: NativeHost = { ...wrong, instructions: "avx2" };
    expect(proven([wrong, unproven], path, "test")).toEqual({ host: unproven, problem: null });
    expect(proven([wrong, unproven], path, "another version")).toEqual({ host: null, problem: expect.stringContaining("word 0") });
  });

  test("random kernels give the bits of WebAssembly", () => {
    for (let seed = 0; seed < 40; seed++) expect([seed, nativeDifference(randomKernel(seed), host, seed)]).toEqual([seed, null]);
  });

  test("so they do in AVX2 where the processor has more", () => {
    const narrow: NativeHost = { ...host, instructions: "avx2" };
    expect(nativeProblem(narrow)).toBeNull();
    for (let seed = 0; seed < 40; seed++) expect([seed, nativeDifference(randomKernel(seed), narrow, seed)]).toEqual([seed, null]);
  });

  test("the proof finds code that does nothing", () => {
    expect(nativeProblem({ ...host, bind: () => () => {} })).toMatch(/^conv: word 0 of the result is 2143363909 in native code, /);
  });

  test("code lies where it can be executed and not written", () => {
    const { address, free } = host.load(new Uint8Array([0xc3]));
    const mapping = (): string | undefined =>
      readFileSync("/proc/self/maps", "utf8")
        .split("\n")
        .find((line) => line.startsWith(address.toString(16)));
    expect(mapping()).toContain(" r-xp ");
    free();
    expect(mapping()).toBeUndefined();
  });

  test("a program's results are the same on any number of threads", async () => {
    const next = (i: number): number => Math.sin(i * i);
    const numbers = (...shape: number[]): Tensor =>
      tensor(
        Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => next(i)),
        shape,
      );
    const loss = (x: Value, a: Value, b: Value, c: Value): Value => {
      const deep = conv2d(conv2d(conv2d(x, a, { padding: 1 }), b, { padding: 1 }), b, { stride: 2, padding: 1 });
      return sum(mul(matmul(sum(deep, [2, 3]), c), 0.01));
    };
    const args = [numbers(4, 3, 16, 16), numbers(32, 3, 3, 3), numbers(32, 32, 3, 3), numbers(32, 10)] as const;
    const run = async (device: Device): Promise<number[][]> => {
      const step = jit((x: Value, a: Value, b: Value, c: Value) => [loss(x, a, b, c), grad(loss, 1)(x, a, b, c), grad(loss, 2)(x, a, b, c)], { device });
      const results = await Promise.all(step(...args).map(async (result) => [...(await result.read())]));
      const codes = (await step.profile(...args)!.times).map(({ code }) => code);
      expect(codes.includes("native")).toBe(device !== plain);
      step.dispose();
      device.close();
      return results;
    };
    const plain = await createDevice({ threads: 2 });
    const expected = await run(plain);
    expect(expected.flat().every(Number.isFinite)).toBe(true);
    for (const threads of [1, 2]) expect(await run(await createDevice({ threads, native: host }))).toEqual(expected);
  });
});
