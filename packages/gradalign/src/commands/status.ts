/** @file `gradalign status`: how far a plan has come. */
import { setTimeout as delay } from "node:timers/promises";
import type { PlanStatus, RunStatus } from "@gradalign/runs";
import { planStatus, readPlan } from "@gradalign/runs/node";
import type { Command } from "commander";
import { interruptible } from "../run/interruptible.ts";
import { type Context, print, remark } from "../terminal/context.ts";
import { LiveRegion } from "../terminal/live-region.ts";
import { textTable } from "../terminal/table.ts";

const HELP = `
Everything is read from the runs' folder, whichever engine computes: who made the newest claim on a run, how many epochs are evaluated, why
it failed last. With --json the whole state is one line.

Examples:
  gradalign status plan.json --runs runs/sweep
  gradalign status plan.json --runs runs/sweep --watch
  gradalign status plan.json --runs runs/sweep --json`;

/** Milliseconds between looks. */
const WATCH_MS = 2000;

/** Adds the command to the program. */
export function registerStatus(program: Command, context: Context): void {
  program
    .command("status")
    .description("say how far a plan has come: what runs where, what failed and why")
    .argument("<plan>", "file that gradalign plan wrote")
    .requiredOption("--runs <dir>", "folder of all runs")
    .option("--watch", "look again every two seconds, until nothing is left to do")
    .option("--json", "print the state as a line of JSON")
    .addHelpText("after", HELP)
    .action(async (file: string, { runs, watch, json }: { readonly runs: string; readonly watch?: boolean; readonly json?: boolean }) => {
      const plan = readPlan(file);
      const { stdout } = context.streams;
      const region = watch && !json && stdout.isTTY ? new LiveRegion(stdout) : undefined;
      const show = (status: PlanStatus): void => {
        if (json) print(context, JSON.stringify(status));
        else if (region) region.show(statusText(status, true));
        else for (const line of statusText(status, true)) print(context, line);
      };
      const quiet = { event() {}, note: (text: string) => remark(context, text), finish() {} };
      if (!watch) return show(planStatus(runs, plan));
      await interruptible(context, quiet, async (signal) => {
        for (;;) {
          const status = planStatus(runs, plan);
          show(status);
          if (status.running === 0 && (status.waiting === 0 || status.cancelled)) break;
          await delay(WATCH_MS, undefined, { signal }).catch(() => {});
          if (signal.aborted) break;
        }
        region?.finish();
      });
    });
}

/** A plan's state in lines; `details` names what runs. */
export function statusText(status: PlanStatus, details: boolean): string[] {
  const { name, total, finished, running, waiting, failed, cancelled, runs } = status;
  const counts = [running > 0 && `${running} running`, waiting > 0 && `${waiting} waiting`, failed > 0 && `${failed} failed`, cancelled && "cancelled"];
  const head = `${name}: ${finished} of ${total} finished${counts
    .filter(Boolean)
    .map((part) => `, ${part}`)
    .join("")}`;
  const shown = runs.filter(({ state, message }) => state === "failed" || message !== undefined || (details && state === "running"));
  return [head, ...(shown.length === 0 ? [] : textTable([["run", "state", "epoch", "where", "why"], ...shown.map(row)]).slice(1))];
}

function row({ label, state, epoch, epochs, host, pid, message }: RunStatus): string[] {
  const where = state === "running" ? `${host}, process ${pid}` : "";
  return [label, state, epoch === undefined ? "" : `epoch ${epoch.toFixed(1)} of ${epochs}`, where, message?.split("\n")[0] ?? ""];
}
