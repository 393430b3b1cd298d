/** @file Results that PyTorch computed (tools/oracle): reading them, running ours on every device, comparing the two. */
import { readFile } from "node:fs/promises";
import { createDevice, type Device, type DeviceOptions, jit, type Tensor, tensor, treeLeaves, type Value } from "@gradalign/tensor";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { referenceData } from "../../src/runtime/reference.ts";
import { testGpu } from "./gpu.ts";
import { FIXTURE_TOLERANCES, REFERENCE_TOLERANCES } from "./tolerances.ts";

/** A stored array; inputs are F32 or I32, results F64 or, when large, F32. */
export interface Stored {
  readonly shape: readonly number[];
  readonly data: Float32Array | Float64Array | Int32Array;
}

const ARRAYS = { F32: Float32Array, F64: Float64Array, I32: Int32Array } as const;

/** An entry of the file's header. */
interface Entry {
  readonly dtype: keyof typeof ARRAYS;
  readonly shape: number[];
  readonly data_offsets: [number, number];
}

/** The arrays of one safetensors file, by name. */
export class Fixture {
  readonly #arrays: ReadonlyMap<string, Stored>;

  /** Reads a file: `await Fixture.read(new URL("./fixtures/cnn.safetensors", import.meta.url))`. */
  static async read(file: URL): Promise<Fixture> {
    const bytes = await readFile(file);
    const bodyStart = 8 + Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, bodyStart))) as Record<string, Entry>;
    const arrays = new Map<string, Stored>();
    for (const [name, { dtype, shape, data_offsets }] of Object.entries(header)) {
      if (name === "__metadata__") continue;
      const [start, end] = data_offsets;
      // A copy starts at a fresh, aligned buffer.
      arrays.set(name, { shape, data: new ARRAYS[dtype](Uint8Array.from(bytes.subarray(bodyStart + start, bodyStart + end)).buffer) });
    }
    return new Fixture(arrays);
  }

  private constructor(arrays: ReadonlyMap<string, Stored>) {
    this.#arrays = arrays;
  }

  get(name: string): Stored {
    const stored = this.#arrays.get(name);
    if (!stored) throw new Error(`the fixture has no "${name}"`);
    return stored;
  }

  /** An input as a tensor. */
  tensor(name: string): Tensor {
    const { data, shape } = this.get(name);
    return tensor(data, shape);
  }

  /** Several inputs under a prefix, in order. */
  inputs<Names extends readonly string[]>(prefix: string, ...names: Names): { [K in keyof Names]: Tensor } {
    return names.map((name) => this.tensor(prefix + name)) as { [K in keyof Names]: Tensor };
  }

  number(name: string): number {
    const { data } = this.get(name);
    if (data.length !== 1) throw new Error(`"${name}" has ${data.length} elements`);
    return data[0]!;
  }

  numbers(name: string): number[] {
    return [...this.get(name).data];
  }

  /** The names after a prefix, of arrays stored directly under it. */
  names(prefix: string): string[] {
    return [...this.#arrays.keys()].filter((name) => name.startsWith(prefix) && !name.includes("/", prefix.length)).map((name) => name.slice(prefix.length));
  }

  /** The folders at the top: the cases of a fixture that holds several. */
  cases(): string[] {
    return [...new Set([...this.#arrays.keys()].map((name) => name.split("/")[0]!))].sort();
  }

  /** All inputs under a prefix as tensors. */
  tensors(prefix: string): Record<string, Tensor> {
    return Object.fromEntries(this.names(prefix).map((name) => [name, this.tensor(prefix + name)]));
  }

  /** All arrays under a prefix. */
  group(prefix: string): Record<string, Stored> {
    return Object.fromEntries(this.names(prefix).map((name) => [name, this.get(prefix + name)]));
  }
}

/** Where fixtures are checked: the exact backend, and the fast one with and without threads. */
const DEVICES: readonly (DeviceOptions & { readonly title: string })[] = [
  { title: "reference", backend: "reference" },
  { title: "wasm, 1 thread", backend: "wasm", threads: 1 },
  { title: "wasm, 2 threads", backend: "wasm", threads: 2 },
  { title: "webgpu", backend: "webgpu" },
];

/** Runs functions on a device and compares their results with stored ones. */
export interface Oracle {
  /** The device, once tests run. */
  device(): Device;
  /** Compiles and runs `f`, then compares its results, name by name, with the stored ones. */
  check<Arguments extends readonly unknown[]>(
    f: (...args: Arguments) => Record<string, Value>,
    args: Arguments,
    expected: Record<string, Stored>,
  ): Promise<void>;
  /** Compares one result. */
  close(actual: Tensor, expected: Stored, what: string): Promise<void>;
}

/** Describes tests once per device, or on some backends only, each once. */
export function describeOracle(title: keyof typeof FIXTURE_TOLERANCES, body: (oracle: Oracle) => void, backends?: readonly string[]): void {
  const devices = backends ? backends.map((backend) => DEVICES.find((device) => device.backend === backend) as (typeof DEVICES)[number]) : DEVICES;
  describe.each(devices)(`${title} on $title`, (options) => {
    let device: Device | undefined;
    beforeAll(async () => {
      device = await createDevice({ backend: options.backend!, ...(options.threads ? { threads: options.threads } : {}), ...(await testGpu()) });
    });
    afterAll(() => device?.close());
    const opened = (): Device => device as Device;

    const close = async (actual: Tensor, expected: Stored, what: string): Promise<void> => {
      expect(actual.shape, `shape of ${what}`).toEqual(expected.shape);
      const exact = options.backend === "reference";
      const data = exact ? referenceData(actual.bufferOn(opened())) : await actual.read();
      const { exact: narrow, rounded } = REFERENCE_TOLERANCES;
      const limit = !exact ? FIXTURE_TOLERANCES[title] : expected.data instanceof Float64Array ? narrow : rounded;
      expect(relativeError(data, expected.data), `relative error of ${what}`).toBeLessThanOrEqual(limit);
    };
    body({
      device: opened,
      close,
      async check(f, args, expected) {
        const compiled = jit(f, { device: opened() });
        const results = compiled(...(args as never)) as unknown as Record<string, Tensor>;
        expect(Object.keys(results).sort()).toEqual(Object.keys(expected).sort());
        for (const [name, stored] of Object.entries(expected)) await close(results[name]!, stored, name);
        for (const leaf of treeLeaves(results)) leaf.dispose();
        compiled.dispose();
      },
    });
  });
}

/** ‖actual − expected‖ / ‖expected‖; where all of `expected` is zero, `actual` must be too. NaN is infinitely wrong. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let difference = 0;
  let size = 0;
  for (let i = 0; i < expected.length; i++) {
    difference += (actual[i]! - expected[i]!) ** 2;
    size += expected[i]! ** 2;
  }
  if (difference === 0) return 0;
  const error = Math.sqrt(difference / size);
  return Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
}
