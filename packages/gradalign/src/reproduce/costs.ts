/**
 * @file What a training costs on this machine, from a few of its steps, measured once and kept.
 *
 * Measured in two ways: alone with all threads, and side by side, one thread each, as many as there are cores. The second is the
 * faster way through a grid where programs are too small for threads to pay.
 */
import { createHash } from "node:crypto";
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import { madeUpImages, type Training } from "@gradalign/experiments";
import {
  attackPlan,
  canonicalJson,
  createModel,
  createSession,
  datasets,
  isDatasetName,
  methodNamed,
  modelPrograms,
  phasesOf,
  structureOf,
  type TrainConfig,
  timetableOf,
  trainingSize,
} from "@gradalign/robustness";
import { makeFolder, readIfThere, readJson, writeFileAtomic } from "@gradalign/robustness/node";
import { VERSION } from "@gradalign/runs/node";
import { DataError, type Device, jit, type Tensor, tensor, type Value } from "@gradalign/tensor";
import { z } from "zod";

/** Seconds of the parts of a training; what an estimate is made of. */
export interface Cost {
  /** One training step. */
  readonly step: number;
  /** One image's input gradient in eval mode, what attacks are made of. */
  readonly gradient: number;
  readonly compile: number;
}

/** How trainings can share a machine. */
export type Mode = "alone" | "side by side";

/** A training's cost in either mode. */
export type Costs = Readonly<Record<Mode, Cost>>;

/** How long something is repeated to be timed, and how often at least. The first half is not counted: an engine runs quickly made
 * code, several times slower, until it has compiled the better one. */
const TIMED_SECONDS = 1;
const LEAST_REPEATS = 3;
/** Batches of made-up images that the timed steps go round. */
const TIMED_BATCHES = 6;
/** Steps slower than this are timed with fewer images instead. */
const SLOW_STEP = 0.5;
const SMALL_BATCH = 4;
/** Images of a timed input gradient, unless steps are slow. */
const GRADIENT_BATCH = 64;

const MACHINE = { version: VERSION, node: process.versions.node.split(".")[0], processor: cpus()[0]?.model, cores: availableParallelism() };

/** Settings that a step's time depends on. */
export function costKey(config: TrainConfig): string {
  const { dataset, model, method, batchSize, optimizer, augment } = config;
  const { warmupEpochs, ...shape } = structureOf(methodNamed(method.name).options, method);
  const warms = Number(warmupEpochs ?? 0) > 0;
  const depends = { dataset, model, method: { name: method.name, ...shape, warms }, batchSize, optimizer: optimizer.name, augment };
  return createHash("sha256")
    .update(canonicalJson({ depends, machine: MACHINE }))
    .digest("hex")
    .slice(0, 16);
}

/** Measured costs, kept in a file. */
export interface CostBook {
  get(config: TrainConfig): Costs | undefined;
  set(config: TrainConfig, costs: Costs): void;
}

const costForm = z.object({ step: z.number(), gradient: z.number(), compile: z.number() });
const costsForm = z.record(z.string(), z.object({ alone: costForm, "side by side": costForm }));

/** Opens the costs kept in an output folder. */
export function openCostBook(out: string): CostBook {
  const file = join(out, "costs.json");
  const read = (): Record<string, Costs> => {
    try {
      return readIfThere(file) ? readJson(file, costsForm, "delete it") : {};
    } catch (error) {
      // A cache of another form is measured again.
      if (error instanceof DataError) return {};
      throw error;
    }
  };
  let known = read();
  return {
    get: (config) => known[costKey(config)],
    set(config, costs) {
      // Another process may have added to the file.
      known = { ...read(), [costKey(config)]: costs };
      makeFolder(out);
      writeFileAtomic(file, `${JSON.stringify(known, undefined, 1)}\n`);
    },
  };
}

/** Times some steps and input gradients of a training on made-up images. */
export async function measureCost(config: TrainConfig, device: Device): Promise<Cost> {
  const small = await timeSteps(config, Math.min(config.batchSize, SMALL_BATCH), device);
  const isSlow = small.step * (config.batchSize / small.batch) > SLOW_STEP;
  const { step, batch, compile } = isSlow || small.batch === config.batchSize ? small : await timeSteps(config, config.batchSize, device);
  return { step: (step * config.batchSize) / batch, gradient: await timeGradient(config, isSlow ? SMALL_BATCH : GRADIENT_BATCH, device), compile };
}

/** Seconds that one of many repetitions takes: the median of the later half. */
async function timeRepeated(run: (index: number) => void, device: Device): Promise<number> {
  const seconds: number[] = [];
  const started = performance.now();
  do {
    const began = performance.now();
    run(seconds.length);
    await device.settle(0);
    seconds.push((performance.now() - began) / 1000);
  } while (seconds.length < LEAST_REPEATS || performance.now() - started < TIMED_SECONDS * 1000);
  const later = seconds.slice(seconds.length >> 1).sort((a, b) => a - b);
  return later[later.length >> 1] as number;
}

async function timeSteps(config: TrainConfig, batch: number, device: Device): Promise<{ step: number; batch: number; compile: number }> {
  const images = madeUpImages(config.dataset, TIMED_BATCHES * batch, 2);
  const model = createModel(config.model, { classes: images.classNames.length, shape: images.shape });
  const session = createSession(model, { ...config, batchSize: batch, trainSize: null, epochs: 1 }, images, device);
  try {
    session.initialize();
    const step = await timeRepeated((index) => session.step(index % TIMED_BATCHES), device);
    return { step, batch, compile: (session.stats()?.compileMs ?? 0) / 1000 };
  } finally {
    session.dispose();
  }
}

/** Seconds of one image's input gradient. */
async function timeGradient(config: TrainConfig, batch: number, device: Device): Promise<number> {
  const images = madeUpImages(config.dataset, 1, batch);
  const model = createModel(config.model, { classes: images.classNames.length, shape: images.shape });
  const init = jit((key: Value) => model.init(key) as unknown as Record<string, Record<string, Value>>, { device });
  const { params, state } = init(Int32Array.of(0, 0)) as unknown as ReturnType<typeof model.init>;
  const programs = modelPrograms(model, device);
  const x = tensor(
    Float32Array.from(images.test.images, (byte) => byte / 255),
    [batch, ...images.shape],
  );
  const labels = tensor(Int32Array.from(images.test.labels));
  const run = (): void => (programs.gradient({ params, state }, x, labels) as Tensor).dispose();
  try {
    return (await timeRepeated(run, device)) / batch;
  } finally {
    for (const value of [x, labels, ...Object.values(params), ...Object.values(state)]) (value as Tensor).dispose();
    programs.dispose();
    init.dispose();
  }
}

/** Estimated seconds of a training's parts. */
export interface Estimate {
  readonly train: number;
  readonly attack: number;
}

/** A typical step in units of a forward pass, for when nothing was measured; only proportions matter then. */
function guessedCost({ method, batchSize }: TrainConfig): Cost {
  const attack = method.name.startsWith("pgd")
    ? 2 * ("steps" in method ? method.steps : 1) + 1
    : method.name === "standard" || method.name === "random-corner"
      ? 1
      : 2;
  const regularizer = "lambda" in method ? 8 : 0;
  return { step: (attack + 3 + regularizer) * batchSize, gradient: 2, compile: 0 };
}

/** Steps of a training; images of one's own are taken to be as many as CIFAR-10's. */
export function stepsOf(config: TrainConfig): number {
  const { splits } = datasets[isDatasetName(config.dataset) ? config.dataset : "cifar10"];
  return timetableOf(
    config,
    phasesOf(config).map(() => trainingSize(config, splits.train)),
  ).iterations;
}

/** What a training will take with these costs; without them, in no particular unit. */
export function estimate({ config, attacks }: Pick<Training, "config" | "attacks">, costs: Cost | undefined): Estimate {
  const { step, gradient, compile } = costs ?? guessedCost(config);
  const steps = stepsOf(config);
  const evaluations = 1 + Math.ceil(steps / config.evalEvery);
  // PGD-10 on training and test images; FGSM, alignment and a few forward passes on the latter.
  const evaluation = config.evalExamples * gradient * (10 + 10 + 5);
  const attack = attacks.reduce((sum, { attack: name, examples }) => {
    const planned = attackPlan(name)?.attacks ?? [];
    const passes = planned.map(({ attack: each, options }) => each.steps(options) * (each.runs?.(options, 10) ?? 1));
    return sum + examples * gradient * passes.reduce((total, steps) => total + steps, 1);
  }, 0);
  return { train: compile + steps * step + evaluations * evaluation, attack };
}

/** How trainings are best run here: one after the other with all threads, or side by side with one thread each. */
export interface Schedule {
  readonly mode: Mode;
  readonly jobs: number;
  /** Estimated seconds until all are done. */
  readonly seconds: number;
}

/** The faster of the two ways, by measured costs; alone if some are missing. */
export function bestSchedule(trainings: readonly Training[], book: Pick<CostBook, "get">, jobs?: number): Schedule {
  const total = (mode: Mode): number[] =>
    trainings.map((training) => {
      const { train, attack } = estimate(training, book.get(training.config)?.[mode]);
      return train + attack;
    });
  const alone = total("alone").reduce((sum, seconds) => sum + seconds, 0);
  const cores = Math.min(jobs ?? availableParallelism(), trainings.length);
  if (cores < 2) return { mode: "alone", jobs: 1, seconds: alone };
  const together = makespan(total("side by side"), cores);
  const measured = trainings.every(({ config }) => book.get(config) !== undefined);
  const wins = jobs !== undefined || (measured && together < alone);
  return wins ? { mode: "side by side", jobs: cores, seconds: together } : { mode: "alone", jobs: 1, seconds: alone };
}

/** When the last of some tasks is done if free workers always take the longest that is left. */
function makespan(seconds: readonly number[], workers: number): number {
  const busy = Array.from({ length: workers }, () => 0);
  for (const task of [...seconds].sort((a, b) => b - a)) busy[busy.indexOf(Math.min(...busy))] = Math.min(...busy) + task;
  return Math.max(...busy);
}
