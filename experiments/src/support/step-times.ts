/** @file How long steps of several trainings take beside each other's: in turn, so that whatever else the machine does disturbs all alike. */
import { createModel, createSession, type ImageDataset, type Session, type TrainConfig } from "@gradalign/robustness";
import type { Lab } from "../paper/experiment.ts";
import { madeUpImages } from "./made-up-images.ts";

/** A step's time as a multiple of the reference's: the median of the rounds, and the quartiles. */
export interface StepTime {
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
}

/** How {@link stepTimes} measures. */
export interface StepTimeOptions {
  /** Training images, made up: methods may keep something for each. */
  readonly images: number;
  /** Rounds that count, and steps of each. As many steps go before them, while engines still replace code by faster code. */
  readonly rounds: number;
  readonly steps: number;
}

/** Times steps of each training, every round right after one of the reference's. */
export async function stepTimes(
  { device, progress }: Pick<Lab, "device" | "progress">,
  reference: TrainConfig,
  configs: readonly TrainConfig[],
  { images, rounds, steps }: StepTimeOptions,
): Promise<StepTime[]> {
  const data = madeUpImages(reference.dataset, images, 2);
  const first = open(reference, data);
  const times: StepTime[] = [];
  try {
    for (const [done, config] of configs.entries()) {
      await progress(done, configs.length);
      const session = open(config, data);
      try {
        for (const one of [first, session]) await timed(one);
        const ratios: number[] = [];
        for (let round = 0; round < rounds; round++) {
          const before = await timed(first);
          ratios.push((await timed(session)) / before);
        }
        ratios.sort((a, b) => a - b);
        const quantile = (share: number): number => ratios[Math.floor(share * (rounds - 1))] as number;
        times.push({ ratio: quantile(0.5), low: quantile(0.25), high: quantile(0.75) });
      } finally {
        session.dispose({ model: true });
      }
    }
  } finally {
    first.dispose({ model: true });
  }
  return times;

  function open(config: TrainConfig, dataset: ImageDataset): Session {
    const model = createModel(config.model, { classes: dataset.classNames.length, shape: dataset.shape });
    const session = createSession(model, { ...config, trainSize: null, epochs: 1 }, dataset, device);
    session.initialize();
    return session;
  }

  /** Seconds of a round, which goes round the epoch's batches. */
  async function timed(session: Session): Promise<number> {
    const began = performance.now();
    for (let i = 0; i < steps; i++) session.step(i % session.iterationsPerEpoch);
    await device.settle(0);
    return (performance.now() - began) / 1000;
  }
}
