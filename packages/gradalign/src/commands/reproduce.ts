/** @file `gradalign reproduce`: the paper's experiments by name. */
import { join } from "node:path";
import { SCALES, type Scale } from "@gradalign/experiments";
import { requireWritable } from "@gradalign/robustness/node";
import { shellWord } from "@gradalign/runs";
import { readTrackers } from "@gradalign/runs/node";
import { ConfigError } from "@gradalign/tensor";
import { type Command, Option } from "commander";
import { chosenExperiments } from "../reproduce/chosen.ts";
import { listExperiments } from "../reproduce/list.ts";
import { reproduce } from "../reproduce/reproduce.ts";
import { addSettingFlags, parseCount, settingsFromFlags } from "../settings/setting-flags.ts";
import { type Context, print } from "../terminal/context.ts";
import { TRACK_HELP } from "./submit.ts";

const HELP = `
Scales: paper is the paper's own setting; laptop fits two cores in minutes to hours (each page says what it changed);
smoke takes seconds and only shows that everything runs.

Trainings are shared between experiments and found again by a hash of all their settings: what is done is skipped, what was
stopped or killed goes on. Each experiment gets a folder with report.html, data.json, data.csv and its figures as SVG.

Examples:
  gradalign reproduce --list
  gradalign reproduce --list --measure
  gradalign reproduce fig2 lemma1
  gradalign reproduce fig5 fig6 fig7 fig11
  gradalign reproduce fig4 --scale laptop
  gradalign reproduce methods --so-far
  gradalign reproduce table1 --scale smoke --json`;

const FLAGS = ["threads", "backend"] as const;

interface ReproduceFlags {
  readonly scale?: Scale;
  readonly list?: boolean;
  readonly measure?: boolean;
  readonly json?: boolean;
  readonly out: string;
  readonly jobs?: string;
  readonly soFar?: boolean;
  readonly track?: string;
}

/** Adds the command to the program. */
export function registerReproduce(program: Command, context: Context): void {
  const command = program
    .command("reproduce")
    .description("redo experiments, figures, tables and lemmas of the paper")
    .argument("[name...]", "experiments, as --list names them")
    .addOption(new Option("--scale <scale>", "how large; each experiment's own unless set").choices([...SCALES]))
    .option("--list", "name all experiments with what they cost here, as far as that is known")
    .option("--measure", "with --list: first time a few steps of what has not been timed here (minutes)")
    .option("--out <dir>", "folder of trainings and results", join("runs", "reproduce"))
    .option("--jobs <n>", "trainings at a time, one thread each; what is fastest here unless set")
    .option("--track <name,…>", TRACK_HELP)
    .option("--so-far", "train nothing, and make the pages of the trainings that are finished (methods)");
  addSettingFlags(command, FLAGS)
    .option("--json", "print JSON lines")
    .addHelpText("after", HELP)
    .action(async (names: string[], options: ReproduceFlags & Record<string, unknown>) => {
      const jobs = options.jobs === undefined ? undefined : parseCount("--jobs", options.jobs, "leave it out for what is fastest here");
      if (options.measure && !options.list) throw new ConfigError("reproduce: --measure goes with --list; what is run is timed anyway");
      if (!options.list && names.length === 0) throw new ConfigError("reproduce: name an experiment; --list shows them all");
      const track = options.track === undefined ? [] : readTrackers(options.track);
      const chosen = chosenExperiments(names, options.scale);
      if (!options.list) requireWritable(options.out);
      const shared = { out: options.out, json: options.json ?? false, ...settingsFromFlags(options, FLAGS) };
      if (options.list) await listExperiments(chosen, { ...shared, jobs, measure: options.measure ?? false }, context);
      else {
        const command = ["gradalign", "reproduce", ...names, ...(options.scale ? ["--scale", options.scale] : [])].map(shellWord).join(" ");
        const pages = await reproduce(chosen, { ...shared, jobs, track, soFar: options.soFar ?? false }, context);
        if (pages === null) print(context, options.json ? JSON.stringify({ type: "end", interrupted: true }) : `stopped; go on with: ${command}`);
      }
    });
}
