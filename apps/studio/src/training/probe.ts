/** @file Looks at one image with a model of a training: attacks, gradients, the loss around it, the first layer. */
import {
  attackOptions,
  attackRunner,
  createModel,
  crossEntropyPerExample,
  fgsm,
  keyFor,
  linf,
  modelPrograms,
  pgd,
  type ResidentDataset,
  restoreModel,
  type TrainConfig,
} from "@gradalign/robustness";
import { grownFilter } from "@gradalign/runs";
import { add, broadcastAlong, clamp, type Device, jit, mul, reshape, type Tensor, tensor, type Value } from "@gradalign/tensor";
import type { Filters, Look, Side, Subject, Surface } from "../protocol.ts";
import type { Moment } from "./moments.ts";

/** Looks with the models of one training. */
export interface Probe {
  look(moment: Moment, subject: Subject, side: Side): Promise<Look>;
  dispose(): void;
}

const GRID = { size: 25, from: -0.25, to: 1.25 };
/** Test images that alignment without some filters is measured on. */
const MEASURED = 128;
/** The single-layer network's tensors, as in the authors' code. */
const [CONVOLUTION, LINEAR] = ["params/_model.0.weight", "params/_model.3.weight"];

/** Compiles what is needed; each program when it is first called. */
export function createProbe(config: TrainConfig, dataset: ResidentDataset, device: Device): Probe {
  const { epsilon, seed } = config;
  const { shape, test } = dataset;
  const pixels = shape.reduce((product, extent) => product * extent, 1);
  const classes = dataset.classNames.length;
  const model = createModel(config.model, { classes, shape });
  const programs = modelPrograms(model, device);
  const { classifier } = programs;
  type Tensors = Parameters<typeof classifier.logits>[0];
  const attackers = { fgsm: attackRunner(programs, fgsm, attackOptions(fgsm), linf), pgd: attackRunner(programs, pgd, attackOptions(pgd), linf) };
  const noKeys = (x: Value): Value => tensor(new Int32Array(2 * x.shape[0]!), [x.shape[0]!, 2]);
  const answer = jit((tensors: Tensors, x: Value): Value => classifier.logits(tensors, x, noKeys(x)), { device });
  const near = jit((x: Value, key: Value): Value => clamp(add(x, linf.randomStart(key, x.shape, epsilon)), 0, 1), { device });
  const losses = jit(
    (tensors: Tensors, x: Value, labels: Value, first: Value, second: Value, along: Value, across: Value): Value => {
      const all = [along.shape[0]!, ...shape];
      const spread = (image: Value): Value => broadcastAlong(reshape(image, [...shape]), all, [1, 2, 3]);
      const times = (image: Value, factor: Value): Value => mul(spread(image), broadcastAlong(factor, all, [0]));
      const points = add(spread(x), add(times(first, along), times(second, across)));
      return crossEntropyPerExample(classifier.logits(tensors, points, noKeys(points)), labels);
    },
    { device },
  );

  const floats = async (value: Tensor): Promise<Float32Array> => {
    const data = (await value.read()) as Float32Array;
    value.dispose();
    return data;
  };
  const images = (first: number, count: number): Tensor =>
    tensor(
      Float32Array.from(test.images.subarray(first * pixels, (first + count) * pixels), (byte) => byte / 255),
      [count, ...shape],
    );
  const attacked = async (name: keyof typeof attackers, tensors: Tensors, x: Tensor, labels: Tensor, indices: readonly number[]) => {
    const {
      delta,
      correct,
      losses: found,
      finite,
    } = await attackers[name].run({ tensors, x, labels, indices }, { epsilon, keyOf: (index) => keyFor(seed, "evaluation", index, 1) });
    for (const unused of [found, finite]) unused.dispose();
    return { delta, correct };
  };
  /** Gradients of a batch at its images and at random points around them, one after the other. */
  const gradients = async (tensors: Tensors, x: Tensor, labels: Tensor, number: number): Promise<Look["gradients"]> => {
    const point = near(x, Int32Array.from(keyFor(seed, "alignment", number)));
    const [here, around] = [programs.gradient(tensors, x, labels), programs.gradient(tensors, point, labels)];
    point.dispose();
    return { here: await floats(here), near: await floats(around) };
  };

  const surfaceOf = async (tensors: Tensors, x: Tensor, target: number, first: Float32Array, second: Float32Array): Promise<Float32Array> => {
    const { size, from, to } = GRID;
    const at = (i: number): number => from + ((to - from) * i) / (size - 1);
    const coordinates = (of: (i: number) => number): Float32Array => Float32Array.from({ length: size * size }, (_, i) => at(of(i)));
    const directions = [first, second].map((direction) => tensor(direction, [1, ...shape])) as [Tensor, Tensor];
    const labels = new Int32Array(size * size).fill(target);
    const found = losses(
      tensors,
      x,
      labels,
      ...directions,
      coordinates((i) => i % size),
      coordinates((i) => Math.floor(i / size)),
    );
    for (const direction of directions) direction.dispose();
    return floats(found);
  };

  const without = async (tensors: Tensors): Promise<Filters["without"]> => {
    const count = Math.min(MEASURED, test.count);
    const [x, labels] = [images(0, count), tensor(Int32Array.from(test.labels.subarray(0, count)))];
    const found = await gradients(tensors, x, labels, 0);
    const cosines = Array.from({ length: count }, (_, i) => cosineOf(part(found.here, i, pixels), part(found.near, i, pixels))).filter(
      (cosine) => cosine !== null,
    );
    const { correct, losses: unused, finite } = programs.score(tensors, x, labels);
    const fooled = await attacked(
      "fgsm",
      tensors,
      x,
      labels,
      Array.from({ length: count }, (_, i) => i),
    );
    const share = async (right: Tensor): Promise<number> => mean(await floats(right));
    const result = { images: count, alignment: cosines.length === 0 ? null : mean(cosines), clean: await share(correct), fgsm: await share(fooled.correct) };
    for (const value of [x, labels, unused, finite, fooled.delta]) value.dispose();
    return result;
  };

  return {
    async look({ iteration, epoch, tensors: stored }, { image, zeroed: all, direction }, side) {
      const zeroed = all[side].filter((filter) => filter < (stored.get(CONVOLUTION)?.shape[0] ?? 0));
      const changed = new Map(stored);
      const convolution = stored.get(CONVOLUTION);
      if (convolution) changed.set(CONVOLUTION, { ...convolution, data: withoutFilters(convolution.data as Float32Array, zeroed, convolution.shape[0]!) });
      const tensors = restoreModel(model, { tensors: changed });
      const own = typeof image !== "number";
      const index = own ? 0 : Math.min(image, test.count - 1);
      const x = own ? tensor(image, [1, ...shape]) : images(index, 1);
      const clean = await floats(answer(tensors, x));
      const label = own ? null : (test.labels[index] as number);
      const target = label ?? clean.indexOf(Math.max(...clean));
      const labels = tensor(Int32Array.of(target));
      const found = { fgsm: await attacked("fgsm", tensors, x, labels, [index]), pgd: await attacked("pgd", tensors, x, labels, [index]) };
      const deltas = { fgsm: await floats(found.fgsm.delta), pgd: await floats(found.pgd.delta) };
      for (const { correct } of Object.values(found)) correct.dispose();
      const pixelsOf = (await x.read()) as Float32Array;
      const answerTo = async (delta: Float32Array): Promise<Float32Array> => {
        const moved = tensor(
          pixelsOf.map((value, i) => value + (delta[i] as number)),
          [1, ...shape],
        );
        const logits = await floats(answer(tensors, moved));
        moved.dispose();
        return softmax(logits);
      };
      const answers = { clean: softmax(clean), fgsm: await answerTo(deltas.fgsm), pgd: await answerTo(deltas.pgd) };
      const slopes = await gradients(tensors, x, labels, index);
      const second = direction === "pgd" ? deltas.pgd : randomSigns(pixels, epsilon);
      const surface: Surface = { ...GRID, direction, losses: await surfaceOf(tensors, x, target, deltas.fgsm, second) };
      const filters = convolution ? await filtersOf(changed, zeroed, zeroed.length > 0 ? await without(tensors) : null) : null;
      for (const value of [x, labels, ...Object.values(tensors.params), ...Object.values(tensors.state)]) value.dispose();
      return {
        iteration,
        epoch,
        image: pixelsOf,
        target,
        label,
        deltas,
        answers,
        gradients: slopes,
        cosine: cosineOf(slopes.here, slopes.near),
        surface,
        filters,
      };
    },
    dispose() {
      for (const program of [attackers.fgsm, attackers.pgd, answer, near, losses, programs]) program.dispose();
    },
  };
}

function withoutFilters(weights: Float32Array, zeroed: readonly number[], filters: number): Float32Array {
  const size = weights.length / filters;
  const changed = weights.slice();
  for (const filter of zeroed) changed.fill(0, filter * size, (filter + 1) * size);
  return changed;
}

async function filtersOf(tensors: Moment["tensors"], zeroed: readonly number[], without: Filters["without"]): Promise<Filters> {
  const convolution = tensors.get(CONVOLUTION)!;
  const [weights, linear] = [convolution.data as Float32Array, tensors.get(LINEAR)!];
  const shape = convolution.shape as Filters["shape"];
  const [filters] = shape;
  const norms = Array.from({ length: filters }, (_, f) => Math.hypot(...part(weights, f, weights.length / filters)));
  const [classes, features] = linear.shape as [number, number];
  const positions = features / filters;
  const outgoing = Array.from({ length: filters }, (_, f) => {
    let sum = 0;
    for (let k = 0; k < classes; k++) for (let i = 0; i < positions; i++) sum += (linear.data[k * features + f * positions + i] as number) ** 2;
    return Math.sqrt(sum);
  });
  return { shape, weights, norms, outgoing, grown: grownFilter({ norms, outgoing }), zeroed, without };
}

const part = (values: Float32Array, i: number, size: number): Float32Array => values.subarray(i * size, (i + 1) * size);

const mean = (values: ArrayLike<number>): number => Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;

function softmax(logits: Float32Array): Float32Array {
  const most = Math.max(...logits);
  const powers = logits.map((value) => Math.exp(value - most));
  const sum = powers.reduce((total, value) => total + value, 0);
  return powers.map((value) => value / sum);
}

/** Cosine of two vectors; null where one is zero or not finite. */
function cosineOf(a: Float32Array, b: Float32Array): number | null {
  // Gradients of confident answers are tiny: their squares would underflow.
  const [x, y] = [a, b].map((values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0)) as [number, number];
  let [product, squares, others] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [u, v] = [(a[i] as number) / x, (b[i] as number) / y];
    product += u * v;
    squares += u * u;
    others += v * v;
  }
  const cosine = product / Math.sqrt(squares * others);
  return Number.isFinite(cosine) ? cosine : null;
}

/** A corner of the ball, the same for every model and image. */
function randomSigns(length: number, epsilon: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => (Math.imul(i + 1, 0x9e3779b1) & 0x10000 ? epsilon : -epsilon));
}
