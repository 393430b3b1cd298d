/** @file `gradalign train`: one training run, new or resumed. */

import { basename } from "node:path";
import { externalName } from "@gradalign/robustness";
import { BusyError, FileError, requireWritable } from "@gradalign/robustness/node";
import { defaultTexts, FINAL_DEFAULTS, type RunView, resolveSettings, type Settings, type SourceOf, settingNames, shellWord } from "@gradalign/runs";
import {
  isRunFolder,
  noteEvent,
  openDevice,
  openRun,
  ownRun,
  performRun,
  type RunRequest,
  readSession,
  readTrackers,
  resumedSettings,
  runSettingsOf,
  trackedView,
} from "@gradalign/runs/node";
import { ConfigError } from "@gradalign/tensor";
import type { Command } from "commander";
import { requireAgreement, withFullPath } from "../run/agreement.ts";
import { loadDataset } from "../run/dataset.ts";
import { interruptible } from "../run/interruptible.ts";
import { loadRunData } from "../run/phase-data.ts";
import { defaultRunFolder, requireFreeFolder } from "../run/run-folder.ts";
import { readConfigFile } from "../settings/config-file.ts";
import { addSettingFlags, settingsFromFlags } from "../settings/setting-flags.ts";
import { type Context, print } from "../terminal/context.ts";
import { EXIT_CODE_OF_SIGNAL } from "../terminal/interrupt.ts";
import { commandName } from "../terminal/invocation.ts";
import { createTrainingView } from "../terminal/training-view.ts";
import { optionHelp } from "./option-help.ts";

const HELP = `
Settings that are left out take the values of the paper's recipe for the data set, model and method: "by recipe" marks those, shown
for CIFAR-10, preact-resnet18 and fgsm-gradalign where these use them.

Examples:
  gradalign train --model cnn --method fgsm --epsilon 10 --seed 0
  gradalign train --model preact-resnet18 --width 16 --method fgsm-gradalign --epsilon 8
  gradalign train --config paper.yaml --seed 1 --out runs/paper-seed1
  gradalign train --dataset svhn --method fgsm-gradalign --width 16
  gradalign train --dataset mnist --model cnn --method pgd --epochs 2
  gradalign train --dataset my-images --model cnn --filters 16 --flip yes --crop 4
  gradalign train --resume runs/paper-seed1
  gradalign train --model cnn --method fgsm --track tensorboard,mlflow=http://tracking.example:5000

A config file is YAML with the flags' names, e.g.
  model: cnn
  method: fgsm-gradalign
  epsilon: 10
  batch-size: 128
Flags win over the file. Ctrl-C finishes the step, writes a checkpoint and exits with 130; a second Ctrl-C exits at once.
--json prints one JSON object per line on stdout and nothing else.`;

interface TrainFlags {
  readonly config?: string;
  readonly out?: string;
  readonly resume?: string;
  readonly elsewhere?: boolean;
  readonly track?: string;
  readonly json?: boolean;
  readonly help?: string | true;
}

/** Flags that no config file has. */
const OTHER_FLAGS = ["config", "out", "resume", "elsewhere", "track", "json", "help"];

/** Adds the command to the program. */
export function registerTrain(program: Command, context: Context): void {
  const command = program.command("train").description("train a model; writes a run folder with metrics, checkpoints and a report");
  addSettingFlags(command, settingNames(), defaultTexts)
    .option("--config <file>", "take settings from a YAML file; flags win")
    .option("--out <dir>", "run folder; runs/<date>-<model>-<method>-eps<e>-seed<s> unless set")
    .option("--resume <dir>", "go on with an interrupted run, to the same bits as without the interruption")
    .option("--track <name,…>", "also send the run's numbers to tensorboard (event files in its folder) or mlflow=<url> (secrets from the environment)")
    .option("--elsewhere", "with --resume: go on although backend, precision or instructions are not the ones before; the bits then differ")
    .option("--json", "print events as JSON lines")
    .helpOption(false)
    .option("-h, --help [name]", "display this help, or that of a method, model, optimizer or schedule: its options with bounds and defaults")
    .addHelpText("after", HELP)
    .action((options: TrainFlags & Record<string, unknown>) => {
      if (options.help === true) return command.outputHelp();
      if (options.help !== undefined) return print(context, optionHelp(options.help, settingsFromFlags(options, settingNames())));
      return runTrain(options, context);
    });
}

async function runTrain(options: TrainFlags & Record<string, unknown>, context: Context): Promise<void> {
  const fromFile = options.config === undefined ? {} : readConfigFile(options.config, OTHER_FLAGS);
  const fromFlags = settingsFromFlags(options, settingNames());
  const settings: Settings = { ...fromFile, ...fromFlags };
  const sourceOf: SourceOf = (name) => (name in fromFile && !(name in fromFlags) ? `${options.config}: ${externalName(name)}` : `--${externalName(name)}`);
  const plan = options.resume === undefined ? newRun(options, settings, sourceOf) : resumedRun(options.resume, options, settings);
  const { folder, config, asked } = plan;
  const { finalAttack, finalExamples } = { ...FINAL_DEFAULTS, ...asked };
  const track = options.track === undefined ? [] : readTrackers(options.track);
  const shown = createTrainingView({ streams: context.streams, json: options.json ?? false, runs: [config.method.name] });
  const { view, close } = trackedView(shown, track, { folder, label: basename(folder), config });
  const work = async (signal: AbortSignal): Promise<void> => {
    const data = await loadRunData(config, (name) => loadDataset(name, context.streams.stderr, signal));
    const device = await openDevice(asked, view.note, options.json ? undefined : view.note);
    try {
      const request: RunRequest = {
        ...plan,
        label: config.method.name,
        data,
        device,
        elsewhere: options.elsewhere ?? false,
        attacks: (["last", "best"] as const).map((which) => ({ attack: finalAttack, examples: finalExamples, which })),
        view,
        signal,
      };
      const { interrupted } = await ownRun(folder, { note: view.note, signal }, (lock) => performRun(request, lock));
      if (!interrupted) return;
      view.note(`resume with: ${commandName()} train --resume ${shellWord(folder)}`);
      context.exitCode = EXIT_CODE_OF_SIGNAL.SIGINT;
    } finally {
      device.close();
      await close();
    }
  };
  await interruptible(context, view, (signal) =>
    work(signal).catch((error: unknown) => {
      if (!signal.aborted && isRunFolder(folder)) tellFailure(folder, error, view);
      throw error;
    }),
  );
}

/** Says in a run's log why it does not go on, and to the user what to do. */
function tellFailure(folder: string, error: unknown, { note }: RunView): void {
  // Another process goes on with it.
  if (error instanceof BusyError) return;
  noteEvent(folder, { type: "failed", message: (error as Error).message });
  // What was written stays good: the run goes on, and its report is written, when there is room again.
  if (isFileFault(error)) note(`then go on with: ${commandName()} train --resume ${shellWord(folder)}`);
}

/** Whether a file could not be written or read, of a checkpoint perhaps. */
function isFileFault(error: unknown): boolean {
  return error instanceof FileError || (error instanceof Error && error.cause instanceof FileError);
}

type PlannedRun = Pick<RunRequest, "folder" | "config" | "resume" | "asked">;

function newRun(options: TrainFlags, settings: Settings, sourceOf: SourceOf): PlannedRun {
  if (options.elsewhere) throw new ConfigError("--elsewhere must be left out without --resume; a new run is computed wherever it is");
  const config = resolveSettings(withFullPath(settings), sourceOf);
  const folder = options.out ?? defaultRunFolder(config);
  requireFreeFolder(folder, isRunFolder(folder) ? `continue the run there with --resume ${shellWord(folder)}` : undefined);
  return { folder, config, resume: false, asked: runSettingsOf(settings) };
}

/** The run's own settings; what is given besides must agree with them. */
function resumedRun(folder: string, options: TrainFlags, settings: Settings): PlannedRun {
  if (options.out !== undefined) throw new ConfigError(`--out (="${options.out}") must be left out with --resume; the run stays in its folder`);
  const run = openRun(folder);
  requireAgreement(run.config, settings);
  requireWritable(folder);
  return { folder, config: run.config, resume: true, asked: resumedSettings(runSettingsOf(settings), readSession(folder)?.asked ?? {}, run) };
}
