/** @file `gradalign profile`: where the time of a training step goes, kernel by kernel. */
import { madeUpImages } from "@gradalign/experiments";
import { createModel, createSession, type Session, type TrainConfig } from "@gradalign/robustness";
import { requireWritableFile } from "@gradalign/robustness/node";
import { bytes, defaultTexts, percent, radius, resolveSettings, type Settings } from "@gradalign/runs";
import { DEVICE_SETTINGS, openDevice } from "@gradalign/runs/node";
import type { Device, KernelTime, ProgramStats } from "@gradalign/tensor";
import { type Command, Option } from "commander";
import { writeOutput } from "../run/output.ts";
import { addSettingFlags, parseCount, parseCountOrAll, settingsFromFlags } from "../settings/setting-flags.ts";
import { type Context, print, remark } from "../terminal/context.ts";
import { textTable } from "../terminal/table.ts";
import { WorkProgress } from "../terminal/work-progress.ts";

const HELP = `
Images are made up, of CIFAR-10's size: a step's time does not depend on the pixels. Steps are first timed as they run in training;
then every kernel is timed by itself: on the wasm backend on one thread, on the webgpu backend by the GPU. Equal kernels are added up.

Examples:
  gradalign profile --model cnn --method fgsm --epsilon 8
  gradalign profile --model preact-resnet18 --width 16 --batch-size 32 --top 40
  gradalign profile --model cnn --method pgd --trace step.json    # open in ui.perfetto.dev or chrome://tracing
  gradalign profile --model cnn --method fgsm --top 3 --plans`;

const FLAGS = ["model", "filters", "width", "method", "epsilon", "stepSize", "steps", "lambda", "replays", "batchSize", ...DEVICE_SETTINGS] as const;

/** What goes before timing, at least: engines replace code by faster code while it runs. */
const WARM_UP = { steps: 3, ms: 700 } as const;
/** Whole steps are timed for so long, at least. */
const TIMED_MS = 500;
/** How far it is is told after so long. */
const QUIET_MS = 2000;

interface ProfileFlags {
  readonly rounds: string;
  readonly top: string;
  readonly trace?: string;
  readonly plans?: boolean;
  readonly json?: boolean;
}

/** Equal kernels of a step. */
interface KernelShare {
  readonly kernel: string;
  readonly count: number;
  /** Milliseconds of all of them in one step: sums of each kernel's median over the rounds. */
  readonly ms: number;
  readonly share: number;
  readonly gflops: number;
  readonly gigabytesPerSecond: number;
  /** Of the wasm backend: `wasm` or `native`, and how the kernel is computed. */
  readonly code?: string;
  readonly plan?: string;
}

interface Profile {
  readonly model: string;
  readonly method: string;
  readonly batchSize: number;
  readonly backend: string;
  readonly threads: number;
  /** Median milliseconds of a whole step as in training. */
  readonly stepMs: number;
  /** Sum over kernels, each timed by itself. */
  readonly kernelMs: number;
  readonly program: ProgramStats;
  readonly kernels: readonly KernelShare[];
}

/** Adds the command to the program. */
export function registerProfile(program: Command, context: Context): void {
  const command = program.command("profile").description("time every kernel of a training step");
  addSettingFlags(command, FLAGS, defaultTexts)
    .addOption(new Option("--rounds <n>", "steps to time, at least; of short ones as many as half a second has").default("9"))
    .addOption(new Option("--top <n|all>", "lines of the table").default("25"))
    .option("--trace <file>", "write the last step as a trace for Perfetto or Chrome")
    .option("--plans", "print how each of the table's kernels is computed: tasks, loops, register tiles")
    .option("--json", "print one JSON object with all kernels and their plans, whatever --top says")
    .addHelpText("after", HELP)
    .action((options: ProfileFlags & Record<string, unknown>) => runProfile(options, context));
}

async function runProfile(options: ProfileFlags & Record<string, unknown>, context: Context): Promise<void> {
  const settings: Settings = settingsFromFlags(options, FLAGS);
  const rounds = parseCount("--rounds", options.rounds, "write e.g. 10");
  const top = parseCountOrAll("--top", options.top, "write e.g. 10");
  const config = resolveSettings({ ...settings, dataset: "cifar10" });
  if (options.trace !== undefined) requireWritableFile(options.trace);
  const device = await openDevice(settings, (text) => remark(context, text));
  try {
    const session = createSession(createModel(config.model), config, madeUpImages("cifar10", 2 * config.batchSize, config.batchSize), device);
    session.initialize();
    const progress = new WorkProgress(context, "timing", "steps");
    const { profile, lastStep } = await measure(session, config, device, rounds, progress).finally(() => progress.clear());
    session.dispose();
    if (options.trace !== undefined) writeOutput(options.trace, JSON.stringify(traceOf(lastStep)));
    if (options.json) print(context, JSON.stringify(profile));
    else for (const line of describe(profile, config, top === "all" ? profile.kernels.length : top, options.plans === true)) print(context, line);
    if (options.trace !== undefined) remark(context, `trace of one step: ${options.trace}`);
  } finally {
    device.close();
  }
}

async function measure(
  session: Session,
  config: TrainConfig,
  device: Device,
  rounds: number,
  progress: WorkProgress,
): Promise<{ profile: Profile; lastStep: KernelTime[] }> {
  const total = WARM_UP.steps + 2 * rounds;
  const begun = performance.now();
  let index = 0;
  /** Says how many steps are done, once that is worth saying. */
  const tell = (done: number): void => {
    if (performance.now() - begun > QUIET_MS) progress.show(done, total);
  };
  const timed = async (least: number, leastMs: number, before: number): Promise<number[]> => {
    const steps: number[] = [];
    for (let spent = 0; steps.length < least || spent < leastMs; spent += steps.at(-1)!) {
      const start = performance.now();
      session.step(index++);
      // Reading makes sure that the step is over.
      await session.readSums();
      steps.push(performance.now() - start);
      tell(before + Math.min(least, steps.length));
    }
    return steps;
  };
  await timed(WARM_UP.steps, WARM_UP.ms, 0);
  const steps = await timed(rounds, TIMED_MS, WARM_UP.steps);
  const profiled: KernelTime[][] = [];
  for (let i = 0; i < rounds; i++) {
    profiled.push(await session.profile(index++));
    tell(WARM_UP.steps + rounds + profiled.length);
  }
  const lastStep = profiled.at(-1) as KernelTime[];
  const medians = lastStep.map((_, k) => median(profiled.map((step) => step[k]?.ms ?? 0)));
  const kernelMs = medians.reduce((sum, ms) => sum + ms, 0);
  const groups = new Map<string, { count: number; ms: number; flops: number; bytes: number; first: KernelTime }>();
  lastStep.forEach((time, k) => {
    const { kernel, flops, bytes: touched } = time;
    const group = groups.get(kernel) ?? { count: 0, ms: 0, flops: 0, bytes: 0, first: time };
    groups.set(kernel, { ...group, count: group.count + 1, ms: group.ms + (medians[k] as number), flops: group.flops + flops, bytes: group.bytes + touched });
  });
  const kernels = [...groups]
    .map(([kernel, group]): KernelShare => {
      const perSecond = 1e-6 / Math.max(group.ms, 1e-9);
      const { code, plan } = group.first;
      return {
        kernel,
        count: group.count,
        ms: group.ms,
        share: group.ms / kernelMs,
        gflops: group.flops * perSecond,
        gigabytesPerSecond: group.bytes * perSecond,
        ...(code === undefined ? {} : { code }),
        ...(plan === undefined ? {} : { plan }),
      };
    })
    .sort((a, b) => b.ms - a.ms);
  const { model, method, batchSize } = config;
  const profile: Profile = {
    model: model.name,
    method: method.name,
    batchSize,
    backend: device.backend,
    threads: device.threads,
    stepMs: median(steps),
    kernelMs,
    program: session.stats() as ProgramStats,
    kernels,
  };
  return { profile, lastStep };
}

function describe(profile: Profile, config: TrainConfig, top: number, plans: boolean): string[] {
  const { stepMs, kernelMs, kernels, program, batchSize } = profile;
  const rest = kernels.slice(top);
  const rows = kernels.slice(0, top).map((kernel) => {
    const gflops = kernel.gflops > 0 ? kernel.gflops.toFixed(1) : "–";
    const numbers = [percent(kernel.share), kernel.ms.toFixed(3), String(kernel.count), gflops, kernel.gigabytesPerSecond.toFixed(1)];
    return [...numbers, kernel.code ?? "–", kernel.kernel];
  });
  const remaining = rest.reduce((sum, kernel) => sum + kernel.ms, 0);
  if (rest.length > 0) rows.push([percent(remaining / kernelMs), remaining.toFixed(3), String(rest.length), "–", "–", "–", "other kinds of kernels"]);
  return [
    `${profile.model}, ${profile.method}, ε = ${radius(config.epsilon)}, batch ${batchSize}, ${profile.backend} on ${profile.threads} thread${profile.threads === 1 ? "" : "s"}`,
    `step ${stepMs.toFixed(2)} ms, ${Math.round((1000 * batchSize) / stepMs)} images/s; ${program.kernels} kernels one by one ${kernelMs.toFixed(2)} ms`,
    `scratch memory ${bytes(program.arenaBytes)}, code ${bytes(program.codeBytes)}, compiled in ${Math.round(program.compileMs)} ms`,
    "",
    ...textTable([["share", "ms", "count", "GFLOP/s", "GB/s", "code", "kernel"], ...rows]),
    ...(plans ? kernels.slice(0, top).flatMap(({ kernel, plan = "(no plan on this backend)" }) => ["", kernel, plan]) : []),
  ];
}

/** The Trace Event format of Chrome, which Perfetto reads too: complete events, times in microseconds. */
function traceOf(step: readonly KernelTime[]): object {
  let start = 0;
  const traceEvents = step.map(({ kernel, ms, flops, bytes: touched }) => {
    const event = { name: kernel, ph: "X", pid: 1, tid: 1, ts: start, dur: 1000 * ms, args: { flops, bytes: touched } };
    start += 1000 * ms;
    return event;
  });
  return { displayTimeUnit: "ms", traceEvents };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? (sorted[middle] as number) : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}
