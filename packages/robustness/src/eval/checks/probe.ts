/** @file The few images that checks look at, and what they may ask about them. All passes are counted, apart from the attacks'. */
import { type Device, evaluate, full, type Key, tensor } from "@gradalign/tensor";
import { fgsm } from "../../attacks/fgsm.ts";
import { attackOptions } from "../../attacks/options.ts";
import { pgd } from "../../attacks/pgd.ts";
import type { Victim } from "../../attacks/victim.ts";
import { linf } from "../../threat/linf.ts";
import type { Threat } from "../../threat/threat.ts";
import { type Answer, attackRounds, type Rounds, type Subject } from "../attack-rounds.ts";
import type { Passes } from "../oracle.ts";
import { classifierPrograms } from "../programs.ts";

/** How many images checks look at. */
export const PROBED = 16;
/** How far they look for as many that are answered rightly. */
const FARTHEST = 8 * PROBED;
/** Images in a batch of theirs: attacks' smallest, so that every batch is full and programs have one size. */
export const ROWS = 8;

/** The cheap attacks of checks: one step, and ten of a quarter of the radius from a random point. */
export const CHEAP = { fgsm: { attack: fgsm, options: attackOptions(fgsm) }, pgd: { attack: pgd, options: attackOptions(pgd) } } as const;

/** Distance of logits beyond which it is not rounding (AutoAttack's). */
export const SAME = 1e-4;

/** What checks may ask. */
export interface Probe {
  /** The first images of the evaluation. */
  readonly subjects: readonly Subject[];
  /** Answers to these, asked for once. */
  clean(): Promise<readonly Answer[]>;
  /** The first images that are answered rightly, as many as checks look at; in networks that are often wrong, one has to look further. */
  right(): Promise<readonly Subject[]>;
  /** Answers to any images, eight by eight; of classifiers that answer at random, those of another draw. */
  answers(subjects: readonly Subject[], draw?: number): Promise<readonly Answer[]>;
  /** Gradients of the loss with respect to the images, [C, H, W] each. */
  gradients(subjects: readonly Subject[]): Promise<readonly Float32Array[]>;
  /** Which of some images that are answered rightly a cheap attack leaves. */
  left(by: keyof typeof CHEAP, subjects: readonly Subject[], epsilon: number): Promise<readonly Subject[]>;
  /** The same where every image in [0, 1] may become every other. */
  leftOfBox(subjects: readonly Subject[]): Promise<readonly Subject[]>;
  /** The largest distance between images in [0, 1], in the threat's units. */
  diameter(): Promise<number>;
  readonly passes: Passes;
  dispose(): void;
}

/** How {@link probeOf} runs. */
export interface ProbeOptions {
  readonly device: Device;
  readonly threat: Threat;
  readonly seed: Key;
  readonly pause: () => Promise<void>;
}

/** Prepares a victim for checks; nothing is compiled before it is asked for. */
export function probeOf(victim: Victim, all: readonly Subject[], { device, threat, seed, pause }: ProbeOptions): Probe {
  const programs = classifierPrograms(victim, device);
  const subjects = all.slice(0, PROBED);
  const pixels = victim.shape.reduce((product, extent) => product * extent, 1);
  const prepare = (within: Threat): Rounds =>
    attackRounds(victim, { device, attacks: Object.values(CHEAP), threat: within, epsilon: 0, seed, batchSize: ROWS, pause });
  const rounds = prepare(threat);
  let inBox: Rounds | null = threat === linf ? rounds : null;
  let differentiated = 0;
  let clean: Promise<Answer[]> | null = null;
  const left = async (from: Rounds, by: keyof typeof CHEAP, images: readonly Subject[], epsilon: number): Promise<Subject[]> => {
    const found = await from.attack({ attack: Object.keys(CHEAP).indexOf(by), run: 0 }, images, [], epsilon);
    return images.filter((_, i) => found[i]?.judged === null);
  };
  return {
    subjects,
    clean() {
      clean ??= rounds.answers(subjects);
      return clean;
    },
    async right() {
      const found = (await this.clean()).flatMap(({ correct }, i) => (correct ? [subjects[i] as Subject] : []));
      for (let first = subjects.length; found.length < PROBED && first < Math.min(FARTHEST, all.length); first += ROWS) {
        const batch = all.slice(first, first + ROWS);
        const answers = await rounds.answers(batch);
        found.push(...batch.filter((_, i) => answers[i]?.correct));
      }
      return found.slice(0, PROBED);
    },
    answers: (images, draw) => rounds.answers(images, draw),
    async gradients(images) {
      const found: Float32Array[] = [];
      for (let first = 0; first < images.length; first += ROWS) {
        const rows = Array.from({ length: ROWS }, (_, row) => images[Math.min(first + row, images.length - 1)] as Subject);
        const values = new Float32Array(ROWS * pixels);
        for (const [row, { image }] of rows.entries()) values.set(image, row * pixels);
        const x = tensor(values, [ROWS, ...victim.shape]);
        const labels = tensor(Int32Array.from(rows, ({ label }) => label));
        const gradient = programs.gradient(victim.tensors, x, labels);
        const data = (await gradient.read()) as Float32Array;
        for (const value of [x, labels, gradient]) value.dispose();
        const count = Math.min(ROWS, images.length - first);
        for (let row = 0; row < count; row++) found.push(data.slice(row * pixels, (row + 1) * pixels));
        differentiated += count;
        await pause();
      }
      return found;
    },
    left: (by, images, epsilon) => left(rounds, by, images, epsilon),
    leftOfBox(images) {
      inBox ??= prepare(linf);
      return left(inBox, "pgd", images, 1);
    },
    async diameter() {
      const distance = evaluate(threat.distance(full([1, ...victim.shape], 1)), device);
      const [value] = await distance.read();
      distance.dispose();
      return value as number;
    },
    get passes() {
      const each = [...new Set([rounds, inBox])].map((one) => one?.passes ?? { forward: 0, backward: 0 });
      return {
        forward: each.reduce((sum, { forward }) => sum + forward, differentiated),
        backward: each.reduce((sum, { backward }) => sum + backward, differentiated),
      };
    },
    dispose() {
      for (const made of [programs, ...new Set([rounds, inBox])]) made?.dispose();
    },
  };
}

/** Distance of two answers' logits, each scaled to length 1. */
export function logitDistance({ logits: a }: Answer, { logits: b }: Answer): number {
  const [sizeA, sizeB] = [Math.hypot(...a) || 1, Math.hypot(...b) || 1];
  return Math.hypot(...a.map((value, k) => value / sizeA - (b[k] as number) / sizeB));
}
