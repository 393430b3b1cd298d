/** @file A hidden command: the process in which trainings of plans, queues and grids are computed, so that whoever gives them out stays responsive. */
import { arithmeticDifference, arithmeticOf, type StepPrograms, stepPrograms } from "@gradalign/robustness";
import type { RunView } from "@gradalign/runs";
import { arithmeticOptions, attemptOf, carryOver, openDevice, troubleOf } from "@gradalign/runs/node";
import { ConfigError, type Device } from "@gradalign/tensor";
import type { Command } from "commander";
import { openShelf } from "../reproduce/datasets.ts";
import { performOwned, performTraining, type TrainingContext } from "../reproduce/perform-grid.ts";
import type { TrainingRequest } from "../reproduce/training-pool.ts";
import { answerQuestions } from "../run/worker-process.ts";
import { type Context, print, remark } from "../terminal/context.ts";
import { listenForInterrupt } from "../terminal/interrupt.ts";

/** Adds the command to the program. */
export function registerWorkTraining(program: Command, context: Context): void {
  program.command("work-training", { hidden: true }).action(() => serve(context));
}

/** Trains what it is asked; data sets, device and compiled steps are kept from one training to the next. */
async function serve(context: Context): Promise<void> {
  const view: RunView = {
    event: (run, event) => print(context, JSON.stringify({ run, ...event })),
    note: (text) => remark(context, text),
  };
  const interrupt = listenForInterrupt(() => {});
  const shelf = await openShelf([], context.streams.stderr, interrupt.signal);
  let opened: { readonly device: Device; readonly programs: StepPrograms } | undefined;
  const open = async (settings: Pick<TrainingRequest, "threads" | "backend">) => {
    if (opened) return opened;
    const { threads, backend } = settings;
    const device = await openDevice({ threads, ...(backend === undefined ? {} : { backend }) }, view.note);
    opened = { device, programs: stepPrograms(device) };
    return opened;
  };
  const train = async (request: TrainingRequest, signal: AbortSignal): Promise<boolean> => {
    const { training, claim, fingerprint, cost, track } = request;
    const { config } = training;
    const data = await shelf.load(config, training.data);
    if (fingerprint !== undefined && fingerprint !== data.fingerprint) {
      throw new ConfigError(`${config.dataset} holds other images than the plan was made with; restore them, or make the plan anew`);
    }
    const { device, programs } = await open(request);
    const own: TrainingContext = { data, device, programs, cost, track, view, signal };
    if (!claim) return performTraining(training, own);
    const here = arithmeticOf(device, arithmeticOptions(device, {}));
    const attempt = attemptOf(claim);
    carryOver(attempt, ({ arithmetic }) => arithmeticDifference(arithmetic.at(-1) ?? {}, here) === undefined);
    return performOwned(training, own, attempt);
  };
  await answerQuestions<TrainingRequest>(context, (request, gone) => train(request, AbortSignal.any([interrupt.signal, gone])).catch(troubleOf));
  opened?.programs.dispose();
  opened?.device.close();
  interrupt.release();
}
