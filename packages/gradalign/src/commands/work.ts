/** @file `gradalign work`: computes runs that a queue gives out, or one run of a plan. */
import { availableParallelism } from "node:os";
import { requireWritable } from "@gradalign/robustness/node";
import { exitCodeOf, openExchange, openQueue, openStore, queueAddress, readPlan, readTrackers, type WorkOutcome } from "@gradalign/runs/node";
import { ConfigError } from "@gradalign/tensor";
import type { Command } from "commander";
import { performPlanned } from "../reproduce/perform-planned.ts";
import { trainingPool } from "../reproduce/training-pool.ts";
import { watchCancelled } from "../run/cancelled.ts";
import { parseCount } from "../settings/setting-flags.ts";
import { type Context, print, remark } from "../terminal/context.ts";
import { EXIT_CODE_OF_SIGNAL, listenForInterrupt } from "../terminal/interrupt.ts";
import { TRACK_HELP } from "./submit.ts";
import { STORE_HELP } from "./sync.ts";

const HELP = `
A worker takes runs from the queue that "gradalign submit --engine bullmq" fills, one after the other, and keeps them in the folder
that all machines share. On Ctrl-C or SIGTERM its runs write a checkpoint and go back to the queue; a worker that is killed loses
the steps since the last checkpoint. A password is never a flag: set GRADALIGN_QUEUE_PASSWORD, or the whole address in GRADALIGN_QUEUE.

Machines that share no folder exchange claims, checkpoints and finished runs through a store: --runs is then a folder of each machine's own, of
which nothing need be kept, and "gradalign sync" brings the results to where they are wanted. Its keys are AWS_ACCESS_KEY_ID and
AWS_SECRET_ACCESS_KEY in the environment; AWS_ENDPOINT_URL names a server that is not Amazon's.

With --plan and --index it computes that one run, for schedulers that start a process for each, and ends with 0 when it is done,
75 when it is to be tried again, 42 when trying again is of no use or the plan was cancelled.

Examples:
  gradalign work --queue redis://queue.example:6379 --runs /shared/sweep --jobs 4
  gradalign work --queue redis://queue.example:6379 --runs /shared/sweep --drain
  gradalign work --queue redis://queue.example:6379 --runs runs/scratch --store s3://bucket/sweep
  gradalign work --plan plan.json --index 7 --runs /shared/sweep`;

interface WorkFlags {
  readonly queue?: string;
  readonly runs: string;
  readonly jobs: string;
  readonly threads?: string;
  readonly drain?: boolean;
  readonly patience: string;
  readonly plan?: string;
  readonly index?: string;
  readonly store?: string;
  readonly track?: string;
  readonly json?: boolean;
}

/** Adds the command to the program. */
export function registerWork(program: Command, context: Context): void {
  program
    .command("work")
    .description("compute runs that a queue gives out, or one run of a plan")
    .option("--queue <url>", "the queue's Redis, rediss:// with TLS; the variable GRADALIGN_QUEUE unless set")
    .requiredOption("--runs <dir>", "folder of all runs, shared by all workers unless they have a store")
    .option("--store <place>", STORE_HELP)
    .option("--jobs <n>", "runs at a time", "1")
    .option("--threads <n>", "threads of each run; the cores divided among the jobs unless set")
    .option("--drain", "leave when nothing waits or runs any more")
    .option("--patience <seconds>", "without a sign of life for so long, a worker's runs go to others", "60")
    .option("--plan <file>", "with --index: compute one run of this plan, without a queue")
    .option("--index <n>", "the run's place in the plan, from 0")
    .option("--track <name,…>", TRACK_HELP)
    .option("--json", "print the runs' events as JSON lines")
    .addHelpText("after", HELP)
    .action(async (options: WorkFlags) => {
      const { plan, index, queue } = options;
      if ((plan === undefined) !== (index === undefined))
        throw new ConfigError("work: --plan and --index go together; give both for one run of a plan, or neither");
      if (plan !== undefined && queue !== undefined) throw new ConfigError("work: --queue must be left out with --plan; a run comes from one of them");
      requireWritable(options.runs);
      await (plan === undefined ? workOnQueue(options, context) : workOnRun(plan, Number(index), options, context));
    });
}

async function workOnQueue(options: WorkFlags, context: Context): Promise<void> {
  const address = queueAddress(options.queue, process.env);
  const jobs = parseCount("--jobs", options.jobs, "leave it out for one run at a time");
  const patience = parseCount("--patience", options.patience, "leave it out for a minute");
  const note = (text: string): void => remark(context, text);
  await untilStopped(options, jobs, context, async (perform, signal) => {
    const queue = await openQueue(address, { persistent: true, note, signal });
    try {
      await queue.work({ jobs, patience, drain: options.drain ?? false, signal, perform, note });
    } finally {
      await queue.close();
    }
  });
}

async function workOnRun(file: string, index: number, options: WorkFlags, context: Context): Promise<void> {
  const plan = readPlan(file);
  const run = plan.runs[index];
  if (!run) throw new ConfigError(`--index (=${index}) must be from 0 to ${plan.runs.length - 1}, a run's place in ${file}`);
  const cancelled = watchCancelled(options.runs, plan, (text) => remark(context, text));
  try {
    await untilStopped(
      options,
      1,
      context,
      async (perform) => {
        const outcome = await perform(run);
        if ("message" in outcome) remark(context, `${run.id}: ${outcome.message}`);
        // Whoever starts it again is told not to.
        context.exitCode = exitCodeOf(outcome.kind === "stopped" && cancelled.isCancelled() ? { kind: "failed", message: "", final: true } : outcome);
      },
      cancelled.signal,
    );
  } finally {
    cancelled.release();
  }
}

/** Computes with processes of their own until the work is over; the first signal asks them to stop, with a checkpoint. */
async function untilStopped(
  { runs, store, track, threads: given, json }: WorkFlags,
  jobs: number,
  context: Context,
  work: (perform: (run: unknown, cancelled?: AbortSignal) => Promise<WorkOutcome>, signal: AbortSignal) => Promise<void>,
  cancelled?: AbortSignal,
): Promise<void> {
  const threads =
    given === undefined
      ? Math.max(1, Math.floor(availableParallelism() / jobs))
      : parseCount("--threads", given, "leave it out for an equal share of the cores");
  const trackers = track === undefined ? [] : readTrackers(track);
  const note = (text: string): void => remark(context, text);
  const exchange = store === undefined ? undefined : openExchange(await openStore(store), runs, note);
  const interrupt = listenForInterrupt((signal) => note(`${signal}: finishing the step and writing a checkpoint; once more to exit at once`));
  const signal = AbortSignal.any([interrupt.signal, ...(cancelled ? [cancelled] : [])]);
  const pool = trainingPool();
  const perform = (run: unknown, cancelled?: AbortSignal): Promise<WorkOutcome> => {
    const planned = { place: { runs, exchange }, pool, threads, track: trackers, signal: cancelled ? AbortSignal.any([signal, cancelled]) : signal };
    return performPlanned(run, planned, (event) => json && print(context, JSON.stringify(event)));
  };
  try {
    await work(perform, signal);
  } finally {
    pool.close();
    interrupt.release();
    const stopped = interrupt.received();
    if (stopped && context.exitCode === 0) context.exitCode = EXIT_CODE_OF_SIGNAL[stopped];
  }
}
