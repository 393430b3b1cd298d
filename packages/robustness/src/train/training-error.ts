/** @file Numbers that are not finite: how they are found, and the error that names the iteration and what to do. */
import type { StoredTensor } from "@gradalign/formats";
import { GradalignError } from "@gradalign/tensor";
import type { TrainConfig } from "./config.ts";
import type { HostSums, Session } from "./session.ts";

/** Training went wrong numerically. */
export class TrainingError extends GradalignError {
  constructor(message: string) {
    super("TrainingError", message);
  }
}

/** The sums, unless a loss among them was not finite. */
export async function checkedSums(session: Session, iteration: number, config: TrainConfig): Promise<HostSums> {
  const sums = await session.readSums();
  if (sums.finite < sums.iterations) throw notFinite("the loss", iteration - sums.iterations + sums.finite + 1, config);
  return sums;
}

/** The name of the first tensor with an element that is not finite. */
export function firstNotFinite(tensors: ReadonlyMap<string, StoredTensor>): string | undefined {
  return [...tensors].find(([, { data }]) => data instanceof Float32Array && !data.every(Number.isFinite))?.[0];
}

/** What to say where a number of this iteration was not finite. */
export function notFinite(what: string, iteration: number, { schedule, method }: TrainConfig): TrainingError {
  const weight = "lambda" in method ? ` or the weight of the regulariser (lambda, now ${method.lambda.toPrecision(3)})` : "";
  return new TrainingError(
    `train: ${what} was not finite at iteration ${iteration}; lower the peak learning rate (now ${schedule.peak})${weight}, ` +
      "or try another seed. The last checkpoint, if any, is from before and was kept",
  );
}
