/** @file `gradalign train`: one training run, new or resumed. */
import { resolve } from "node:path";
import { ConfigError } from "@gradalign/tensor";
import type { Command } from "commander";
import { isDatasetName, resolveTrainConfig, type TrainConfig } from "gradalign";
import { openRun } from "gradalign/node";
import type { Context } from "../context.ts";
import { loadDataset } from "../run/dataset.ts";
import { machineOf, openDevice, resumedDevice } from "../run/device.ts";
import { interruptible } from "../run/interruptible.ts";
import { performRun } from "../run/perform-run.ts";
import { defaultRunFolder, requireEmptyFolder } from "../run/run-folder.ts";
import { readSession } from "../run/run-notes.ts";
import { readConfigFile } from "../settings/config-file.ts";
import { partialConfig, settingsOfConfig } from "../settings/convert.ts";
import { defaultTexts, FINAL_DEFAULTS } from "../settings/defaults.ts";
import { shellWord } from "../settings/describe.ts";
import { externalName, SETTING_NAMES, type Settings, TRAINING_SETTINGS, type TrainingSettings } from "../settings/settings.ts";
import { commandName } from "../terminal/invocation.ts";
import { createTrainingView } from "../terminal/training-view.ts";
import { addSettingFlags, settingsFromFlags } from "./setting-flags.ts";

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
  readonly json?: boolean;
}

/** Adds the command to the program. */
export function registerTrain(program: Command, context: Context): void {
  const command = program.command("train").description("train a model; writes a run folder with metrics, checkpoints and a report");
  addSettingFlags(command, SETTING_NAMES, defaultTexts())
    .option("--config <file>", "take settings from a YAML file; flags win")
    .option("--out <dir>", "run folder; runs/<date>-<model>-<method>-eps<e>-seed<s> unless set")
    .option("--resume <dir>", "go on with an interrupted run, to the same bits as without the interruption")
    .option("--json", "print events as JSON lines")
    .addHelpText("after", HELP)
    .action((options: TrainFlags & Record<string, unknown>) => runTrain(options, context));
}

async function runTrain(options: TrainFlags & Record<string, unknown>, context: Context): Promise<void> {
  const settings: Settings = {
    ...(options.config === undefined ? {} : readConfigFile(options.config)),
    ...settingsFromFlags(options, SETTING_NAMES),
  };
  const { folder, config } = options.resume === undefined ? newRun(options, settings) : resumedRun(options.resume, options, settings);
  const view = createTrainingView({ streams: context.streams, json: options.json ?? false, runs: [config.method.name] });
  await interruptible(context, view, async (signal) => {
    const data = await loadDataset(config.dataset, context.streams.stderr, signal);
    const where = options.resume === undefined ? settings : resumedDevice(settings, readSession(folder)?.machine, view.note);
    const device = await openDevice(where, view.note);
    try {
      const outcome = await performRun({
        label: config.method.name,
        folder,
        config,
        resume: options.resume !== undefined,
        data,
        device,
        machine: machineOf(device, where),
        attacks: (["last", "best"] as const).map((which) => ({
          attack: settings.finalAttack ?? FINAL_DEFAULTS.finalAttack,
          examples: settings.finalExamples ?? FINAL_DEFAULTS.finalExamples,
          which,
        })),
        view,
        signal,
      });
      if (outcome.interrupted) view.note(`resume with: ${commandName()} train --resume ${shellWord(folder)}`);
    } finally {
      device.close();
    }
  });
}

interface PlannedRun {
  readonly folder: string;
  readonly config: TrainConfig;
}

function newRun(options: TrainFlags, settings: Settings): PlannedRun {
  const { dataset } = settings;
  const named = dataset === undefined || isDatasetName(dataset) ? settings : { ...settings, dataset: resolve(dataset) };
  const config = resolveTrainConfig(partialConfig(named));
  const folder = options.out ?? defaultRunFolder(config);
  requireEmptyFolder(folder, `continue the run there with --resume ${shellWord(folder)}`);
  return { folder, config };
}

/** The run's own settings; what is given besides must agree with them. */
function resumedRun(folder: string, options: TrainFlags, settings: Settings): PlannedRun {
  if (options.out !== undefined) throw new ConfigError(`--out (="${options.out}") must be left out with --resume; the run stays in its folder`);
  const { config } = openRun(folder);
  const before = settingsOfConfig(config);
  for (const name of Object.keys(TRAINING_SETTINGS) as (keyof TrainingSettings)[]) {
    const value = settings[name];
    const given = name === "dataset" && typeof value === "string" && !isDatasetName(value) ? resolve(value) : value;
    if (given !== undefined && given !== before[name]) {
      throw new ConfigError(
        `--${externalName(name)} (=${given}) must be the run's ${before[name] ?? "default"} with --resume; leave it out, or start a new run with --out`,
      );
    }
  }
  return { folder, config };
}
