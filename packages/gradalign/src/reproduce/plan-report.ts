/** @file The report over a plan: of a sweep a page, of experiments the pages that one machine would have written. */
import { basename, dirname, resolve } from "node:path";
import { makeFolder } from "@gradalign/robustness/node";
import { type Plan, planReport, shellWord } from "@gradalign/runs";
import { finishedFolder, isPlannedFinished, nodeDocument, planStatus, readReportRun } from "@gradalign/runs/node";
import { ConfigError } from "@gradalign/tensor";
import { writeOutput } from "../run/output.ts";
import type { Context } from "../terminal/context.ts";
import { chosenExperiments } from "./chosen.ts";
import { TRAININGS } from "./grid.ts";
import { reproduce } from "./reproduce.ts";

/**
 * Writes what a plan's runs have come to; missing and failed ones are named.
 *
 * @returns the pages' files.
 * @throws ConfigError for experiments whose runs are not where `gradalign reproduce` would look for them, or not all finished.
 */
export async function writePlanReport(plan: Plan, runs: string, file: string, context: Context): Promise<string[]> {
  const { origin } = plan;
  if (origin.kind === "experiments") return experimentPages(plan, origin, runs, context);
  const finished = plan.runs.filter((run) => isPlannedFinished(runs, run));
  const read = finished.map((run) => ({ id: run.id, run: readReportRun(finishedFolder(runs, run.id), run.label) }));
  makeFolder(dirname(resolve(file)));
  writeOutput(file, planReport(plan, planStatus(runs, plan), new Map(read.map(({ id, run }) => [id, run])), nodeDocument()));
  return [file];
}

async function experimentPages(
  plan: Plan,
  { experiments, scale }: Extract<Plan["origin"], { kind: "experiments" }>,
  runs: string,
  context: Context,
): Promise<string[]> {
  const { total, finished, failed } = planStatus(runs, plan);
  const names = experiments.map(shellWord).join(" ");
  if (finished < total) {
    throw new ConfigError(
      `the plan must be finished before ${names} can be measured: ${finished} of ${total} runs are, ${failed} failed; see gradalign status, then submit or retry it`,
    );
  }
  const at = resolve(runs);
  if (basename(at) !== TRAININGS) {
    throw new ConfigError(
      `--runs (="${runs}") must be a folder named ${TRAININGS}, in which gradalign reproduce keeps them; rename it, e.g. to runs/reproduce/${TRAININGS}`,
    );
  }
  const chosen = chosenExperiments(experiments, scale === "paper" || scale === "laptop" || scale === "smoke" ? scale : undefined);
  return (await reproduce(chosen, { out: dirname(at), json: false, jobs: undefined }, context)) ?? [];
}
