/** @file A training's phases while it goes on: each is a session and an evaluator of its own, and hands its state to the next one. */
import type { Device } from "@gradalign/tensor";
import type { ImageDataset } from "../data/dataset.ts";
import type { Model } from "../models/model.ts";
import type { TrainConfig } from "./config.ts";
import { createEvaluator, type Evaluator } from "./evaluator.ts";
import { batchSizeIn, type Part, phasesOf, type Timetable, timetableOf } from "./phases.ts";
import { createSession, type Session, type SessionOptions, trainingSize } from "./session.ts";

/** A phase that is under way. */
export interface PhaseRun {
  readonly part: Part;
  /** The run's settings with what the phase has of its own. */
  readonly config: TrainConfig;
  readonly session: Session;
  readonly evaluator: Evaluator;
}

/** The phases of a training, of which one is under way at a time. */
export interface PhaseRuns {
  readonly timetable: Timetable;
  /** Begins a phase; the one before it ends, and its state goes on. */
  enter(part: Part): Promise<PhaseRun>;
  /** Frees everything but parameters and statistics; with `model` these too. */
  dispose(what: { readonly model: boolean }): void;
}

/** The settings of each phase, with what it has of its own. */
export function phaseConfigs(config: TrainConfig): TrainConfig[] {
  return phasesOf(config).map((phase) => ({ ...config, batchSize: batchSizeIn(phase, config) }));
}

/**
 * Prepares the phases of a training.
 *
 * @param datasets what each of them trains on.
 */
export function phaseRuns(model: Model, config: TrainConfig, datasets: readonly ImageDataset[], device: Device, options: SessionOptions): PhaseRuns {
  const configs = phaseConfigs(config);
  const sizes = datasets.map(({ train }) => trainingSize(config, train.count));
  const timetable = timetableOf(config, sizes);
  let open: PhaseRun | null = null;
  return {
    timetable,
    async enter(part) {
      const [own, dataset] = [configs[part.phase] as TrainConfig, datasets[part.phase] as ImageDataset];
      const state = open?.session.leave();
      open?.evaluator.dispose();
      open = null;
      const session = createSession(model, own, dataset, device, { ...options, part });
      try {
        if (state) session.adopt(state);
        const evaluator = await createEvaluator(model, own, dataset, device, options.workers);
        open = { part, config: own, session, evaluator };
        return open;
      } catch (error) {
        session.dispose({ model: true });
        throw error;
      }
    },
    dispose(what) {
      open?.session.dispose(what);
      open?.evaluator.dispose();
    },
  };
}
