/** @file `gradalign report`: writes the report of a run or an evaluation again, or one that compares several. */
import { basename, join, resolve } from "node:path";
import { isDatasetName } from "@gradalign/robustness";
import { type LoadedDataset, readDataFolder } from "@gradalign/robustness/node";
import { compareEvaluations, compareReport, evaluationReport, runReport } from "@gradalign/runs";
import { isEvaluationFolder, nodeDocument, readEvaluation, readEvaluationReport, readPlan, readReportRun } from "@gradalign/runs/node";
import { ConfigError, DataError } from "@gradalign/tensor";
import type { Command } from "commander";
import { writePlanReport } from "../reproduce/plan-report.ts";
import { loadDataset } from "../run/dataset.ts";
import { writeOutput } from "../run/output.ts";
import { type Context, print, remark } from "../terminal/context.ts";

const HELP = `
Examples:
  gradalign report runs/my-run
  gradalign report runs/fgsm runs/fgsm-gradalign --out comparison.html
  gradalign report runs/my-run/evaluations/*
  gradalign report plan.json --runs runs/sweep

The report of one run or evaluation is written to report.html in its folder; of several, to comparison.html in the current one. Images of
an evaluation are shown where its data set is on this machine. With --runs, the report is over a plan: means and deviations over seeds, with
missing and failed runs named, in plan-report.html; of a plan of the paper's experiments, the pages that gradalign reproduce writes.`;

interface ReportFlags {
  readonly out?: string;
  readonly dataset?: string;
  readonly runs?: string;
}

/** Adds the command to the program. */
export function registerReport(program: Command, context: Context): void {
  program
    .command("report")
    .description("write the HTML report of a run or an evaluation, or one that compares several")
    .argument("<folder...>", "run folders, or evaluation folders; or, with --runs, a plan")
    .option("--out <file>", "where to write it")
    .option("--runs <dir>", "of a plan: the folder of its runs")
    .option("--dataset <folder>", "of an evaluation on images of your own: where they are")
    .addHelpText("after", HELP)
    .action(async (folders: string[], options: ReportFlags) => {
      const { runs } = options;
      if (runs !== undefined) {
        const [plan, ...others] = folders as [string, ...string[]];
        if (others.length > 0) throw new ConfigError(`report: one plan with --runs, got ${folders.length}; name one`);
        for (const page of await writePlanReport(readPlan(plan), runs, options.out ?? "plan-report.html", context)) print(context, resolve(page));
        return;
      }
      const file = options.out ?? (folders.length > 1 ? "comparison.html" : join(folders[0] as string, "report.html"));
      writeOutput(file, await reportOf(folders, options, context));
      print(context, resolve(file));
    });
}

async function reportOf(folders: readonly string[], { dataset }: ReportFlags, context: Context): Promise<string> {
  const [first] = folders as readonly [string];
  const several = folders.length > 1;
  const labels = distinctLabels(folders.map((folder) => basename(resolve(folder))));
  const evaluations = folders.filter(isEvaluationFolder);
  if (evaluations.length === 0) {
    if (dataset !== undefined) throw new ConfigError(`--dataset (="${dataset}") must be left out: ${first} is no evaluation`);
    const runs = folders.map((folder, i) => readReportRun(folder, several ? labels[i] : undefined));
    return several ? compareReport(runs, "Runs compared", nodeDocument()) : runReport(runs[0] as (typeof runs)[number], nodeDocument());
  }
  const run = folders.find((folder) => !isEvaluationFolder(folder));
  if (run !== undefined)
    throw new ConfigError(`"${run}" must be an evaluation as ${evaluations[0]} is; compare runs with runs and evaluations with evaluations`);
  if (!several) return evaluationReport(await readEvaluationReport(first, await dataOf(first, dataset, context)), nodeDocument());
  const compared = await Promise.all(folders.map((folder, i) => readEvaluationReport(folder, undefined, labels[i])));
  return compareEvaluations(compared, "Evaluations compared", nodeDocument());
}

/** The images of an evaluation, if they are on this machine; what is in the way is told. */
async function dataOf(folder: string, given: string | undefined, context: Context): Promise<LoadedDataset | undefined> {
  const { data } = readEvaluation(folder);
  const { name, fingerprint } = data;
  const missing = (why: string): undefined => {
    remark(context, `the report shows no images: ${why}`);
  };
  if (given === undefined && !isDatasetName(name)) return missing(`${name} is a folder of your own; name it with --dataset`);
  try {
    const found = given === undefined ? await loadDataset(name, context.streams.stderr, undefined, true) : readDataFolder(given);
    return found.fingerprint === fingerprint ? found : missing(`${given ?? name} has other images than the evaluation's`);
  } catch (error) {
    if (error instanceof DataError) return missing(error.message);
    throw error;
  }
}

/** Folder names, numbered where two are equal. */
function distinctLabels(names: readonly string[]): string[] {
  return names.map((name, i) => {
    const earlier = names.slice(0, i).filter((other) => other === name).length;
    return earlier > 0 ? `${name} (${earlier + 1})` : name;
  });
}
