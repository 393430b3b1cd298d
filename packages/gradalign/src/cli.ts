/**
 * @file The program: its commands, its exit codes, and how errors are told.
 *
 * Exit codes: 0 fine; 1 failure; 2 wrong usage (unknown flags, forbidden values); 129, 130 and 143 when SIGHUP, Ctrl-C or SIGTERM stopped
 * training after its checkpoint was written.
 */

import { VERSION } from "@gradalign/runs/node";
import { ConfigError, GradalignError } from "@gradalign/tensor";
import { Command, CommanderError } from "commander";
import { registerCancel, registerRetry } from "./commands/cancel.ts";
import { registerConvert } from "./commands/convert.ts";
import { registerData } from "./commands/data.ts";
import { registerDemo } from "./commands/demo.ts";
import { registerEval } from "./commands/eval.ts";
import { registerExport } from "./commands/export.ts";
import { registerImport } from "./commands/import.ts";
import { registerInfo } from "./commands/info.ts";
import { registerPlan } from "./commands/plan.ts";
import { registerProfile } from "./commands/profile.ts";
import { registerReport } from "./commands/report.ts";
import { registerReproduce } from "./commands/reproduce.ts";
import { registerReproduceProbe } from "./commands/reproduce-probe.ts";
import { registerStatus } from "./commands/status.ts";
import { registerStudio } from "./commands/studio.ts";
import { registerSubmit } from "./commands/submit.ts";
import { registerSweep } from "./commands/sweep.ts";
import { registerSync } from "./commands/sync.ts";
import { registerTrain } from "./commands/train.ts";
import { registerWork } from "./commands/work.ts";
import { registerWorkTraining } from "./commands/work-training.ts";
import { type Context, remark } from "./terminal/context.ts";
import { printableStream } from "./terminal/printable.ts";
import type { Streams } from "./terminal/streams.ts";

const HELP = `
Examples:
  gradalign demo
  gradalign train --model cnn --method fgsm --epsilon 10 --epochs 30 --seed 0
  gradalign eval model.pth --attack autoattack --n 1000
  gradalign <command> --help

Exit codes:
  0 fine, 1 failure, 2 wrong usage, 130 stopped by Ctrl-C, 143 by SIGTERM, 129 by a closed terminal (what was done is kept)`;

/** Runs one command line and resolves to its exit code; never throws. */
export async function runCli(argv: readonly string[], streams: Streams): Promise<number> {
  const context: Context = { streams: { stdout: printableStream(streams.stdout), stderr: printableStream(streams.stderr) }, argv, exitCode: 0 };
  try {
    await createProgram(context).parseAsync(argv, { from: "user" });
    return context.exitCode;
  } catch (error) {
    return tell(error, context);
  }
}

/** The commander program with every command. */
export function createProgram(context: Context): Command {
  const program = new Command("gradalign")
    .description("Fast adversarial training: FGSM, GradAlign, PGD, and the diagnosis of catastrophic overfitting")
    .version(VERSION)
    .exitOverride()
    .configureOutput({
      getOutHelpWidth: () => Math.min(context.streams.stdout.columns ?? 100, 120),
      writeOut: (text) => context.streams.stdout.write(text),
      writeErr: (text) => context.streams.stderr.write(text),
    })
    .showHelpAfterError("(add --help for the command's flags and examples)")
    .addHelpText("after", HELP);
  const commands = [
    registerDemo,
    registerStudio,
    registerTrain,
    registerEval,
    registerReport,
    registerReproduce,
    registerReproduceProbe,
    registerSweep,
    registerPlan,
    registerSubmit,
    registerStatus,
    registerCancel,
    registerRetry,
    registerSync,
    registerWork,
    registerWorkTraining,
    registerExport,
    registerImport,
    registerConvert,
    registerData,
    registerProfile,
    registerInfo,
  ];
  for (const register of commands) register(program, context);
  return program;
}

function tell(error: unknown, context: Context): number {
  // Commander has already written its message.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof GradalignError) {
    remark(context, `error: ${error.message}`);
    return error instanceof ConfigError ? 2 : 1;
  }
  // Not one of ours: the stack is what a report of the bug needs.
  remark(context, `error: ${error instanceof Error ? (isSystemError(error) ? error.message : (error.stack ?? error.message)) : String(error)}`);
  return 1;
}

/** Full disks, missing permissions and the like explain themselves. */
function isSystemError(error: Error): boolean {
  return typeof (error as NodeJS.ErrnoException).code === "string" && typeof (error as NodeJS.ErrnoException).syscall === "string";
}
