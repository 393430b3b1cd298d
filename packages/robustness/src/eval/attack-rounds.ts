/**
 * @file Attacks one after another on the images that are still answered rightly: what "robust accuracy under AutoAttack" means.
 *
 * An attack begins anew for every restart and every target class: a round. Every round starts from the clean images and sees those that no
 * round before has broken. Images are attacked in batches of a few sizes; one that is broken leaves its batch, and what remains moves to a
 * smaller one. An image's outcome depends on the victim, the image, its number, the seed and the attack alone: not on the batch size, the
 * order of the images or which others are still there.
 *
 * Nothing an attack says counts. What it leaves is projected to the ball and the box; then a forward pass and the measured norm decide.
 */
import { add, convert, type Device, gather, jit, type Key, philox, type Tensor, tensor, type Value } from "@gradalign/tensor";
import type { NamedAttack } from "../attacks/plan.ts";
import type { Victim, VictimTensors } from "../attacks/victim.ts";
import { crossEntropyPerExample, isCorrect } from "../nn/cross-entropy.ts";
import { finiteExamples } from "../nn/finite.ts";
import type { Threat } from "../threat/threat.ts";
import { type AttackPart, type AttackProgram, attackProgram, floorFloat32, type RowTensors, type StateTensors } from "./attack-program.ts";
import { nearestClasses } from "./nearest-classes.ts";
import type { Passes } from "./oracle.ts";
import { classifierPrograms } from "./programs.ts";
import { rankedClasses } from "./targets.ts";

/** An image to attack, on the host. */
export interface Subject {
  /** The number that, with the seed, its random numbers depend on. */
  readonly index: number;
  /** Pixels [C, H, W] in [0, 1]. */
  readonly image: Float32Array;
  readonly label: number;
  /** The class it has to be taken for, where not every wrong one will do. */
  readonly target?: number;
}

/** A round: an attack, begun anew. */
export interface Round {
  /** The attack's place in the list. */
  readonly attack: number;
  readonly run: number;
}

/** A forward pass over an image, as it is or attacked. */
export interface Answer {
  readonly correct: boolean;
  /** Whether all logits are finite; where not, no answer is right. */
  readonly finite: boolean;
  /** Cross-entropy. */
  readonly loss: number;
  readonly logits: Float32Array;
}

/** A perturbed image inside ball and box, and what the victim answers. */
export interface Judged {
  readonly delta: Float32Array;
  /** The perturbation's norm as measured. */
  readonly norm: number;
  readonly answer: Answer;
}

/** What a round did to an image. */
export interface Tried {
  /** What counts; null where the round leaves the image as it is. */
  readonly judged: Judged | null;
  /** How many gradients were zero, and NaN or infinite, where the victim's answer was still right. */
  readonly zero: number;
  readonly notFinite: number;
}

/** How {@link attackRounds} runs. */
export interface RoundsOptions {
  readonly device: Device;
  readonly attacks: readonly NamedAttack[];
  readonly threat: Threat;
  /** Radius, in the threat's units. */
  readonly epsilon: number;
  readonly seed: Key;
  /** Whether every image has a class that it has to be taken for. */
  readonly aimed?: boolean;
  /** Images in the largest batch; it does not change the results. */
  readonly batchSize?: number;
  /** Lets others run between steps; may throw to stop. */
  readonly pause?: () => Promise<void>;
}

/** A victim under attack. */
export interface Rounds {
  readonly rounds: readonly Round[];
  /** Passes over images so far, the padding of batches left out. */
  readonly passes: Passes;
  /** Forward passes over the images as they are; of a classifier that answers at random, the answers of another draw. */
  answers(subjects: readonly Subject[], draw?: number): Promise<Answer[]>;
  /** Forward passes over perturbed images. */
  judge(subjects: readonly Subject[], deltas: readonly Float32Array[]): Promise<Judged[]>;
  /** Whether a round sees images that are answered wrongly already, too. */
  readonly everyImage: boolean;
  /** One round on images whose clean answers are given to attacks that choose targets by them. The radius is the options' unless given. */
  attack(round: Round, subjects: readonly Subject[], clean: readonly Answer[], radius?: number): Promise<Tried[]>;
  dispose(): void;
}

/** A batch's rows need no less than this: programs for fewer images may round in another way. */
const SMALLEST = 8;
/** Steps between looks at which images are done. */
const LOOK = 4;
/** Apart from what `keyFor` draws with. */
const DOMAIN = 0x726f756e;

/**
 * Prepares the rounds of a list of attacks.
 *
 * @throws ConfigError for an attack that is not defined in the threat model.
 */
export function attackRounds(
  victim: Victim,
  { device, attacks, threat, epsilon, seed, aimed = false, batchSize = 64, pause = async () => {} }: RoundsOptions,
): Rounds {
  const programs = classifierPrograms(victim, device);
  const prepared = attacks.map(({ attack, options }) => attackProgram(programs, attack, options, threat, { counting: true, aimed }));
  const rounds = prepared.flatMap(({ attack, options }, place) =>
    // Where the class is given it is the only one beside the label.
    Array.from({ length: attack.runs?.(options, aimed ? 2 : victim.classes) ?? 1 }, (_, run): Round => ({ attack: place, run })),
  );
  const judge = jit(
    (tensors: VictimTensors, x: Value, delta: Value, labels: Value, keys: Value) => {
      const logits = victim.logits(tensors, add(x, delta), keys);
      return {
        logits,
        losses: crossEntropyPerExample(logits, labels),
        correct: convert(isCorrect(logits, labels), "float32"),
        finite: convert(finiteExamples(logits), "float32"),
        norms: threat.distance(delta),
      };
    },
    { device, batchInvariant: true },
  );
  const pick = jit(
    (leaves: Readonly<Record<string, Value>>, rows: Value) => Object.fromEntries(Object.entries(leaves).map(([name, leaf]) => [name, gather(leaf, [rows])])),
    { device, batchInvariant: true },
  );
  const nearness = nearestClasses(victim, device, threat);
  const total = { forward: 0, backward: 0 };
  const count = ({ forward, backward }: Passes, images: number): void => {
    total.forward += forward * images;
    total.backward += backward * images;
  };
  const sizes = batchSizes(batchSize);
  const fit = (images: number): number => sizes.find((size) => size >= images) as number;
  const pixels = victim.shape.reduce((product, extent) => product * extent, 1);

  /** Values of a batch's images, the last one repeated where the batch is larger. */
  const rowTensor = (values: readonly Float32Array[], size: number): Tensor => {
    const data = new Float32Array(size * pixels);
    for (let row = 0; row < size; row++) data.set(values[Math.min(row, values.length - 1)] as Float32Array, row * pixels);
    return tensor(data, [size, ...victim.shape]);
  };
  const numbers = (values: readonly number[], size: number): Tensor =>
    tensor(Int32Array.from({ length: size }, (_, row) => values[Math.min(row, values.length - 1)] as number));
  const keys = (subjects: readonly Subject[], what: string, run: number, size: number): Tensor => {
    const drawn = subjects.map(({ index }) => philox([index, run, hash(what), DOMAIN], seed));
    return tensor(
      Int32Array.from({ length: 2 * size }, (_, i) => (drawn[Math.min(i >> 1, drawn.length - 1)] as readonly number[])[i & 1] as number),
      [size, 2],
    );
  };

  const judgeAll = async (subjects: readonly Subject[], deltas: readonly Float32Array[], draw = 0): Promise<Judged[]> => {
    const judged: Judged[] = [];
    for (let first = 0; first < subjects.length; first += batchSize) {
      const batch = subjects.slice(first, first + batchSize);
      const size = fit(batch.length);
      const inputs = [
        rowTensor(
          batch.map(({ image }) => image),
          size,
        ),
        rowTensor(deltas.slice(first, first + batchSize), size),
        numbers(
          batch.map(({ label }) => label),
          size,
        ),
        keys(batch, "judge", draw, size),
      ] as const;
      const result = judge(victim.tensors, ...inputs);
      const [logits, losses, correct, finite, norms] = (await Promise.all(
        [result.logits, result.losses, result.correct, result.finite, result.norms].map((value) => value.read()),
      )) as [Float32Array, Float32Array, Float32Array, Float32Array, Float32Array];
      dispose(...inputs, ...Object.values(result));
      count({ forward: 1, backward: 0 }, batch.length);
      batch.forEach((_, row) => {
        const answer = {
          correct: correct[row] === 1,
          finite: finite[row] === 1,
          loss: losses[row] as number,
          logits: logits.slice(row * victim.classes, (row + 1) * victim.classes),
        };
        judged.push({ delta: deltas[first + row] as Float32Array, norm: norms[row] as number, answer });
      });
      await pause();
    }
    return judged;
  };

  /** Distances are asked for once for an attack, in its first run, or where that was before an attack that goes on: then they are counted there. */
  const nearest = new WeakMap<AttackProgram, WeakMap<Subject, readonly number[]>>();
  /** The classes that an attack's runs aim at, in order. */
  const rankedOf = async (program: AttackProgram, run: number, batch: readonly Subject[], clean: readonly Answer[]): Promise<(readonly number[])[]> => {
    const { attack, options } = program;
    const ranked = batch.map(({ label }, i) => rankedClasses((clean[i] as Answer).logits, label));
    if (attack.order?.(options) !== "malt") return ranked;
    const known = nearest.get(program) ?? new WeakMap<Subject, readonly number[]>();
    nearest.set(program, known);
    if (run === 0 || batch.some((subject) => !known.has(subject))) {
      const size = fit(batch.length);
      const [x, labels] = [
        rowTensor(
          batch.map(({ image }) => image),
          size,
        ),
        numbers(
          batch.map(({ label }) => label),
          size,
        ),
      ];
      const drawn = keys(batch, "order", 0, size);
      const rows = (classes: readonly number[]): Tensor => numbers(classes, size);
      const found = await nearness.of({ x, labels, keys: drawn, ranked, rows }, () => {
        if (run === 0) count({ forward: 1, backward: 1 }, batch.length);
        return pause();
      });
      dispose(x, labels, drawn);
      for (const [i, subject] of batch.entries()) known.set(subject, found[i] as readonly number[]);
    }
    return batch.map((subject) => known.get(subject) as readonly number[]);
  };

  /** Attacks one batch; `keep` gets what may be adversarial, by the image's place in the batch, and `leave` the counts of blind gradients. */
  const attackBatch = async (
    program: AttackProgram,
    run: number,
    batch: readonly Subject[],
    targets: readonly number[],
    radius: number,
    keep: (place: number, delta: Float32Array) => void,
    leave: (place: number, zero: number, notFinite: number) => void,
  ): Promise<void> => {
    const { attack, options } = program;
    const { tensors } = victim;
    const at = (iteration: number) => ({ run, iteration, epsilon: radius, threat, shape: victim.shape });
    let size = fit(batch.length);
    // Places in the batch, row by row, and the rows that are not done: what is done with is in the way until the batch can be smaller.
    let live = batch.map((_, place) => place);
    let open = [...live.keys()];
    let rows: RowTensors = {
      x: rowTensor(
        batch.map(({ image }) => image),
        size,
      ),
      labels: numbers(
        batch.map(({ label }) => label),
        size,
      ),
      target: numbers(targets, size),
      keys: keys(batch, attack.id, run, size),
    };
    let state = program.begin(tensors, rows, at(0));
    const passed = (part: AttackPart): void => count(program.passes(part), live.length);
    passed("begin");
    const take = async (done: readonly number[], iteration: number): Promise<void> => {
      const delta = program.end(tensors, rows, state, at(iteration));
      const data = (await delta.read()) as Float32Array;
      for (const row of done) keep(live[row] as number, data.slice(row * pixels, (row + 1) * pixels));
      delta.dispose();
    };
    const counted = async (leaving: readonly number[]): Promise<void> => {
      const { zero, notFinite } = program.blind(state) as NonNullable<ReturnType<AttackProgram["blind"]>>;
      const [zeros, breaks] = await Promise.all([zero.read(), notFinite.read()]);
      for (const row of leaving) leave(live[row] as number, zeros[row] as number, breaks[row] as number);
    };
    /** Takes what was found now: later it may be something else, and how much later depends on the others of the batch. */
    const look = async (iteration: number): Promise<void> => {
      const flags = attack.found === undefined ? null : await (state[attack.found] as Tensor).read();
      const done = open.filter((row) => flags === null || (flags[row] as number) > 0);
      if (done.length === 0) return;
      await take(done, iteration);
      await counted(done);
      open = open.filter((row) => !done.includes(row));
    };
    const steps = attack.steps(options);
    for (let iteration = 0; iteration < steps; iteration++) {
      if (attack.found !== undefined && iteration % LOOK === 0) {
        await look(iteration);
        if (open.length === 0) break;
        if (fit(open.length) < size) {
          size = fit(open.length);
          const chosen = numbers(open, size);
          const [fewer, moved]: [RowTensors, StateTensors] = [pick(rows, chosen) as RowTensors, pick(state, chosen)];
          dispose(chosen, ...Object.values(rows), ...Object.values(state));
          [rows, state] = [fewer, moved];
          live = open.map((row) => live[row] as number);
          open = [...live.keys()];
        }
      }
      state = program.step(tensors, rows, state, at(iteration));
      passed("step");
      await pause();
    }
    if (open.length > 0) await look(steps);
    if (open.length > 0) await counted(open);
    dispose(...Object.values(rows), ...Object.values(state));
  };

  return {
    rounds,
    get passes() {
      return { ...total };
    },
    everyImage: false,
    async answers(subjects, draw) {
      const still = new Float32Array(pixels);
      const judged = await judgeAll(
        subjects,
        subjects.map(() => still),
        draw,
      );
      return judged.map(({ answer }) => answer);
    },
    judge: judgeAll,
    async attack({ attack: place, run }, subjects, clean, radius = epsilon) {
      const program = prepared[place] as AttackProgram;
      const { attack, options } = program;
      const rank = attack.rank?.(options, run) ?? run + 1;
      const deltas: (Float32Array | null)[] = subjects.map(() => null);
      const tried: Tried[] = [];
      for (let first = 0; first < subjects.length; first += batchSize) {
        const batch = subjects.slice(first, first + batchSize);
        const ranked = attack.targeted && !aimed ? await rankedOf(program, run, batch, clean.slice(first, first + batchSize)) : [];
        const targets = batch.map(({ label, target }, i) => target ?? ranked[i]?.[rank - 1] ?? label);
        const keep = (place: number, delta: Float32Array): void => {
          deltas[first + place] = delta;
        };
        await attackBatch(program, run, batch, targets, radius, keep, (place, zero, notFinite) => {
          tried[first + place] = { judged: null, zero, notFinite };
        });
      }
      const found = [...deltas.keys()].filter((i) => deltas[i] !== null);
      const answers = await judgeAll(
        found.map((i) => subjects[i] as Subject),
        found.map((i) => deltas[i] as Float32Array),
      );
      found.forEach((i, k) => {
        const judged = answers[k] as Judged;
        if (fooled(subjects[i] as Subject, judged.answer) && judged.norm <= floorFloat32(radius)) tried[i] = { ...(tried[i] as Tried), judged };
      });
      return tried;
    },
    dispose() {
      for (const program of [programs, judge, pick, nearness]) program.dispose();
    },
  };
}

/** How many rows batches have, ascending: equal steps up to the largest, so that few rows repeat an image and few programs are compiled. */
export function batchSizes(largest: number): number[] {
  const step = Math.max(SMALLEST, Math.ceil(largest / 8));
  return Array.from({ length: Math.ceil(largest / step) }, (_, i) => Math.max(SMALLEST, Math.min(largest, (i + 1) * step)));
}

/** Whether an answer is what the adversary wants. */
function fooled({ target }: Subject, answer: Answer): boolean {
  return target === undefined ? !answer.correct : answer.finite && predictedClass(answer) === target;
}

/** The largest logit's class; the first of equals, and of what is not a number. */
export function predictedClass({ logits }: Answer): number {
  const broken = logits.findIndex(Number.isNaN);
  return broken < 0 ? logits.indexOf(Math.max(...logits)) : broken;
}

/** A number for a name (FNV-1a). */
function hash(name: string): number {
  let bits = 0x811c9dc5;
  for (const letter of name) bits = Math.imul(bits ^ (letter.codePointAt(0) as number), 0x01000193);
  return bits | 0;
}

function dispose(...tensors: readonly Tensor[]): void {
  for (const value of tensors) value.dispose();
}
