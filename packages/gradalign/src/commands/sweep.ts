/** @file `gradalign sweep`: a plan of a settings file with lists, computed on this machine, and its report. */
import { join } from "node:path";
import { count, duration, type Plan } from "@gradalign/runs";
import { isPlannedFinished, planFolder } from "@gradalign/runs/node";
import type { Command } from "commander";
import { type EngineFlags, engineOptions } from "../engines/index.ts";
import { bestSchedule, openCostBook, stepsOf } from "../reproduce/costs.ts";
import { planOfSweep } from "../reproduce/make-plan.ts";
import { measureMissingCosts } from "../reproduce/measure-costs.ts";
import { writePlanReport } from "../reproduce/plan-report.ts";
import { interruptible } from "../run/interruptible.ts";
import { type Context, print, remark } from "../terminal/context.ts";
import { textTable } from "../terminal/table.ts";
import { SWEEP_EXAMPLE } from "./plan.ts";
import { submit, TRACK_HELP } from "./submit.ts";

const HELP = `
${SWEEP_EXAMPLE}

Short for gradalign plan, submit --engine local and report: the plan is kept in <runs>/plans, and the sweep goes on where it was stopped
when it is started again.

Examples:
  gradalign sweep sweep.yaml --list
  gradalign sweep sweep.yaml --list --measure
  gradalign sweep sweep.yaml --runs runs/sweep --jobs 2
  gradalign sweep sweep.yaml --runs runs/sweep --track tensorboard`;

interface SweepFlags extends EngineFlags {
  readonly list?: boolean;
  readonly measure?: boolean;
}

/** Adds the command to the program. */
export function registerSweep(program: Command, context: Context): void {
  program
    .command("sweep")
    .description("train every combination of settings of a file, and compare them")
    .argument("<file>", "YAML file of settings, some of them lists")
    .option("--runs <dir>", "folder of all runs", join("runs", "sweep"))
    .option("--jobs <n>", "runs at a time; as many as there are cores unless set")
    .option("--list", "name the runs with what they cost here, as far as that is known, and do nothing")
    .option("--measure", "with --list: first time a few steps of what has not been timed here")
    .option("--track <name,…>", TRACK_HELP)
    .option("--json", "print events as JSON lines")
    .addHelpText("after", HELP)
    .action(async (file: string, flags: SweepFlags) => {
      const plan = await planOfSweep(file, context.streams.stderr);
      if (flags.list) return list(plan, flags, context);
      await submit(plan, flags, context);
      if (context.exitCode >= 128) return;
      const report = join(planFolder(flags.runs, plan), "report.html");
      await writePlanReport(plan, flags.runs, report, context);
      print(context, flags.json ? JSON.stringify({ type: "report", path: report }) : report);
    });
}

async function list(plan: Plan, flags: SweepFlags, context: Context): Promise<void> {
  const { runs, jobs, json } = engineOptions(flags);
  const book = openCostBook(runs);
  if (flags.measure) {
    const quiet = { event() {}, note: (text: string) => remark(context, text), finish() {} };
    await interruptible(context, quiet, (signal) => measureMissingCosts(plan.runs, { book, backend: undefined, signal, streams: context.streams, json }));
  }
  const time = (list: Plan["runs"]): number | null => (list.every(({ config }) => book.get(config)) ? bestSchedule(list, book, jobs).seconds : null);
  const rows = plan.runs.map((run) => ({
    ...{ id: run.id, label: run.label, steps: stepsOf(run.config), finished: isPlannedFinished(runs, run) },
    seconds: time([run]),
  }));
  if (json) {
    for (const row of rows) print(context, JSON.stringify(row));
    return;
  }
  const inWords = (seconds: number | null): string => (seconds === null ? "?" : duration(seconds));
  const table = textTable([
    ["run", "steps", "time", "done", "folder"],
    ...rows.map(({ label, steps, seconds, finished, id }) => [label, count(steps), inWords(seconds), finished ? "yes" : "no", id]),
  ]);
  for (const line of table) print(context, line);
  const left = plan.runs.filter((run) => !isPlannedFinished(runs, run));
  const total = time(left);
  print(
    context,
    `\n${left.length} of ${plan.runs.length} runs left${total === null ? "; --list --measure times them" : `, about ${duration(total)} on an idle machine`}`,
  );
}
