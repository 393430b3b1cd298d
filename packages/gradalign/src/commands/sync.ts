/** @file `gradalign sync`: a folder of runs and an object store are made to have the same of a plan. */
import { makeFolder, requireWritable } from "@gradalign/robustness/node";
import { openExchange, openStore, planStatus, readPlan } from "@gradalign/runs/node";
import type { Command } from "commander";
import { interruptible } from "../run/interruptible.ts";
import { type Context, print, remark } from "../terminal/context.ts";
import { statusText } from "./status.ts";

const HELP = `
Workers that share no folder exchange runs through a store (gradalign work --store). This brings a plan's finished runs here, and who works
on the others, so that status, report and eval can read them; runs that were finished here are sent.

Examples:
  gradalign sync plan.json --runs runs/sweep --store s3://bucket/sweep
  gradalign sync plan.json --runs runs/sweep --store s3://bucket/sweep --no-models
  gradalign sync plan.json --runs runs/sweep --store /mnt/exchange`;

/** What --store says of itself. */
export const STORE_HELP = "where machines that share no folder exchange runs: a folder, or s3://bucket/prefix (keys from the environment)";

interface SyncFlags {
  readonly runs: string;
  readonly store: string;
  readonly models: boolean;
}

/** Adds the command to the program. */
export function registerSync(program: Command, context: Context): void {
  program
    .command("sync")
    .description("bring a plan's runs from an object store, and send those that are finished here")
    .argument("<plan>", "file that gradalign plan wrote")
    .requiredOption("--runs <dir>", "folder of all runs")
    .requiredOption("--store <place>", STORE_HELP)
    .option("--no-models", "leave the models there, most of the bytes: status and report do without")
    .addHelpText("after", HELP)
    .action(async (file: string, { runs, store, models }: SyncFlags) => {
      const plan = readPlan(file);
      requireWritable(runs);
      makeFolder(runs);
      const view = { event() {}, note: (text: string) => remark(context, text), finish() {} };
      const exchange = openExchange(await openStore(store), runs, view.note);
      await interruptible(context, view, async (signal) => {
        for (const { id } of plan.runs) {
          signal.throwIfAborted();
          await exchange.synchronize(id, models);
        }
      });
      for (const line of statusText(planStatus(runs, plan), true)) print(context, line);
    });
}
