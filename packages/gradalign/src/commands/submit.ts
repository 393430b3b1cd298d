/** @file `gradalign submit`: hands a plan to an engine. */
import { makeFolder, requireWritable } from "@gradalign/robustness/node";
import type { Plan } from "@gradalign/runs";
import { isPlannedFinished, noteSubmission, planStatus, readPlan } from "@gradalign/runs/node";
import { type Command, Option } from "commander";
import { type EngineFlags, engineNamed, engineOptions, engines } from "../engines/index.ts";
import { type Context, print } from "../terminal/context.ts";
import { statusText } from "./status.ts";

const HELP = `
Engines:
${Object.entries(engines)
  .map(([name, { help }]) => `  ${name.padEnd(8)} ${help}`)
  .join("\n")}

A plan may be submitted again at any time: what is finished is not done again, what was stopped or killed goes on from its last checkpoint.
Two commands in one folder take turns. A run that fails three times at the same place is given up, and the others go on.

Examples:
  gradalign submit plan.json --runs runs/sweep
  gradalign submit plan.json --runs runs/sweep --jobs 4
  gradalign submit plan.json --engine bullmq --queue redis://queue.example:6379 --runs /shared/sweep
  gradalign submit plan.json --engine slurm --runs /shared/sweep --scheduler --partition=cpu
  gradalign submit plan.json --runs runs/sweep --track tensorboard,mlflow=http://tracking.example:5000`;

/** What --track says of itself wherever runs are given out. */
export const TRACK_HELP = "also send the runs' numbers to tensorboard (event files in their folders) or mlflow=<url> (secrets from the environment)";

/** Adds the command to the program. */
export function registerSubmit(program: Command, context: Context): void {
  const command = program
    .command("submit")
    .description("hand a plan's runs to an engine")
    .argument("<plan>", "file that gradalign plan wrote")
    .addOption(new Option("--engine <name>", "who computes").choices(Object.keys(engines)).default("local"))
    .requiredOption("--runs <dir>", "folder of all runs")
    .option("--jobs <n>", "runs at a time; as many as there are cores unless set")
    .option("--queue <url>", "of bullmq: where Redis is, rediss:// with TLS; the variable GRADALIGN_QUEUE unless set")
    .option("--scheduler <option...>", "of slurm: an option of sbatch; once for each")
    .option("--track <name,…>", TRACK_HELP)
    .option("--json", "print events as JSON lines")
    .addHelpText("after", HELP)
    .action(async (file: string, flags: EngineFlags) => submit(readPlan(file), flags, context));
  return void command;
}

/** Hands over what is not finished, and says how far the plan is then. */
export async function submit(plan: Plan, flags: EngineFlags, context: Context): Promise<void> {
  const options = engineOptions(flags);
  const { runs } = options;
  const name = flags.engine ?? "local";
  const engine = engineNamed(name);
  engine.check(options);
  requireWritable(runs);
  makeFolder(runs);
  noteSubmission(runs, plan, { engine: name, jobs: [] });
  const pending = plan.runs.filter((run) => !isPlannedFinished(runs, run));
  const jobs = await engine.submit(plan, pending, options, context);
  if (jobs.length > 0) noteSubmission(runs, plan, { engine: name, jobs });
  const status = planStatus(runs, plan);
  if (options.json) print(context, JSON.stringify({ type: "plan", ...status }));
  else for (const line of statusText(status, false)) print(context, line);
  if (context.exitCode === 0 && status.failed + status.differing > 0) context.exitCode = 1;
}
