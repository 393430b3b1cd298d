/** @file `gradalign reproduce --list`: every experiment with what it costs on this machine. */
import type { Context } from "../context.ts";
import { print } from "../context.ts";
import { interruptible } from "../run/interruptible.ts";
import { count, duration } from "../terminal/format.ts";
import { textTable } from "../terminal/table.ts";
import { bestSchedule, openCostBook, stepsOf } from "./costs.ts";
import { gridOf, isFinished, type ScaledExperiment } from "./grid.ts";
import { measureMissingCosts } from "./measure-costs.ts";
import type { ReproduceOptions } from "./reproduce.ts";

/** Prints the experiments; times what has not been timed here before. */
export async function listExperiments(chosen: readonly ScaledExperiment[], { out, json, jobs, backend }: ReproduceOptions, context: Context): Promise<void> {
  const { streams } = context;
  const quiet = { event() {}, note: (text: string) => void streams.stderr.write(`${text}\n`), finish() {} };
  await interruptible(context, quiet, async (signal) => {
    const book = openCostBook(out);
    // What smoke costs is seconds; timing it would take longer.
    const timed = chosen.filter(({ scale }) => scale !== "smoke");
    await measureMissingCosts(
      gridOf(timed, out, () => "real"),
      { book, backend, signal, streams, json },
    );
    const rows = chosen.map((entry) => {
      const { experiment, scale } = entry;
      const grid = gridOf([entry], out, () => "real");
      const pending = grid.filter((training) => !isFinished(training));
      return {
        name: experiment.id,
        paper: experiment.paper,
        title: experiment.title,
        scale,
        trainings: grid.length,
        done: grid.length - pending.length,
        steps: grid.reduce((sum, { config }) => sum + stepsOf(config), 0),
        seconds: scale === "smoke" || grid.length === 0 ? null : bestSchedule(grid, book, jobs).seconds,
        secondsLeft: scale === "smoke" || grid.length === 0 ? null : bestSchedule(pending, book, jobs).seconds,
      };
    });
    if (json) for (const row of rows) print(context, JSON.stringify(row));
    else {
      const time = (seconds: number | null): string => (seconds === null ? "seconds" : duration(seconds));
      const table = textTable([
        ["name", "scale", "trainings", "done", "steps", "time", "left", "what"],
        ...rows.map((row) => [
          row.name,
          row.scale,
          String(row.trainings),
          String(row.done),
          count(row.steps),
          time(row.seconds),
          time(row.secondsLeft),
          `${row.title} (${row.paper})`,
        ]),
      ]);
      for (const line of table) print(context, line);
      print(context, "\nTimes are for an idle machine, from a few steps timed here; trainings that experiments share count for each of them.");
    }
  });
}
