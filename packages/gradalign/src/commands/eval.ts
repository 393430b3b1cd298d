/** @file `gradalign eval`: how many test images a model answers rightly, as they are and under attack. */
import { basename, join } from "node:path";
import {
  ATTACK_NAMES,
  arithmeticDifference,
  arithmeticOf,
  attackPlan,
  checkAims,
  identityOf,
  isDatasetName,
  requireSameData,
  type TargetRule,
  threats,
} from "@gradalign/robustness";
import { readRegularFile, requireWritable, requireWritableFile, writeFileAtomic } from "@gradalign/robustness/node";
import {
  checkSetting,
  type EvaluationRecord,
  type EvaluationSettings,
  evaluationName,
  evaluationReport,
  type Fraction,
  fractionOf,
  readRadius,
  requireFitting,
  robustBenchEntry,
  type Settings,
  shellWord,
} from "@gradalign/runs";

import {
  ADVERSARIALS,
  arithmeticOptions,
  DEVICE_SETTINGS,
  evaluate,
  evaluationIdentity,
  nodeDocument,
  noteEvaluation,
  openDevice,
  openVictim,
  ownRun,
  readEvaluationReport,
  readSession,
  resumedSettings,
  runSettingsOf,
  type Which,
} from "@gradalign/runs/node";
import { ConfigError } from "@gradalign/tensor";
import { type Command, Option } from "commander";
import { loadDataset } from "../run/dataset.ts";
import { writeOutput } from "../run/output.ts";
import { addModelFlags, type ModelFlags, modelOptions } from "../settings/model-options.ts";
import { addSettingFlags, parseCountOrAll, settingsFromFlags } from "../settings/setting-flags.ts";
import { whichOption } from "../settings/which-option.ts";
import { type Context, print, remark } from "../terminal/context.ts";
import { createEvaluationView, evaluationLines } from "../terminal/evaluation-view.ts";
import { EXIT_CODE_OF_SIGNAL, listenForInterrupt } from "../terminal/interrupt.ts";
import { commandName } from "../terminal/invocation.ts";
import { attackHelp } from "./option-help.ts";

const HELP = `
A file's network is recognised by its tensors, or named with --arch. autoattack is the field's standard; pgd-50-10 is the paper's: 50 steps of
epsilon / 4, 10 random restarts, of which the one with the highest loss counts.

An evaluation has a folder, RUN/evaluations/NAME or evaluations/NAME, that holds its record (evaluation.json), the images that were broken
(adversarials.safetensors) and a report (report.html). One that was stopped, in whatever way, goes on with the same command and --resume, to the
same record; one that is finished is shown again. Of a run, the outcome in l-infinity is also noted in the run folder and shown by the next
"gradalign report RUN". A run that is being trained has one writer: attack its best model meanwhile with --no-note.

Examples:
  gradalign eval runs/my-run
  gradalign eval runs/my-run --which best --attack autoattack --n all
  gradalign eval model.pth --arch preact-resnet18 --dataset cifar10 --norm linf --epsilon 8 --attack autoattack --n 1000
  gradalign eval model.pth --targeted least-likely --attack apgd-t --n 200
  gradalign eval model.onnx --norm l2 --epsilon 0.5 --attack apgd-ce+apgd-t:targets=5+square --n 200 --json
  gradalign eval model.safetensors --n all --save-adversarials broken.safetensors --resume
  gradalign eval --help apgd-t`;

const FLAGS = ["seed", ...DEVICE_SETTINGS] as const;

/** What stands for a radius that is not given: RobustBench's for CIFAR-10. */
const RADII: Readonly<Record<string, Fraction>> = {
  linf: { numerator: 8, denominator: 255 },
  l2: { numerator: 1, denominator: 2 },
  l1: { numerator: 12, denominator: 1 },
};

/** What stands for an attack that is not given, where images have to be taken for a class. */
const AIMING = "apgd-t+fab-t";

interface EvalFlags extends ModelFlags {
  readonly which?: Which;
  readonly dataset?: string;
  readonly norm: keyof typeof threats;
  readonly epsilon?: string;
  readonly attack?: string;
  readonly targeted?: string;
  readonly n: string;
  readonly out?: string;
  readonly resume?: boolean;
  readonly saveAdversarials?: string;
  readonly robustbench?: string;
  readonly strict?: boolean;
  readonly note: boolean;
  readonly json?: boolean;
  readonly help?: string | true;
}

/** Adds the command to the program. */
export function registerEval(program: Command, context: Context): void {
  const command = program
    .command("eval")
    .description("attack a model and report its accuracy, resumably, with a record")
    .argument("[model]", "run folder, last.json or best.json in its checkpoints folder, or a .pth, .pt, .safetensors or .onnx file")
    .addOption(whichOption());
  addModelFlags(command)
    .option("--dataset <name>", "data set, or a folder of your own images (default: the run's, or cifar10)")
    .addOption(new Option("--norm <norm>", "what bounds a perturbation").choices(Object.keys(threats)).default("linf"))
    .option("--epsilon <e>", "its bound: in linf 8 or 8/255, in l2 and l1 0.5 or 1/2 (default: the run's in linf, else 8/255, 0.5 and 12)")
    .option("--attack <attack>", `${ATTACK_NAMES}; several joined by +, options after a colon (default: pgd-50-10 for a run, autoattack for a file)`)
    .option("--targeted <class>", "break an image only as this class: next, least-likely or a number (attacks: pgd-t, apgd-t, fab-t)")
    .option("--n <count|all>", "the first so many test images", "1000");
  addSettingFlags(command, FLAGS, () => ({ seed: "the run's, or 0" }))
    .option("--out <folder>", "the evaluation's folder (default: by model, attack, norm and epsilon, in RUN/evaluations or evaluations)")
    .option("--resume", "go on with an evaluation that was stopped")
    .option("--save-adversarials <file>", "write the images that were broken as safetensors")
    .option("--robustbench <file>", "write the outcome of autoattack as RobustBench's JSON")
    .option("--strict", "exit with 1 where a warning makes the number doubtful")
    .option("--no-note", "write nothing into the run folder")
    .option("--json", "print the record as one JSON object")
    .helpOption(false)
    .option("-h, --help [attack]", "display this help, or that of an attack: its options with bounds and defaults")
    .addHelpText("after", HELP)
    .action((path: string | undefined, options: EvalFlags & Record<string, unknown>) => {
      if (options.help === true) return command.outputHelp();
      if (options.help !== undefined) return print(context, attackHelp(options.help));
      if (path === undefined) throw new ConfigError("eval: missing argument <model>; name a run folder, a checkpoint or a file");
      return runEval(path, options, context);
    });
}

async function runEval(path: string, options: EvalFlags & Record<string, unknown>, context: Context): Promise<void> {
  const given = checkFlags(options);
  const note = (text: string) => remark(context, text);
  const words = context.argv.filter((word) => word !== "--resume").map(shellWord);
  const again = `${commandName()} ${words.join(" ")} --resume`;
  const opened = await openVictim(path, given.open);
  for (const text of opened.notes) note(text);
  const { saved, judged, victim } = opened;
  if (options.norm !== "linf" && options.epsilon?.includes("/255")) {
    note(`--epsilon ${options.epsilon} is taken as it is in ${options.norm}: pixels are from 0 to 1, and the bound is on the norm of all of them together`);
  }
  const interrupt = listenForInterrupt((signal) => note(`${signal}: stopping. Once more to exit at once`));
  const { signal } = interrupt;
  const view = createEvaluationView(context.streams.stderr);
  try {
    const name = options.dataset ?? saved?.run.config.dataset ?? "cifar10";
    const data = await loadDataset(name, context.streams.stderr, signal);
    requireFitting(opened.victim, data.dataset, `--dataset (="${name}")`);
    if (saved) requireSameData(saved.snapshot.run.data, identityOf([data.dataset], data.fingerprint), saved.folder);
    const { count } = data.dataset.test;
    if (given.n !== "all" && given.n > count) note(`--n ${given.n}: the test set has ${count} images; all of them are attacked`);
    const asked = saved ? resumedSettings(runSettingsOf(given.settings), readSession(saved.folder)?.asked ?? {}, saved.run) : runSettingsOf(given.settings);
    const device = await openDevice(asked, note);
    try {
      const arithmetic = arithmeticOf(device, arithmeticOptions(device, asked));
      const other = saved && arithmeticDifference(saved.snapshot.run.arithmetic.at(-1) ?? {}, arithmetic);
      if (other !== undefined) note(`the run is evaluated in another way than it was trained: ${other}`);
      const settings: EvaluationSettings = {
        ...{ model: judged, data, dataName: isDatasetName(name) ? name : basename(name), norm: options.norm, arithmetic },
        count: given.n === "all" ? count : Math.min(given.n, count),
        epsilon: given.epsilon ?? (options.norm === "linf" && saved ? fractionOf("linf", saved.run.config.epsilon) : (RADII[options.norm] as Fraction)),
        attack: given.attack ?? (saved && options.robustbench === undefined ? "pgd-50-10" : "autoattack"),
        targets: given.targets,
        seed: given.settings.seed ?? saved?.run.config.seed ?? 0,
      };
      const noted = options.note ? saved : undefined;
      const folder = options.out ?? join(noted?.folder ?? ".", "evaluations", evaluationName(evaluationIdentity(settings)));
      requireWritable(folder);
      const work = async (): Promise<void> => {
        const { record, computed } = await evaluate({
          ...{ settings, folder, victim, device, signal, resume: options.resume ?? false, remedy: `go on with: ${again}`, onProgress: view.progress },
          onTakeOver: (holder) => note(`${folder}: the lock of a process that is gone (${holder}) is taken over`),
        });
        view.finish();
        if (noted) noteEvaluation(noted.folder, record);
        writeFileAtomic(join(folder, "report.html"), evaluationReport(await readEvaluationReport(folder, data), nodeDocument()));
        if (!computed) note(`this evaluation was finished on ${record.written}; nothing was computed`);
        if (options.saveAdversarials !== undefined) writeOutput(options.saveAdversarials, readRegularFile(join(folder, ADVERSARIALS)));
        if (options.robustbench !== undefined) writeOutput(options.robustbench, `${JSON.stringify(robustBenchEntry(record), undefined, 2)}\n`);
        tell(record, folder, options, context);
      };
      await (noted ? ownRun(noted.folder, { note, signal }, work) : work());
    } finally {
      device.close();
    }
  } catch (error) {
    view.finish();
    if (error !== signal.reason) throw error;
    note(`stopped; what was done is kept: go on with: ${again}`);
    context.exitCode = EXIT_CODE_OF_SIGNAL[interrupt.received() ?? "SIGINT"];
  } finally {
    view.finish();
    interrupt.release();
  }
}

function tell(record: EvaluationRecord, folder: string, options: EvalFlags, context: Context): void {
  if (options.json) print(context, JSON.stringify(record));
  else
    for (const line of [...evaluationLines(record), `record: ${join(folder, "evaluation.json")}`, `report: ${join(folder, "report.html")}`])
      print(context, line);
  if (options.strict && record.warnings.length > 0) context.exitCode = 1;
}

/** What flags say, checked before anything is opened. */
function checkFlags(options: EvalFlags & Record<string, unknown>) {
  const settings: Settings = settingsFromFlags(options, FLAGS);
  if (options.attack !== undefined) checkSetting("finalAttack", options.attack, "--attack");
  for (const file of [options.saveAdversarials, options.robustbench]) if (file !== undefined) requireWritableFile(file);
  const targets = readTargets(options.targeted);
  const attack = options.attack ?? (targets === undefined ? undefined : AIMING);
  if (options.robustbench !== undefined && attack !== undefined && attack !== "autoattack") {
    throw new ConfigError(`--robustbench needs --attack autoattack${targets === undefined ? "" : " without --targeted"}, got ${attack}; leave one of them out`);
  }
  if (targets !== undefined && attack !== undefined) checkAims(attackPlan(attack) ?? { attacks: [], selection: "success" });
  return {
    ...{ attack, targets },
    settings,
    n: parseCountOrAll("--n", options.n, "write e.g. 1000"),
    epsilon: options.epsilon === undefined ? undefined : readRadius(options.norm, options.epsilon),
    open: { ...modelOptions(options), which: options.which },
  };
}

/** Which class each image has to be taken for. */
function readTargets(text: string | undefined): TargetRule | undefined {
  if (text === undefined || text === "next" || text === "least-likely") return text;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new ConfigError(`--targeted (="${text}") must be next, least-likely or the number of a class, from 0; write e.g. --targeted next`);
}
