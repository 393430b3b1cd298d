/** @file Runs experiments: trains what is missing, measures, writes results and pages. */
import { join } from "node:path";
import { phaseData } from "@gradalign/robustness";
import { makeFolder } from "@gradalign/robustness/node";
import { duration, type Settings, shellWord } from "@gradalign/runs";
import { noteSubmission, openDevice, planOf, provenance, type TrackerChoice } from "@gradalign/runs/node";
import { ConfigError, type Device } from "@gradalign/tensor";
import { interruptible } from "../run/interruptible.ts";
import type { Context } from "../terminal/context.ts";
import { print } from "../terminal/context.ts";
import { LiveRegion } from "../terminal/live-region.ts";
import { statusLine } from "../terminal/progress-bar.ts";
import { bestSchedule, estimate, openCostBook } from "./costs.ts";
import { type DatasetLoader, type DatasetShelf, openShelf } from "./datasets.ts";
import { type GridTraining, gridOf, isFinished, readFinished, type ScaledExperiment, TRAININGS } from "./grid.ts";
import { createGridView, type GridView } from "./grid-view.ts";
import { createLab } from "./lab.ts";
import { measureMissingCosts } from "./measure-costs.ts";
import { performGrid } from "./perform-grid.ts";
import { writeResults } from "./results.ts";

/** How {@link reproduce} runs. */
export interface ReproduceOptions extends Pick<Settings, "threads" | "backend"> {
  readonly out: string;
  readonly json: boolean;
  /** Trainings at a time; what is fastest unless set. */
  readonly jobs: number | undefined;
  /** Whether pages are made of the trainings that are finished, and none is trained. */
  readonly soFar?: boolean;
  /** Where the trainings' numbers are sent besides. */
  readonly track?: readonly TrackerChoice[];
}

/** Runs the experiments; resolves to the pages' paths, or null when it was interrupted. */
export async function reproduce(
  chosen: readonly ScaledExperiment[],
  options: ReproduceOptions,
  context: Context,
  loader?: DatasetLoader,
): Promise<string[] | null> {
  const { out, json, jobs, backend, soFar = false, track = [] } = options;
  const { streams } = context;
  const pages: string[] = [];
  let view: GridView | undefined;
  let device: Device | undefined;
  let completed = false;
  const facade = { event() {}, note: (text: string) => (view ? view.note(text) : void streams.stderr.write(`${text}\n`)), finish: () => view?.finish() };
  const openOnce = async (): Promise<Device> => {
    device ??= await openDevice(options, facade.note);
    return device;
  };
  await interruptible(context, facade, async (signal) => {
    try {
      const shelf = await openShelf(datasetsOf(chosen), streams.stderr, signal, loader);
      const grid = gridOf(chosen, out, shelf.kindOf);
      const unfinished = grid.filter((training) => !isFinished(training));
      if (soFar) requireEnough(chosen, (entry) => gridOf([entry], out, shelf.kindOf).filter((training) => !isFinished(training)).length);
      const pending = soFar ? [] : unfinished;
      // For whoever shows the runs while they fill the grid.
      const experiments = chosen.map(({ experiment }) => experiment.id);
      const planned = grid.map(({ id, label, config, attacks, data }) => ({ id, label, config, attacks, data }));
      makeFolder(join(out, TRAININGS));
      noteSubmission(out, planOf(experiments.join(", "), { kind: "experiments", experiments, scale: null }, planned), { engine: "reproduce", jobs: [] });
      const book = openCostBook(out);
      // Smoke takes less time than finding out what it costs.
      const measured = chosen.some(({ scale }) => scale !== "smoke");
      if (measured) await measureMissingCosts(pending, { book, backend, signal, streams, json });
      const schedule = bestSchedule(pending, book, jobs);
      view = createGridView(
        grid.map(({ id, label, config, attacks }) => ({
          id,
          label,
          estimate: estimate({ config, attacks }, book.get(config)?.[schedule.mode]),
          attacks: attacks.length,
          finished: soFar || !pending.some((training) => training.id === id),
        })),
        streams,
        json,
      );
      if (pending.length > 0) view.note(describeGrid(grid, pending, schedule, measured));
      const dataset = (training: GridTraining) => shelf.load(training.config, training.data);
      const open = async () => ({ device: await openOnce(), dataset });
      const finished = await performGrid(pending, { schedule, book, track, view, signal, backend, open });
      view.finish();
      if (!finished) return;
      for (const entry of chosen) pages.push(await conclude(entry, { options, context, shelf, grid, device: await openOnce(), signal }));
      completed = true;
    } finally {
      device?.close();
    }
  });
  return completed ? pages : null;
}

/** Refuses to make a page of less than its experiment needs. */
function requireEnough(chosen: readonly ScaledExperiment[], missing: (entry: ScaledExperiment) => number): void {
  const needy = chosen.find((entry) => entry.experiment.partial !== true && missing(entry) > 0);
  if (!needy) return;
  throw new ConfigError(
    `reproduce: ${needy.experiment.id} needs all of its trainings, and ${missing(needy)} are not finished; leave out --so-far, or name experiments that can do with less`,
  );
}

interface Conclusion {
  readonly options: ReproduceOptions;
  readonly context: Context;
  readonly shelf: DatasetShelf;
  readonly grid: readonly GridTraining[];
  readonly device: Device;
  readonly signal: AbortSignal;
}

/** Measures one experiment on its finished trainings and writes its files. */
async function conclude({ experiment, scale }: ScaledExperiment, { options, context, shelf, grid, device, signal }: Conclusion): Promise<string> {
  const { streams } = context;
  const region = !options.json && streams.stdout.isTTY ? new LiveRegion(streams.stdout) : undefined;
  const [own] = [gridOf([{ experiment, scale }], options.out, shelf.kindOf)];
  const byId = new Map(grid.map((training) => [training.id, training]));
  const started = performance.now();
  const lab = createLab({
    device,
    signal,
    dataset: (name) => shelf.load({ dataset: name }, shelf.kindOf(name)),
    locate: (training) => {
      const [found] = gridOf([{ experiment: { ...experiment, trainings: () => [training] }, scale }], options.out, shelf.kindOf);
      return byId.get((found as GridTraining).id) ?? (found as GridTraining);
    },
    onProgress(done, total) {
      const eta = ((performance.now() - started) / 1000) * (total / done - 1);
      region?.show([statusLine(done / total, [`${experiment.id}: measuring, ${done} of ${total}`, `ETA ${duration(eta)}`], streams.stdout.columns)]);
    },
  });
  const findings = await experiment.measure(lab, scale);
  const page = experiment.page(findings, scale);
  region?.clear();
  const folder = join(options.out, `${experiment.id}-${scale}`);
  const file = writeResults(
    folder,
    experiment,
    {
      experiment: experiment.id,
      title: experiment.title,
      paper: experiment.paper,
      scale,
      changes: experiment.changes[scale],
      command: ["gradalign", "reproduce", experiment.id, "--scale", scale].map(shellWord).join(" "),
      provenance: { ...provenance(), backend: device.backend, threads: device.threads },
      trainings: own.filter(isFinished).map(({ id, label, data, folder: at, config }) => ({ id, label, data, doneBy: readFinished(at), config })),
      findings,
      claims: page.claims,
      comparisons: page.comparisons,
    },
    page,
  );
  if (options.json) print(context, JSON.stringify({ type: "experiment", experiment: experiment.id, scale, claims: page.claims, report: file }));
  else {
    print(context, `${experiment.id} (${scale}): ${experiment.title}`);
    for (const { text, holds, evidence } of page.claims) print(context, `  ${holds === null ? "?" : holds ? "yes" : "NO "}  ${text} (${evidence})`);
    print(context, `  ${file}`);
  }
  return file;
}

function datasetsOf(chosen: readonly ScaledExperiment[]): { name: string; scale: ScaledExperiment["scale"] }[] {
  return chosen.flatMap(({ experiment, scale }) => experiment.trainings(scale).flatMap(({ config }) => phaseData(config).map((name) => ({ name, scale }))));
}

function describeGrid(grid: readonly GridTraining[], pending: readonly GridTraining[], schedule: ReturnType<typeof bestSchedule>, measured: boolean): string {
  const how = schedule.mode === "alone" ? "one after the other" : `${schedule.jobs} side by side with one thread each`;
  const done = grid.length - pending.length;
  return `${pending.length} training${pending.length === 1 ? "" : "s"} to do${done > 0 ? ` (${done} done before)` : ""}, ${how}${
    measured ? `; about ${duration(schedule.seconds)} on an idle machine` : ""
  }`;
}
