/** @file `gradalign demo`: catastrophic overfitting and its cure, side by side, in minutes. */
import { join, resolve } from "node:path";
import { EVALUATION_PGD } from "@gradalign/robustness";
import { writeFileAtomic } from "@gradalign/robustness/node";
import {
  attackName,
  compareReport,
  count,
  decimals,
  defaultTexts,
  FINAL_DEFAULTS,
  percent,
  type ReportRun,
  resolveSettings,
  type Settings,
  settingsOfConfig,
  shellWord,
  textsOf,
} from "@gradalign/runs";
import {
  DEVICE_SETTINGS,
  type FinalAttack,
  isRunFolder,
  nodeDocument,
  openDevice,
  openRun,
  ownRun,
  performRun,
  type RunRequest,
  readReportRun,
  readSession,
  resumedSettings,
  runSettingsOf,
} from "@gradalign/runs/node";
import type { Command } from "commander";
import { requireAgreement, withFullPath } from "../run/agreement.ts";
import { loadDataset } from "../run/dataset.ts";
import { interruptible } from "../run/interruptible.ts";
import { freeFolder, requireFreeFolder, timestamp } from "../run/run-folder.ts";
import { addSettingFlags, settingsFromFlags } from "../settings/setting-flags.ts";
import { type Context, print } from "../terminal/context.ts";
import { commandName } from "../terminal/invocation.ts";
import { textTable } from "../terminal/table.ts";
import { createTrainingView } from "../terminal/training-view.ts";

/** Whether FGSM collapses depends on the seed; with this one it does. */
const DEMO_SEED = 2;
/** Steps between evaluations: fewer than the paper's 50, to spend the time on training. */
const DEMO_EVAL_EVERY = 300;
const DEMO_METHODS = ["fgsm", "fgsm-gradalign"] as const;
const DEMO_SETTINGS = { dataset: "cifar10", model: "cnn", filters: 4, epsilon: 10, epochs: 30, seed: DEMO_SEED, evalEvery: DEMO_EVAL_EVERY } as const;
const DEMO_FINAL: FinalAttack = { attack: FINAL_DEFAULTS.finalAttack, examples: FINAL_DEFAULTS.finalExamples, which: "last" };

const HELP = `
Trains the paper's single-layer network (4 filters, epsilon 10/255, 30 epochs) on CIFAR-10 with FGSM and with FGSM + GradAlign
from the same seed, and writes one report that compares them. CIFAR-10 is downloaded first if it is not cached.

Examples:
  gradalign demo
  gradalign demo --epochs 2 --train-size 5000
  gradalign demo --resume runs/demo-2026-03-01-1405`;

const FLAGS = ["dataset", "epochs", "seed", "trainSize", "evalEvery", "evalExamples", ...DEVICE_SETTINGS, "finalAttack", "finalExamples"] as const;

/** Settings that can be given, and that both runs share. */
const SHARED: ReadonlySet<string> = new Set(FLAGS);

interface DemoFlags {
  readonly out?: string;
  readonly resume?: string;
  readonly json?: boolean;
}

/** Adds the command to the program. */
export function registerDemo(program: Command, context: Context): void {
  const command = program.command("demo").description("watch FGSM training collapse and GradAlign prevent it (3 to 5 minutes)");
  addSettingFlags(command, FLAGS, () => ({ ...defaultTexts(), ...textsOf(DEMO_SETTINGS) }))
    .option("--out <dir>", "folder of both runs and the report; runs/demo-<date> unless set")
    .option("--resume <dir>", "go on with an interrupted demo")
    .option("--json", "print events as JSON lines")
    .addHelpText("after", HELP)
    .action((options: DemoFlags & Record<string, unknown>) => runDemo(options, context));
}

async function runDemo(options: DemoFlags & Record<string, unknown>, context: Context): Promise<void> {
  const given: Settings = settingsFromFlags(options, FLAGS);
  const folder = options.resume ?? options.out ?? freeFolder(join("runs", `demo-${timestamp(new Date())}`));
  if (options.resume === undefined) requireFreeFolder(folder, `continue with --resume ${shellWord(folder)}`);
  const plans = planRuns(folder, given);
  const asked = plans[0]?.asked ?? {};
  const { finalAttack = DEMO_FINAL.attack, finalExamples = DEMO_FINAL.examples } = asked;
  const final: FinalAttack = { ...DEMO_FINAL, attack: finalAttack, examples: finalExamples };
  const view = createTrainingView({ streams: context.streams, json: options.json ?? false, runs: DEMO_METHODS, compact: true });
  await interruptible(context, view, async (interrupt) => {
    // One run's failure must not leave the other one running.
    const failure = new AbortController();
    const signal = AbortSignal.any([interrupt, failure.signal]);
    const data = await loadDataset(plans[0]?.config.dataset ?? DEMO_SETTINGS.dataset, context.streams.stderr, interrupt);
    const device = await openDevice(asked, view.note, options.json ? undefined : view.note);
    let interrupted = false;
    try {
      // Both take turns on the device, so that they can be watched side by side.
      const runs = plans.map(async (plan) => {
        const request: RunRequest = { ...plan, data, device, attacks: [final], view, signal };
        const outcome = await ownRun(plan.folder, { note: view.note, signal }, (lock) => performRun(request, lock)).catch((error: unknown) => {
          failure.abort();
          throw error;
        });
        interrupted ||= outcome.interrupted;
      });
      for (const settled of await Promise.allSettled(runs)) if (settled.status === "rejected") throw settled.reason;
    } finally {
      device.close();
    }
    view.finish();
    conclude({ folder, labels: DEMO_METHODS, final, interrupted, json: options.json ?? false }, context);
  });
}

type Plan = Pick<RunRequest, "label" | "folder" | "config" | "resume" | "asked">;

/** Both runs. Those that are there keep every setting; one that a kill prevented takes the settings of the other. */
function planRuns(folder: string, given: Settings): Plan[] {
  const begun = DEMO_METHODS.map((method) => join(folder, method)).find(isRunFolder);
  const first = begun === undefined ? undefined : openRun(begun);
  const shared = first ? Object.fromEntries(Object.entries(settingsOfConfig(first.config)).filter(([name]) => name in DEMO_SETTINGS || SHARED.has(name))) : {};
  const settings: Settings = withFullPath({ ...DEMO_SETTINGS, ...shared, ...given });
  const asked = first ? resumedSettings(runSettingsOf(given), readSession(first.folder)?.asked ?? {}, first) : runSettingsOf(given);
  return DEMO_METHODS.map((method) => {
    const own = join(folder, method);
    if (!isRunFolder(own)) return { label: method, folder: own, config: resolveSettings({ ...settings, method }), resume: false, asked };
    const { config } = openRun(own);
    requireAgreement(config, given);
    return { label: method, folder: own, config, resume: true, asked };
  });
}

interface Conclusion {
  readonly folder: string;
  readonly labels: readonly string[];
  readonly final: FinalAttack;
  readonly interrupted: boolean;
  readonly json: boolean;
}

/** The table and the report. */
function conclude({ folder, labels, final, interrupted, json }: Conclusion, context: Context): void {
  const runs = labels.map((label) => readReportRun(join(folder, label), label));
  const file = resolve(folder, "report.html");
  writeFileAtomic(file, compareReport(runs, "FGSM with and without GradAlign", nodeDocument()));
  if (json) {
    print(context, JSON.stringify({ type: "summary", interrupted, runs: runs.map((run) => summary(run, final)), report: file }));
    return;
  }
  print(context, "");
  for (const line of summaryLines(runs, final)) print(context, line);
  print(context, `\nreport: ${file}`);
  if (interrupted) print(context, `stopped before the end; resume with: ${commandName()} demo --resume ${shellWord(folder)}`);
}

/** The demo's own attack on a run's last model; other evaluations of the run are not comparable. */
function finalRecord(run: ReportRun, { attack, examples }: FinalAttack) {
  return run.robustness.find((record) => record.which === "last" && record.attack === attack && record.epsilon === run.config.epsilon && record.n <= examples);
}

function summary(run: ReportRun, final: FinalAttack) {
  const last = run.evaluations.at(-1);
  const attack = finalRecord(run, final);
  return {
    method: run.label,
    clean: attack?.cleanAccuracy ?? last?.test_clean_acc ?? null,
    fgsm: last?.test_fgsm_acc ?? null,
    attack: attack?.attack ?? EVALUATION_PGD,
    robust: attack?.robustAccuracy ?? last?.test_pgd_acc ?? null,
    gradient_alignment: last?.gradient_alignment ?? null,
    outcome: run.outcome?.kind ?? null,
    overfitting: run.overfitting && { iteration: run.overfitting.iteration, epoch: run.overfitting.epoch },
  };
}

function summaryLines(runs: readonly ReportRun[], final: FinalAttack): string[] {
  const rows = runs.map((run) => summary(run, final));
  const attack = [...new Set(rows.map((row) => attackName(row.attack)))].join(" / ");
  const lines = textTable([
    ["method", "clean", "FGSM", attack, "gradient alignment", "catastrophic overfitting"],
    ...rows.map((row) => [
      row.method,
      percent(row.clean),
      percent(row.fgsm),
      percent(row.robust),
      decimals(row.gradient_alignment, 2),
      row.overfitting
        ? `iteration ${count(row.overfitting.iteration)} (epoch ${row.overfitting.epoch.toFixed(1)})`
        : row.outcome === null || row.outcome === "healthy"
          ? "none"
          : row.outcome,
    ]),
  ]);
  const attacked = runs.map((run) => finalRecord(run, final)).find((record) => record !== undefined);
  const examples = runs[0]?.config.evalExamples ?? 0;
  const sizes = attacked
    ? `clean and ${attackName(attacked.attack)}: first ${count(attacked.n)} test images; the rest: first ${count(examples)}`
    : `first ${count(examples)} test images`;
  return [...lines, `(${sizes})`];
}
