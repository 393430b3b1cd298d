/** @file This machine as an engine: processes that compute, here, while the command goes on. */
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { withLock } from "@gradalign/robustness/node";
import type { Plan, PlannedRun } from "@gradalign/runs";
import { isPlannedFinished, type WorkOutcome } from "@gradalign/runs/node";
import { bestSchedule, estimate, openCostBook } from "../reproduce/costs.ts";
import { createGridView, type GridView } from "../reproduce/grid-view.ts";
import { performPlanned } from "../reproduce/perform-planned.ts";
import { trainingPool } from "../reproduce/training-pool.ts";
import { watchCancelled } from "../run/cancelled.ts";
import { interruptible } from "../run/interruptible.ts";
import { type Context, remark } from "../terminal/context.ts";
import type { Engine, EngineOptions } from "./engine.ts";

/** Milliseconds until a run is tried again that could not be gone on with here and now, and how often. */
const [LATER_MS, MOST_LATER] = [5000, 12];

/** The engine. */
export const local: Engine = {
  help: "processes on this machine; the command ends when they have",
  check() {},
  async submit(plan, _, options, context) {
    await computeHere(plan, options, context);
    return [];
  },
  // Who works on the plan looks for it in the runs' folder.
  async cancel() {},
};

/** Two commands that work in one folder take turns: the second finds done what the first has done. */
async function computeHere(plan: Plan, options: EngineOptions, context: Context): Promise<void> {
  const { runs, json } = options;
  let view: GridView | undefined;
  const facade = { event() {}, note: (text: string) => (view ? view.note(text) : remark(context, text)), finish: () => view?.finish() };
  await interruptible(context, facade, async (signal) => {
    const onWait = (holder: string): void => facade.note(`another process works in ${runs} (${holder}); waiting`);
    await withLock(join(runs, "local.lock"), { what: runs, onWait, signal }, async () => {
      const pending = plan.runs.filter((run) => !isPlannedFinished(runs, run));
      const book = openCostBook(runs);
      const schedule = bestSchedule(pending, book, options.jobs ?? Math.min(availableParallelism(), Math.max(1, pending.length)));
      const left = new Set(pending.map(({ id }) => id));
      view = createGridView(
        plan.runs.map((run) => ({
          ...{ id: run.id, label: run.label, attacks: run.attacks.length, finished: !left.has(run.id) },
          estimate: estimate(run, book.get(run.config)?.[schedule.mode]),
        })),
        context.streams,
        json,
      );
      if (pending.length > 0) view.note(`${pending.length} run${pending.length === 1 ? "" : "s"} to do, ${schedule.jobs} at a time`);
      await performAll(plan, pending, schedule.jobs, { options, view, signal });
    });
  });
}

interface LocalContext {
  readonly options: EngineOptions;
  readonly view: GridView;
  readonly signal: AbortSignal;
}

async function performAll(plan: Plan, pending: readonly PlannedRun[], jobs: number, { options, view, signal }: LocalContext): Promise<void> {
  const { runs, track } = options;
  const cancelled = watchCancelled(runs, plan, view.note);
  const stop = AbortSignal.any([signal, cancelled.signal]);
  const threads = Math.max(1, Math.floor(availableParallelism() / jobs));
  const pool = trainingPool();
  const planned = { place: { runs }, pool, threads, track, signal: stop };
  const waiting = [...pending];
  const work = async (): Promise<void> => {
    for (let run = waiting.shift(); run && !stop.aborted; run = waiting.shift()) {
      for (let later = 0; ; later++) {
        const { id, label } = run;
        const outcome: WorkOutcome = await performPlanned(run, planned, (event) => view.event(id, event));
        if (outcome.kind === "done") view.done(id);
        if (outcome.kind === "failed" && outcome.final) view.note(`${label} failed: ${outcome.message}`);
        if (outcome.kind === "later") view.note(`${label}: ${outcome.message}; ${later < MOST_LATER ? "trying again" : "left for later"}`);
        const again = outcome.kind === "failed" ? !outcome.final : outcome.kind === "later" && later < MOST_LATER;
        if (!again || stop.aborted) break;
        if (outcome.kind === "later") await delay(LATER_MS, undefined, { signal: stop }).catch(() => {});
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: jobs }, work));
  } finally {
    cancelled.release();
    pool.close();
    view.finish();
  }
}
