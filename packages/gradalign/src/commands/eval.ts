/** @file `gradalign eval`: the accuracy of a saved model on clean and on attacked test images. */

import { ATTACK_NAMES, arithmeticDifference, arithmeticOf, evaluateRobustness, identityOf, requireSameData, restoreModel } from "@gradalign/robustness";
import { checkSetting, duration, percent, type RobustnessRecord, radius, type Settings } from "@gradalign/runs";
import {
  arithmeticOptions,
  DEVICE_SETTINGS,
  loadSavedModel,
  modelOfSnapshot,
  noteRobustness,
  openDevice,
  ownRun,
  readSession,
  resumedSettings,
  runSettingsOf,
  type Which,
} from "@gradalign/runs/node";
import type { Command } from "commander";
import { loadDataset } from "../run/dataset.ts";
import { addSettingFlags, parseCountOrAll, settingsFromFlags } from "../settings/setting-flags.ts";
import { whichOption } from "../settings/which-option.ts";
import { type Context, print, remark } from "../terminal/context.ts";
import { LiveRegion } from "../terminal/live-region.ts";
import { statusLine } from "../terminal/progress-bar.ts";
import { describeRobustness } from "../terminal/run-events.ts";

const HELP = `
PGD-50-10 is the paper's final evaluation: 50 steps of epsilon / 4, 10 random restarts, on the first 1000 test images. The
outcome is added to the run folder and shown by the next "gradalign report". A run that is being trained has one writer: attack its
best model meanwhile with --no-note.

Examples:
  gradalign eval runs/my-run
  gradalign eval runs/my-run --which best --attack pgd-50-10 --n all
  gradalign eval runs/my-run/checkpoints/best.json --attack fgsm --epsilon 8 --json`;

const FLAGS = ["epsilon", "seed", ...DEVICE_SETTINGS] as const;

interface EvalFlags {
  readonly which?: Which;
  readonly attack: string;
  readonly n: string;
  readonly note: boolean;
  readonly json?: boolean;
}

/** Adds the command to the program. */
export function registerEval(program: Command, context: Context): void {
  const command = program
    .command("eval")
    .description("attack a saved model and report its accuracy")
    .argument("<run|checkpoint>", "run folder, or last.json or best.json in its checkpoints folder")
    .addOption(whichOption())
    .option("--attack <attack>", ATTACK_NAMES, "pgd-50-10")
    .option("--n <count|all>", "the first so many test images", "1000");
  addSettingFlags(command, FLAGS, () => ({ epsilon: "the run's", seed: "the run's" }))
    .option("--no-note", "write nothing into the run folder")
    .option("--json", "print the outcome as one JSON object")
    .addHelpText("after", HELP)
    .action((path: string, options: EvalFlags & Record<string, unknown>) => runEval(path, options, context));
}

async function runEval(path: string, options: EvalFlags & Record<string, unknown>, context: Context): Promise<void> {
  const settings: Settings = settingsFromFlags(options, FLAGS);
  const attack = checkSetting("finalAttack", options.attack, "--attack") as string;
  const n = parseCountOrAll("--n", options.n, "write e.g. 1000");
  const { stderr } = context.streams;
  const note = (text: string) => remark(context, text);
  const { run, folder, which, snapshot } = loadSavedModel(path, options.which, note);
  const epsilon = settings.epsilon === undefined ? run.config.epsilon : settings.epsilon / 255;
  const seed = settings.seed ?? run.config.seed;
  const { dataset, fingerprint } = await loadDataset(run.config.dataset, stderr);
  requireSameData(snapshot.run.data, identityOf(dataset, fingerprint), folder);
  const { count } = dataset.test;
  if (n !== "all" && n > count) note(`--n ${n}: the test set has ${count} images; all of them are attacked`);
  const asked = resumedSettings(runSettingsOf(settings), readSession(folder)?.asked ?? {}, run);
  const evaluate = async (): Promise<void> => {
    const device = await openDevice(asked, note);
    const other = arithmeticDifference(snapshot.run.arithmetic.at(-1) ?? {}, arithmeticOf(device, arithmeticOptions(device, asked)));
    if (other !== undefined) note(`the run is evaluated in another way than it was trained: ${other}`);
    const region = stderr.isTTY ? new LiveRegion(stderr) : undefined;
    const began = performance.now();
    try {
      const model = modelOfSnapshot(snapshot);
      const { params, state } = restoreModel(model, snapshot);
      const report = await evaluateRobustness(model, params, state, dataset.test, {
        device,
        attack,
        epsilon,
        n: n === "all" ? n : Math.min(n, count),
        seed,
        onProgress({ done, total, robustAccuracy }) {
          const eta = ((performance.now() - began) / 1000 / done) * (total - done);
          region?.show([statusLine(done / total, [`${percent(robustAccuracy)} so far`, `ETA ${duration(eta)}`, `${done} of ${total} images`], stderr.columns)]);
        },
      });
      region?.clear();
      const record: RobustnessRecord = { which, iteration: snapshot.iteration, seed, ...report };
      if (options.note) noteRobustness(folder, record);
      print(context, options.json ? JSON.stringify(record) : `${describeRobustness(record)}, ε = ${radius(epsilon)}, ${duration(report.seconds)}`);
    } finally {
      device.close();
    }
  };
  await (options.note ? ownRun(folder, { note }, evaluate) : evaluate());
}
