/** @file `gradalign reproduce --list`: every experiment with what it costs on this machine. */
import type { Scale, Training } from "@gradalign/experiments";
import { count, duration } from "@gradalign/runs";
import { interruptible } from "../run/interruptible.ts";
import type { Context } from "../terminal/context.ts";
import { print } from "../terminal/context.ts";
import { textTable } from "../terminal/table.ts";
import { bestSchedule, openCostBook, stepsOf } from "./costs.ts";
import { gridOf, isFinished, type ScaledExperiment } from "./grid.ts";
import { measureMissingCosts } from "./measure-costs.ts";
import type { ReproduceOptions } from "./reproduce.ts";

/** How {@link listExperiments} lists. */
export interface ListOptions extends ReproduceOptions {
  /** Whether to time what has not been timed here before. */
  readonly measure: boolean;
}

/** Prints the experiments with the times that are known. */
export async function listExperiments(
  chosen: readonly ScaledExperiment[],
  { out, json, jobs, backend, measure }: ListOptions,
  context: Context,
): Promise<void> {
  const { streams } = context;
  const quiet = { event() {}, note: (text: string) => void streams.stderr.write(`${text}\n`), finish() {} };
  await interruptible(context, quiet, async (signal) => {
    const book = openCostBook(out);
    // What smoke costs is seconds; timing it would take longer.
    const timed = chosen.filter(({ scale }) => scale !== "smoke");
    if (measure) {
      await measureMissingCosts(
        gridOf(timed, out, () => "real"),
        { book, backend, signal, streams, json },
      );
    }
    const time = (scale: Scale, grid: readonly Training[]): number | null => {
      const known = scale !== "smoke" && grid.every(({ config }) => book.get(config) !== undefined);
      return known ? bestSchedule(grid, book, jobs).seconds : null;
    };
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
        seconds: grid.length === 0 ? null : time(scale, grid),
        secondsLeft: grid.length === 0 ? null : time(scale, pending),
      };
    });
    if (json) for (const row of rows) print(context, JSON.stringify(row));
    else {
      const inWords = ({ scale, trainings }: (typeof rows)[number], seconds: number | null): string =>
        scale === "smoke" || trainings === 0 ? "seconds" : seconds === null ? "?" : duration(seconds);
      const table = textTable([
        ["name", "scale", "trainings", "done", "steps", "time", "left", "what"],
        ...rows.map((row) => [
          row.name,
          row.scale,
          String(row.trainings),
          String(row.done),
          count(row.steps),
          inWords(row, row.seconds),
          inWords(row, row.secondsLeft),
          `${row.title} (${row.paper})`,
        ]),
      ]);
      for (const line of table) print(context, line);
      const unknown = rows.some((row) => row.scale !== "smoke" && row.trainings > 0 && row.seconds === null);
      print(context, "\nTimes are for an idle machine, from a few steps timed here; trainings that experiments share count for each of them.");
      if (unknown) print(context, "Those marked ? have not been timed here yet; --list --measure does so, which takes minutes.");
    }
  });
}
