/** @file Two trainings side by side on one device: level, halted and resumed together, their models kept for looking back. */
import { type ResidentDataset, type Snapshot, type StepPrograms, stepPrograms, type TrainConfig, type TrainEvent, train } from "@gradalign/robustness";
import type { Device } from "@gradalign/tensor";
import { type BySide, SIDES, type Side } from "../sides.ts";
import { Moments } from "./moments.ts";
import type { KeptSide } from "./shelf.ts";
import { type Turns, takeTurns } from "./turns.ts";

/** What is trained, and who is told. */
export interface PairOptions {
  /** Each side's settings, and how far it has come already. */
  readonly sides: BySide<KeptSide>;
  readonly dataset: ResidentDataset;
  /** What stands for the data's content. */
  readonly fingerprint: string;
  readonly onEvent: (side: Side, event: TrainEvent) => void;
  /** A model is there that was not before. */
  readonly onMoment: (side: Side) => void;
  /** There is a newer checkpoint to go on from, or a side has ended. */
  readonly onCheckpoint: (side: Side) => void;
}

interface Half {
  readonly side: Side;
  readonly config: TrainConfig;
  readonly moments: Moments;
  /** The latest checkpoint, to go on from. */
  last: Snapshot | null;
  best: Snapshot | null;
  done: boolean;
}

/** Both trainings. */
export class Pair {
  readonly #options: PairOptions;
  readonly #halves: readonly Half[];
  #abort: AbortController | null = null;
  #turns: Turns<Side> | null = null;
  #pace: number | null;

  constructor(options: PairOptions, pace: number | null) {
    this.#options = options;
    this.#pace = pace;
    this.#halves = SIDES.map((side) => {
      const half = { side, ...options.sides[side], moments: new Moments() };
      if (half.last) half.moments.add(half.last);
      return half;
    });
  }

  /** Whether it trains now. */
  get running(): boolean {
    return this.#abort !== null;
  }

  /** The iteration from which it would go on; null before the first checkpoint of either. */
  get from(): number | null {
    const reached = this.#halves.flatMap(({ last }) => (last ? [last.iteration] : []));
    return reached.length < this.#halves.length ? null : Math.min(...reached);
  }

  moments(side: Side): Moments {
    return this.#half(side).moments;
  }

  /** A side as far as it has come. */
  side(side: Side): KeptSide {
    const { config, last, best, done } = this.#half(side);
    return { config, last, best, done };
  }

  set pace(most: number | null) {
    this.#pace = most;
    if (this.#turns) this.#turns.pace = most;
  }

  /** Trains both to the end, or until they are halted; says whether they ended. Rejects with what ended either. */
  async run(device: Device): Promise<boolean> {
    const abort = new AbortController();
    this.#abort = abort;
    const going = this.#halves.filter(({ done }) => !done);
    this.#turns = takeTurns(
      going.map(({ side }) => side),
      this.#pace,
    );
    const turns = this.#turns;
    const programs = stepPrograms(device);
    const outcomes = await Promise.allSettled(
      going.map(async (half) => {
        try {
          await this.#train(half, device, programs, abort.signal, turns);
        } catch (error) {
          abort.abort();
          throw error;
        } finally {
          turns.leave(half.side);
        }
      }),
    );
    this.#abort = null;
    programs.dispose();
    const failed = outcomes.find((outcome) => outcome.status === "rejected");
    if (failed) throw failed.reason;
    return this.#halves.every(({ done }) => done);
  }

  /** Ends both after the steps in progress, each with a checkpoint. */
  halt(): void {
    this.#abort?.abort();
    for (const side of SIDES) this.#turns?.leave(side);
  }

  async #train(half: Half, device: Device, programs: StepPrograms, signal: AbortSignal, turns: Turns<Side>): Promise<void> {
    const { side, config, moments } = half;
    const { dataset, fingerprint, onEvent, onMoment, onCheckpoint } = this.#options;
    const { interrupted, params, state, best } = await train(config, dataset, {
      device,
      programs,
      signal,
      fingerprint,
      pace: (done) => turns.wait(side, done),
      onEvent: (event) => onEvent(side, event),
      checkpoints: {
        save(kind, snapshot) {
          half[kind] = snapshot;
          // The best so far is, when it is saved, the present one.
          if (kind === "last" || moments.count === 0) {
            moments.add(snapshot);
            onMoment(side);
          }
          if (kind === "last") onCheckpoint(side);
          return undefined;
        },
      },
      ...(half.last ? { resume: half.last } : {}),
    });
    for (const tree of [params, state, best?.params ?? {}, best?.state ?? {}]) for (const tensor of Object.values(tree)) tensor.dispose();
    half.done = !interrupted;
    onCheckpoint(side);
  }

  #half(side: Side): Half {
    return this.#halves.find((half) => half.side === side) as Half;
  }
}
