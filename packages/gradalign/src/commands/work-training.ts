/** @file A hidden command: the process in which a worker computes its runs, so that the worker itself stays responsive. */
import { createInterface } from "node:readline";
import { arithmeticDifference, arithmeticOf, type StepPrograms, stepPrograms } from "@gradalign/robustness";
import type { PlannedRun, RunView } from "@gradalign/runs";
import { arithmeticOptions, attemptRun, carryOver, checkPlannedRun, openDevice, type WorkOutcome } from "@gradalign/runs/node";
import { ConfigError, type Device } from "@gradalign/tensor";
import type { Command } from "commander";
import { openShelf } from "../reproduce/datasets.ts";
import { performOwned } from "../reproduce/perform-grid.ts";
import type { TrainingRequest } from "../run/training-pool.ts";
import { type Context, print, remark } from "../terminal/context.ts";
import { listenForInterrupt } from "../terminal/interrupt.ts";

/** Adds the command to the program. */
export function registerWorkTraining(program: Command, context: Context): void {
  program.command("work-training", { hidden: true }).action(() => serve(context));
}

/** Answers requests until there are none; data sets, device and compiled steps are kept between them. */
async function serve(context: Context): Promise<void> {
  const view: RunView = {
    event: (run, event) => event.type !== "step" && print(context, JSON.stringify({ run, ...event })),
    note: (text) => remark(context, text),
  };
  const interrupt = listenForInterrupt(() => {});
  const orphaned = new AbortController();
  const lines = createInterface({ input: process.stdin });
  lines.on("close", () => orphaned.abort(new Error("the worker is gone")));
  const signal = AbortSignal.any([interrupt.signal, orphaned.signal]);
  const shelf = await openShelf([], context.streams.stderr, signal);
  let opened: { readonly device: Device; readonly programs: StepPrograms } | undefined;
  const open = async (threads: number) => {
    if (opened) return opened;
    const device = await openDevice({ threads }, view.note);
    opened = { device, programs: stepPrograms(device) };
    return opened;
  };
  const perform = async ({ runs, run, threads }: TrainingRequest): Promise<WorkOutcome> => {
    const checked = checkedRun(run);
    if (typeof checked === "string") return { kind: "failed", message: checked, final: true };
    const { id, config } = checked;
    return attemptRun(runs, id, signal, async (attempt) => {
      const data = await shelf.load(config, "real");
      if (checked.data !== "real" && checked.data !== data.fingerprint) {
        throw new ConfigError(`${config.dataset} holds other images than the plan was made with; restore them, or make the plan anew`);
      }
      const { device, programs } = await open(threads);
      const here = arithmeticOf(device, arithmeticOptions(device, {}));
      carryOver(attempt, ({ arithmetic }) => arithmeticDifference(arithmetic.at(-1) ?? {}, here) === undefined);
      const training = { ...checked, data: "real" as const, folder: attempt.folder };
      return performOwned(training, { data, device, programs, cost: undefined, view, signal }, attempt);
    });
  };
  for await (const line of lines) {
    const answer = await perform(JSON.parse(line) as TrainingRequest);
    print(context, JSON.stringify({ type: "answer", answer }));
  }
  opened?.programs.dispose();
  opened?.device.close();
  interrupt.release();
}

/** The run that is asked for, or why it cannot be one. */
function checkedRun(run: unknown): PlannedRun | string {
  try {
    return checkPlannedRun(run, "the run");
  } catch (error) {
    return (error as Error).message;
  }
}
