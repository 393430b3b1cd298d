/** @file `gradalign cancel` and `gradalign retry`: a plan is left where it is, or what failed is tried again. */
import { cancelPlan, forgiveFailures, planStatus, readPlan, readSubmission } from "@gradalign/runs/node";
import type { Command } from "commander";
import { type EngineFlags, engineOptions, engines } from "../engines/index.ts";
import { type Context, print } from "../terminal/context.ts";
import { submit } from "./submit.ts";

/** Adds the commands to the program. */
export function registerCancel(program: Command, context: Context): void {
  program
    .command("cancel")
    .description("stop a plan's runs, with checkpoints; submit it again to go on")
    .argument("<plan>", "file that gradalign plan wrote")
    .requiredOption("--runs <dir>", "folder of all runs")
    .option("--queue <url>", "of bullmq: where Redis is; the variable GRADALIGN_QUEUE unless set")
    .addHelpText("after", "\nExamples:\n  gradalign cancel plan.json --runs runs/sweep")
    .action(async (file: string, flags: EngineFlags) => {
      const plan = readPlan(file);
      const options = engineOptions(flags);
      const submission = readSubmission(options.runs, plan);
      cancelPlan(options.runs, plan);
      if (submission) await engines[submission.engine]?.cancel(plan, submission, options);
      print(context, `${plan.name}: cancelled; what is finished stays`);
    });
}

/** Adds the command to the program. */
export function registerRetry(program: Command, context: Context): void {
  program
    .command("retry")
    .description("forget the failures of a plan's runs, and submit it again")
    .argument("<plan>", "file that gradalign plan wrote")
    .requiredOption("--runs <dir>", "folder of all runs")
    .option("--jobs <n>", "runs at a time; as many as there are cores unless set")
    .option("--queue <url>", "of bullmq: where Redis is; the variable GRADALIGN_QUEUE unless set")
    .option("--json", "print events as JSON lines")
    .addHelpText("after", "\nExamples:\n  gradalign retry plan.json --runs runs/sweep")
    .action(async (file: string, flags: EngineFlags) => {
      const plan = readPlan(file);
      for (const { id, state } of planStatus(flags.runs, plan).runs) if (state === "failed") forgiveFailures(flags.runs, id);
      await submit(plan, { ...flags, engine: flags.engine ?? readSubmission(flags.runs, plan)?.engine ?? "local" }, context);
    });
}
