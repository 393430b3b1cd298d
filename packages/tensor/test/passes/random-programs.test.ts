/** @file Random programs compute the same on the wasm backend, with one thread and with two, as on the reference backend. */
import { type Device, grad, jit, mul, printGraph, sum, type Tensor, tensor, type Value } from "@gradalign/tensor";
import { expect, test } from "vitest";
import { openDevices, relativeError } from "../support/devices.ts";
import { pseudoRandom } from "../support/pseudo-random.ts";
import { Chooser, type Known, randomInputs, randomProgram } from "../support/random-program.ts";

const { reference, tested } = await openDevices();

const PROGRAMS = 200;
const STEPS = 24;

/** Results of the first `steps` steps: the last value, and some others. */
function outputsOf(seed: number, inputs: readonly Value[], steps: number): Known[] {
  const pool = randomProgram(seed, inputs, { steps });
  const choose = new Chooser(seed + 1);
  return [pool.at(-1)!, ...[1, 2].map(() => choose.pick(pool))];
}

function run(seed: number, inputs: readonly Tensor[], steps: number, device: Device): ArrayLike<number>[] {
  const program = jit((args: Value[]) => outputsOf(seed, args, steps).map(({ value }) => value), { device });
  const results = program([...inputs]) as unknown as Tensor[];
  const data = results.map((result) => result.data());
  for (const result of results) result.dispose();
  program.dispose();
  return data;
}

/** What is wrong with a program, or null. */
function fault(seed: number, steps: number): string | null {
  const inputs = randomInputs(seed);
  const known = outputsOf(seed, inputs, steps);
  const expected = run(seed, inputs, steps, reference);
  let first: ArrayLike<number>[] | null = null;
  for (const [name, device] of tested) {
    const actual = run(seed, inputs, steps, device);
    for (const [i, values] of expected.entries()) {
      const { error } = known[i]!;
      if (values.length !== actual[i]!.length) return `${name}: output ${i} has ${actual[i]!.length} elements`;
      for (let at = 0; at < values.length; at++) {
        const difference = Math.abs(values[at]! - actual[i]![at]!);
        if (!(difference <= error)) return `${name}: output ${i}[${at}] is ${actual[i]![at]}, should be ${values[at]} ± ${error}`;
      }
    }
    first ??= actual;
    expect(actual, `${name}, seed ${seed}`).toEqual(first);
  }
  for (const input of inputs) input.dispose();
  return null;
}

/** The shortest failing beginning of a failing program, as text. */
function report(seed: number): string {
  for (let steps = 1; steps <= STEPS; steps++) {
    const what = fault(seed, steps);
    if (!what) continue;
    const graph = printGraph(outputsOf(seed, randomInputs(seed), steps).map(({ value }) => value));
    return `seed ${seed}, ${steps} steps: ${what}\n${graph}`;
  }
  return `seed ${seed} fails only at full length: ${fault(seed, STEPS)}`;
}

test(`${PROGRAMS} random programs equal the reference`, () => {
  const failures: string[] = [];
  for (let seed = 1; seed <= PROGRAMS; seed++) if (fault(seed, STEPS)) failures.push(report(seed));
  expect(failures.join("\n\n")).toBe("");
});

/** The first program values that a smooth scalar can be made of. */
function gradientOf(seed: number, inputs: readonly Value[], steps: number): Value[] {
  const floats = inputs.flatMap((input, i) => (input.dtype === "float32" ? [i] : []));
  const loss = (...args: Value[]): Value => {
    const results = randomProgram(seed, args, { steps, exactOnly: true }).filter(({ value }) => value.dtype === "float32");
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

test("their gradients equal the reference's", () => {
  const failures: string[] = [];
  for (let seed = 1001; seed <= 1000 + PROGRAMS / 2; seed++) {
    const inputs = randomInputs(seed);
    const gradients = ([, device]: readonly [string, Device]): Tensor[] =>
      jit((args: Value[]) => gradientOf(seed, args, STEPS), { device })([...inputs]) as unknown as Tensor[];
    const expected = gradients(["reference", reference]);
    for (const entry of tested) {
      for (const [i, gradient] of gradients(entry).entries()) {
        const error = relativeError(gradient.data(), expected[i]!.data());
        if (!(error < 1e-5))
          failures.push(`seed ${seed}: gradient ${i} on ${entry[0]} is off by ${error}\n${printGraph(gradientOf(seed, inputs, STEPS).slice(i, i + 1))}`);
      }
    }
  }
  expect(failures.join("\n\n")).toBe("");
});
