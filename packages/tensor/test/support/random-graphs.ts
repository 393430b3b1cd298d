/** @file Random graphs, computed by a backend and by the reference: what differs, throws or leaks, as text. For tests and for longer campaigns. */
import * as t from "@gradalign/tensor";
import { topologicalOrder } from "../../src/ir/graph.ts";
import { pseudoRandom } from "./pseudo-random.ts";
import { Chooser, type Family, type Known } from "./random/known.ts";
import { randomInputs, randomProgram } from "./random-program.ts";
import { relativeError } from "./relative-error.ts";
import { RANDOM_GRADIENT_TOLERANCES } from "./tolerances.ts";

/** What a graph is made of. */
export interface Kind extends Family {
  readonly name: string;
  /** The graph is the gradient of a program, of first or second order, instead of the program. */
  readonly order?: 1 | 2;
}

/** Kinds of graphs for a backend. WGSL leaves it to the hardware what becomes of NaN and infinities, and whether numbers that are not normal count as 0. */
export function kindsFor(backend: t.Device["backend"]): readonly Kind[] {
  const extreme = backend === "webgpu" ? "finite" : "any";
  return [
    { name: "programs" },
    { name: "programs of convolutions and changes of layout", images: true },
    { name: "programs with empty arrays", empty: true },
    { name: "programs of convolutions of nothing", images: true, empty: true },
    { name: "programs on extreme numbers", extreme },
    { name: "programs of convolutions on extreme numbers", images: true, extreme },
    { name: "gradients", order: 1 },
    { name: "gradients of convolutions", images: true, order: 1 },
    { name: "second gradients with empty arrays", empty: true, order: 2 },
    { name: "second gradients of convolutions of nothing", images: true, empty: true, order: 2 },
  ];
}

/** One graph; the same seed gives the same graph. */
export interface Graph {
  readonly kind: Kind;
  readonly seed: number;
}

/** Operations tried per program. */
const STEPS = 24;

/** A value and how far a backend may be from the reference. */
interface Output extends Pick<Known, "value" | "error" | "allowed"> {
  /** Of all elements together, in the L2 norm, instead. */
  readonly relative?: number;
}

interface Fault {
  readonly text: string;
  readonly output?: Output;
}

const exact = await t.createDevice({ backend: "reference" });
/** Extreme numbers overflow where float32 does. */
const rounding = await t.createDevice({ backend: "reference", precision: "float32" });

/** What is wrong with a graph on the devices, one or more of the same backend: the shortest failing beginning of its program, as text. Null if nothing is. */
export async function faultOf(graph: Graph, devices: readonly t.Device[]): Promise<string | null> {
  const whole = await check(graph, STEPS, devices);
  if (!whole) return null;
  let [fault, length] = [whole, STEPS];
  for (let steps = 0; steps < STEPS; steps++) {
    const found = await check(graph, steps, devices);
    if (!found) continue;
    [fault, length] = [found, steps];
    break;
  }
  const nodes = fault.output ? `\n${t.printGraph([fault.output.value])}` : "";
  return `${graph.kind.name}, seed ${graph.seed}, ${length} steps: ${fault.text}${nodes}`;
}

async function check(graph: Graph, steps: number, devices: readonly t.Device[]): Promise<Fault | null> {
  let expected: Results;
  try {
    expected = await run(graph, steps, graph.kind.extreme ? rounding : exact, true);
  } catch (error) {
    return { text: `the reference threw ${error}` };
  }
  let first: readonly ArrayLike<number>[] | null = null;
  for (const device of devices) {
    const name = `${device.backend} on ${device.threads} threads`;
    const before = device.memory().liveBytes;
    let values: readonly ArrayLike<number>[];
    try {
      ({ values } = await run(graph, steps, device));
      // The device's scratch memory grows with the largest program; a second run needs no more.
      const after = device.memory().liveBytes;
      if (after > before) await run(graph, steps, device);
      const later = device.memory().liveBytes;
      if (later > after) return { text: `${name}: ${later - after} bytes stay behind` };
    } catch (error) {
      return { text: `${name} threw ${error}` };
    }
    for (const [i, output] of expected.outputs.entries()) {
      const difference = compare(output, expected.values[i]!, values[i]!, expected.allowed[i]);
      if (difference) return { text: `${name}: ${difference}`, output };
      // Threads must not change a bit.
      const at = first ? Array.from(values[i]!).findIndex((x, j) => !Object.is(x, first![i]![j])) : -1;
      if (at >= 0) return { text: `${name}: element ${at} is ${values[i]![at]}, with fewer threads ${first![i]![at]}`, output };
    }
    first ??= values;
  }
  return null;
}

interface Results {
  readonly outputs: readonly Output[];
  readonly values: readonly ArrayLike<number>[];
  /** Element by element, where an output says so. */
  readonly allowed: readonly (ArrayLike<number> | undefined)[];
}

/** Computes a graph from inputs of its own, and gives all memory back. */
async function run(graph: Graph, steps: number, device: t.Device, withAllowed = false): Promise<Results> {
  const inputs = randomInputs(graph.seed, graph.kind);
  const made: t.Tensor[] = [...inputs];
  let outputs: readonly Output[] = [];
  const program = t.jit(
    (args: readonly t.Value[]): t.Value[] => {
      outputs = outputsOf(graph, args, steps);
      const all = [...outputs.map(({ value }) => value), ...(withAllowed ? outputs.flatMap(({ allowed }) => allowed ?? []) : [])];
      for (const node of topologicalOrder(all)) if (node instanceof t.Tensor) made.push(node);
      return all;
    },
    { device },
  );
  try {
    const results = program(inputs);
    made.push(...results);
    const data: ArrayLike<number>[] = await Promise.all(results.map((result) => result.read()));
    const values = data.splice(0, outputs.length);
    return { outputs, values, allowed: outputs.map(({ allowed }) => (allowed && withAllowed ? data.shift() : undefined)) };
  } finally {
    for (const tensor of made) tensor.dispose();
    program.dispose();
  }
}

function outputsOf({ seed, kind }: Graph, inputs: readonly t.Value[], steps: number): readonly Output[] {
  const { name: _, order, ...family } = kind;
  if (order) return gradientsOf(seed, family, order, inputs, steps).map((value) => ({ value, error: 0, relative: RANDOM_GRADIENT_TOLERANCES[order] }));
  const values = randomProgram(seed, inputs, { steps, ...family });
  const choose = new Chooser(seed + 1);
  const sums = values.filter(({ allowed }) => allowed);
  return [values.at(-1)!, ...[1, 2].map(() => choose.pick(values)), ...sums.slice(-1)];
}

/** Gradients, with respect to every float input, of a weighted sum of the last float value; or of the squares of those. */
function gradientsOf(seed: number, family: Family, order: 1 | 2, inputs: readonly t.Value[], steps: number): t.Value[] {
  const floats = inputs.flatMap((input, i) => (input.dtype === "float32" ? [i] : []));
  const loss = (...args: t.Value[]): t.Value => {
    const { value, bound } = randomProgram(seed, args, { steps, exactOnly: true, ...family }).findLast((known) => known.value.dtype === "float32")!;
    const random = pseudoRandom(seed);
    const weights = Float32Array.from({ length: t.sizeOf(value.shape) }, () => (random() + 0.5) / (bound || 1));
    return t.sum(t.mul(value, t.tensor(weights, value.shape)));
  };
  const gradients = (f: typeof loss): ((...args: t.Value[]) => t.Value[]) => {
    return (...args) => floats.map((i) => t.grad(f, i)(...args));
  };
  const first = gradients(loss);
  if (order === 1) return first(...inputs);
  return gradients((...args) =>
    first(...args)
      .map((gradient) => t.sum(t.square(gradient)))
      .reduce((a, b) => t.add(a, b)),
  )(...inputs);
}

/** Beyond this a sum's magnitude says nothing of whether it overflows on the way. */
const OVERFLOW = 1e30;

/** How the elements differ, or null. Infinities and NaN must be the same; zeros of both signs are equal. */
function compare({ error, relative }: Output, expected: ArrayLike<number>, actual: ArrayLike<number>, allowed?: ArrayLike<number>): string | null {
  if (expected.length !== actual.length) return `${actual.length} elements instead of ${expected.length}`;
  if (relative !== undefined) {
    const off = relativeError(actual, expected);
    return off <= relative ? null : `off by ${off}, at most ${relative} are right`;
  }
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [actual[i]!, expected[i]!];
    const most = allowed ? allowed[i]! : error;
    if (a === e || Object.is(a, e) || !(most < OVERFLOW) || Math.abs(a - e) <= most) continue;
    return `element ${i} is ${a}, should be ${e} ± ${most}`;
  }
  return null;
}
