/** @file `gradalign report`: writes the report of a run again, or one that compares several. */
import { basename, join, resolve } from "node:path";
import { compareReport, runReport } from "@gradalign/runs";
import { nodeDocument, readReportRun } from "@gradalign/runs/node";
import type { Command } from "commander";
import { writeOutput } from "../run/output.ts";
import { type Context, print } from "../terminal/context.ts";

const HELP = `
Examples:
  gradalign report runs/my-run
  gradalign report runs/fgsm runs/fgsm-gradalign --out comparison.html

The report of one run is written to report.html in its folder; of several, to comparison.html in the current one.`;

/** Adds the command to the program. */
export function registerReport(program: Command, context: Context): void {
  program
    .command("report")
    .description("write the HTML report of a run, or one that compares several runs")
    .argument("<run...>", "run folders")
    .option("--out <file>", "where to write it")
    .addHelpText("after", HELP)
    .action((folders: string[], options: { out?: string }) => {
      const several = folders.length > 1;
      const labels = distinctLabels(folders.map((folder) => basename(resolve(folder))));
      const runs = folders.map((folder, i) => readReportRun(folder, several ? labels[i] : undefined));
      const file = options.out ?? (several ? "comparison.html" : join(folders[0] as string, "report.html"));
      const [first] = runs;
      if (first) writeOutput(file, several ? compareReport(runs, "Runs compared", nodeDocument()) : runReport(first, nodeDocument()));
      print(context, resolve(file));
    });
}

/** Folder names, numbered where two are equal. */
function distinctLabels(names: readonly string[]): string[] {
  return names.map((name, i) => {
    const earlier = names.slice(0, i).filter((other) => other === name).length;
    return earlier > 0 ? `${name} (${earlier + 1})` : name;
  });
}
