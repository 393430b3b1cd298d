/** @file `gradalign cancel` and `gradalign retry`: a plan is left where it is, or what failed is tried again. */
import { cancelPlan, forgiveFailures, openExchange, openStore, planStatus, readPlan, readSubmission } from "@gradalign/runs/node";
import type { Command } from "commander";
import { type EngineFlags, engineNamed, engineOptions } from "../engines/index.ts";
import { type Context, print, remark } from "../terminal/context.ts";
import { submit, TRACK_HELP } from "./submit.ts";
import { STORE_HELP } from "./sync.ts";

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
      const engine = submission && engineNamed(submission.engine);
      engine?.check(options);
      cancelPlan(options.runs, plan);
      if (submission) await engine?.cancel(plan, submission, options);
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
    .option("--scheduler <option...>", "of slurm: an option of sbatch; once for each")
    .option("--store <place>", STORE_HELP)
    .option("--track <name,…>", TRACK_HELP)
    .option("--json", "print events as JSON lines")
    .addHelpText("after", "\nExamples:\n  gradalign retry plan.json --runs runs/sweep")
    .action(async (file: string, flags: EngineFlags & { readonly store?: string }) => {
      const plan = readPlan(file);
      if (flags.store !== undefined) {
        const exchange = openExchange(await openStore(flags.store), flags.runs, (text) => remark(context, text));
        for (const { id } of plan.runs) await exchange.forgive(id);
      }
      for (const { id, state } of planStatus(flags.runs, plan).runs) if (state === "failed") forgiveFailures(flags.runs, id);
      await submit(plan, { ...flags, engine: flags.engine ?? readSubmission(flags.runs, plan)?.engine ?? "local" }, context);
    });
}
