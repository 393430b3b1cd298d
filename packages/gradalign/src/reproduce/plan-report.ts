/** @file The report over a plan: of a sweep a page, of experiments the pages that one machine would have written. */
import { basename, dirname, resolve } from "node:path";
import { makeFolder } from "@gradalign/robustness/node";
import { type Plan, planReport } from "@gradalign/runs";
import { finishedFolder, isPlannedFinished, nodeDocument, planStatus, readReportRun } from "@gradalign/runs/node";
import { ConfigError } from "@gradalign/tensor";
import { writeOutput } from "../run/output.ts";
import { type Context, remark } from "../terminal/context.ts";
import { chosenExperiments } from "./chosen.ts";
import { TRAININGS } from "./grid.ts";
import { reproduce } from "./reproduce.ts";

/**
 * Writes what a plan's runs have come to; missing and failed ones are named.
 *
 * @returns the pages' files.
 * @throws ConfigError for experiments whose runs are not where `gradalign reproduce` would look for them, or that need more than is finished.
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
  const unfinished = planStatus(runs, plan).runs.filter(({ state }) => state !== "finished");
  for (const { label, state, message } of unfinished) remark(context, `${label}: ${state}${message === undefined ? "" : `, ${message.split("\n")[0]}`}`);
  const chosen = chosenExperiments(experiments, scale === "paper" || scale === "laptop" || scale === "smoke" ? scale : undefined);
  const needy = chosen.find(({ experiment }) => experiment.partial !== true);
  if (needy && unfinished.length > 0) {
    throw new ConfigError(
      `${needy.experiment.id} needs all runs of its plan, and ${unfinished.length} of ${plan.runs.length} are not finished; submit it, or retry what failed`,
    );
  }
  const at = resolve(runs);
  if (basename(at) !== TRAININGS) {
    throw new ConfigError(
      `--runs (="${runs}") must be a folder named ${TRAININGS}, in which gradalign reproduce keeps them; rename it, e.g. to runs/reproduce/${TRAININGS}`,
    );
  }
  return (await reproduce(chosen, { out: dirname(at), json: false, jobs: undefined, soFar: true }, context)) ?? [];
}
