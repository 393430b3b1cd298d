/** @file Random programs compute the same on the wasm backend, with one thread and with two, and on the webgpu backend as on the reference
 * backend. */
import { type Device, grad, jit, mul, printGraph, sum, type Tensor, tensor, type Value } from "@gradalign/tensor";
import { describe, expect, test } from "vitest";
import { openDevices, relativeError } from "../support/devices.ts";
import { pseudoRandom } from "../support/pseudo-random.ts";
import { Chooser, type Known, randomInputs, randomProgram } from "../support/random-program.ts";
import { RANDOM_GRADIENT_TOLERANCE } from "../support/tolerances.ts";

const { reference, tested } = await openDevices();
type Tested = (typeof tested)[number];
const backends = (["wasm", "webgpu"] as const).map((backend) => [backend, tested.filter(([, device]) => device.backend === backend)] as const);

const PROGRAMS = 120;
const STEPS = 24;

/** Programs whose seed is above this are about images. */
const IMAGES = 100_000;

/** On webgpu every program is dozens of shaders to compile, those of convolutions large ones: it takes every sixth program, and of
 * convolutions every twentieth. */
const seedsOf = (backend: string, first: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => first + i).filter((seed) => backend !== "webgpu" || seed % (seed > IMAGES ? 20 : 6) === 0);

/** Results of the first `steps` steps: the last value, and some others. */
function outputsOf(seed: number, inputs: readonly Value[], steps: number): Known[] {
  const pool = randomProgram(seed, inputs, { steps, images: seed > IMAGES });
  const choose = new Chooser(seed + 1);
  return [pool.at(-1)!, ...[1, 2].map(() => choose.pick(pool))];
}

async function run(seed: number, inputs: readonly Tensor[], steps: number, device: Device): Promise<ArrayLike<number>[]> {
  const program = jit((args: Value[]) => outputsOf(seed, args, steps).map(({ value }) => value), { device });
  const results = program([...inputs]) as unknown as Tensor[];
  const data = await Promise.all(results.map((result) => result.read()));
  for (const result of results) result.dispose();
  program.dispose();
  return data;
}

/** What is wrong with a program, or null. */
async function fault(seed: number, steps: number, devices: readonly Tested[]): Promise<string | null> {
  const inputs = randomInputs(seed, { images: seed > IMAGES });
  const known = outputsOf(seed, inputs, steps);
  const expected = await run(seed, inputs, steps, reference);
  let first: ArrayLike<number>[] | null = null;
  for (const [name, device] of devices) {
    const actual = await run(seed, inputs, steps, device);
    for (const [i, values] of expected.entries()) {
      const { error } = known[i]!;
      if (values.length !== actual[i]!.length) return `${name}: output ${i} has ${actual[i]!.length} elements`;
      for (let at = 0; at < values.length; at++) {
        const difference = Math.abs(values[at]! - actual[i]![at]!);
        if (!(difference <= error)) return `${name}: output ${i}[${at}] is ${actual[i]![at]}, should be ${values[at]} ± ${error}`;
      }
    }
    // Threads must not change a bit.
    first ??= actual;
    expect(actual, `${name}, seed ${seed}`).toEqual(first);
  }
  for (const input of inputs) input.dispose();
  return null;
}

/** The shortest failing beginning of a failing program, as text. */
async function report(seed: number, devices: readonly Tested[]): Promise<string> {
  for (let steps = 1; steps <= STEPS; steps++) {
    const what = await fault(seed, steps, devices);
    if (!what) continue;
    const graph = printGraph(outputsOf(seed, randomInputs(seed, { images: seed > IMAGES }), steps).map(({ value }) => value));
    return `seed ${seed}, ${steps} steps: ${what}\n${graph}`;
  }
  return `seed ${seed} fails only at full length: ${await fault(seed, STEPS, devices)}`;
}

/** Gradients, with respect to every float input, of a weighted sum of the last float value. */
function gradientOf(seed: number, inputs: readonly Value[], steps: number): Value[] {
  const floats = inputs.flatMap((input, i) => (input.dtype === "float32" ? [i] : []));
  const loss = (...args: Value[]): Value => {
    const results = randomProgram(seed, args, { steps, exactOnly: true, images: seed > IMAGES }).filter(({ value }) => value.dtype === "float32");
    const { value, bound } = results.at(-1)!;
    const random = pseudoRandom(seed);
    const weights = tensor(
      Float32Array.from({ length: value.shape.reduce((n, extent) => n * extent, 1) }, () => (random() + 0.5) / (bound || 1)),
      value.shape,
    );
    return sum(mul(value, weights));
  };
  return floats.map((i) => grad(loss, i)(...inputs));
}

describe.each(backends)("%s", (backend, devices) => {
  test.each([
    ["programs", 1],
    ["programs of convolutions and changes of layout", IMAGES + 1],
  ])("random %s equal the reference", async (_, first) => {
    const failures: string[] = [];
    for (const seed of seedsOf(backend, first, PROGRAMS)) if (await fault(seed, STEPS, devices)) failures.push(await report(seed, devices));
    expect(failures.join("\n\n")).toBe("");
  });

  test.each([
    ["programs", 1001],
    ["programs of convolutions", IMAGES + 1001],
  ])("gradients of random %s equal the reference's", async (_, first) => {
    const failures: string[] = [];
    for (const seed of seedsOf(backend, first, PROGRAMS / 2)) {
      const inputs = randomInputs(seed, { images: seed > IMAGES });
      const gradients = (device: Device): Tensor[] => jit((args: Value[]) => gradientOf(seed, args, STEPS), { device })([...inputs]) as unknown as Tensor[];
      const expected = gradients(reference);
      for (const [name, device] of devices) {
        for (const [i, gradient] of gradients(device).entries()) {
          const error = relativeError(await gradient.read(), await expected[i]!.read());
          if (!(error < RANDOM_GRADIENT_TOLERANCE))
            failures.push(`seed ${seed}: gradient ${i} on ${name} is off by ${error}\n${printGraph(gradientOf(seed, inputs, STEPS).slice(i, i + 1))}`);
        }
      }
    }
    expect(failures.join("\n\n")).toBe("");
  });
});
