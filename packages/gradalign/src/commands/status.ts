/** @file `gradalign status`: how far a plan has come. */
import { setTimeout as delay } from "node:timers/promises";
import { type Plan, type PlanStatus, percent, type QueuedState, type RunStatus } from "@gradalign/runs";
import { planStatus, readPlan } from "@gradalign/runs/node";
import type { Command } from "commander";
import { withQueue } from "../engines/bullmq.ts";
import { interruptible } from "../run/interruptible.ts";
import { type Context, print, remark } from "../terminal/context.ts";
import { LiveRegion } from "../terminal/live-region.ts";
import { textTable } from "../terminal/table.ts";

const HELP = `
Everything is read from the runs' folder, whichever engine computes: who made the newest claim on a run, how many epochs are evaluated, why
it failed last, and results of one run that differ, which is an alarm: the exit code is then 1. With --queue it is also said which runs the
queue has; those that it has not are given to nobody until the plan is submitted again. With --json the whole state is one line.

Examples:
  gradalign status plan.json --runs runs/sweep
  gradalign status plan.json --runs runs/sweep --watch
  gradalign status plan.json --runs /shared/sweep --queue redis://queue.example:6379
  gradalign status plan.json --runs runs/sweep --json`;

/** Milliseconds between looks. */
const WATCH_MS = 2000;

interface StatusFlags {
  readonly runs: string;
  readonly queue?: string | true;
  readonly watch?: boolean;
  readonly json?: boolean;
}

/** Adds the command to the program. */
export function registerStatus(program: Command, context: Context): void {
  program
    .command("status")
    .description("say how far a plan has come: what runs where, what failed and why")
    .argument("<plan>", "file that gradalign plan wrote")
    .requiredOption("--runs <dir>", "folder of all runs")
    .option("--queue [url]", "also ask the queue, at the variable GRADALIGN_QUEUE unless an address is given")
    .option("--watch", "look again every two seconds, until nothing is left to do")
    .option("--json", "print the state as a line of JSON")
    .addHelpText("after", HELP)
    .action(async (file: string, { runs, queue, watch, json }: StatusFlags) => {
      const plan = readPlan(file);
      const { stdout } = context.streams;
      const region = watch && !json && stdout.isTTY ? new LiveRegion(stdout) : undefined;
      const look = async (): Promise<PlanStatus> => {
        const status = planStatus(runs, plan, queue === undefined ? undefined : await queuedStates(plan, queue));
        if (json) print(context, JSON.stringify(status));
        else if (region) region.show(statusText(status, true));
        else for (const line of statusText(status, true)) print(context, line);
        if (status.differing > 0) context.exitCode = 1;
        return status;
      };
      const quiet = { event() {}, note: (text: string) => remark(context, text), finish() {} };
      if (!watch) return void (await look());
      await interruptible(context, quiet, async (signal) => {
        for (;;) {
          const status = await look();
          if (status.running === 0 && (status.waiting === 0 || status.cancelled)) break;
          await delay(WATCH_MS, undefined, { signal }).catch(() => {});
          if (signal.aborted) break;
        }
        region?.finish();
      });
    });
}

async function queuedStates({ runs }: Plan, queue: string | true): Promise<Map<string, QueuedState>> {
  const ids = runs.map(({ id }) => id);
  const states = await withQueue(
    { queue: queue === true ? undefined : queue },
    () => {},
    (open) => open.states(ids),
  );
  return new Map([...states].map(([id, { state }]) => [id, state]));
}

/** A plan's state in lines; `details` names what runs. */
export function statusText(status: PlanStatus, details: boolean): string[] {
  const { name, total, finished, running, waiting, failed, differing, progress, cancelled, runs } = status;
  const missing = runs.filter(({ queue }) => queue === "missing").length;
  const counts = [
    running > 0 && `${running} running`,
    waiting > 0 && `${waiting} waiting`,
    failed > 0 && `${failed} failed`,
    missing > 0 && `${missing} not in the queue`,
    differing > 0 && `${differing} COMPUTED TWICE WITH OTHER RESULTS`,
    cancelled && "cancelled",
    running > 0 && progress > 0 && `${percent(progress)} of all epochs done`,
  ];
  const head = `${name}: ${finished} of ${total} finished${counts
    .filter(Boolean)
    .map((part) => `, ${part}`)
    .join("")}`;
  const shown = runs.filter((run) => run.state === "failed" || run.message !== undefined || run.differing || (details && run.state === "running"));
  return [head, ...(shown.length === 0 ? [] : textTable([["run", "state", "epoch", "where", "why"], ...shown.map(row)]).slice(1))];
}

function row({ label, state, epoch, epochs, host, pid, message, differing }: RunStatus): string[] {
  const where = state === "running" ? `${host}, process ${pid}` : "";
  const why = differing ? `it differs from ${differing.join(", ")}` : (message?.split("\n")[0] ?? "");
  return [label, state, epoch === undefined ? "" : `epoch ${epoch.toFixed(1)} of ${epochs}`, where, why];
}
