/** @file `gradalign studio`: a page that trains in the browser and draws what happens, and one that shows runs and starts them. */

import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { datasets, externalName, type ImageSource, isDatasetName, type ResidentDataset, residentSplit, takeFirst } from "@gradalign/robustness";
import { combinations, readValues, type Settings, settingNames } from "@gradalign/runs";
import { isRunFolder, provenance, type RunStarter, startStudioServer, writeSite } from "@gradalign/runs/node";
import { ConfigError } from "@gradalign/tensor";
import type { Command } from "commander";
import { planOfCombinations } from "../reproduce/make-plan.ts";
import { type StudioProcesses, studioProcesses } from "../reproduce/studio-processes.ts";
import { loadDataset } from "../run/dataset.ts";
import { addSettingFlags, parseCount, settingsFromFlags } from "../settings/setting-flags.ts";
import { type Context, print, remark } from "../terminal/context.ts";
import { listenForInterrupt } from "../terminal/interrupt.ts";

const HELP = `
Trains the paper's single-layer network with FGSM or FGSM + GradAlign in your browser, on the GPU where it has WebGPU and else on
the processor, and draws accuracies and gradient alignment while it trains. CIFAR-10 is downloaded first if it is not cached.

A second page shows the runs of folders, live while they train, whichever process trains them: curves, comparisons, settings, plans.
The address with the token may also start, stop and resume runs: in the first folder that is named, this many at a time (--jobs).

Examples:
  gradalign studio
  gradalign studio runs/sweep runs/reproduce
  gradalign studio --port 9000
  gradalign studio --dataset my-images --train-size 5000
  gradalign studio --site public

Only this machine can reach the server unless --host says otherwise; whoever reaches it sees the runs. Over plain HTTP, browsers of
other machines compute with one thread and without WebGPU.`;

const FLAGS = ["dataset", "trainSize"] as const;

/** What a page may take: its memory ends soon after 2 GiB. */
const MAX_SPLIT_BYTES = 2 ** 30;
/** Runs that may be started at once. */
const MOST_RUNS = 500;

/** Where `npm run build:studio` puts the page, seen from `src/commands` and from `dist/commands`. */
const PAGE = fileURLToPath(new URL("../../dist/page", import.meta.url));

interface StudioFlags {
  readonly port: string;
  readonly host: string;
  readonly site?: string;
  readonly jobs: string;
  readonly readOnly?: boolean;
  readonly json?: boolean;
}

/** Adds the command to the program. */
export function registerStudio(program: Command, context: Context): void {
  const command = program
    .command("studio")
    .description("serve a page that trains in the browser, and one that shows runs live and starts them")
    .argument("[runs...]", "folders of runs, or runs", ["runs"]);
  addSettingFlags(command, FLAGS)
    .option("--port <n>", "port to listen on; 0 for any free one", "8255")
    .option("--host <address>", "address to listen on; 0.0.0.0 for all", "127.0.0.1")
    .option("--site <folder>", "serve nothing: write the page and the images as files for any web server")
    .option("--jobs <n>", "runs started from the page that train at a time", "1")
    .option("--read-only", "show runs, and start none")
    .option("--json", "print the pages' addresses as one JSON line")
    .addHelpText("after", HELP)
    .action((folders: string[], options: StudioFlags & Record<string, unknown>) => runStudio(folders, options, context));
}

async function runStudio(folders: readonly string[], options: StudioFlags & Record<string, unknown>, context: Context): Promise<void> {
  const { dataset: name = "cifar10", trainSize } = settingsFromFlags(options, FLAGS);
  const port = Number(options.port);
  if (!/^\d+$/.test(options.port) || port > 65535) throw new ConfigError(`--port (="${options.port}") must be an integer from 0 to 65535; write e.g. 8255`);
  const jobs = parseCount("--jobs", options.jobs, "leave it out for one run at a time");
  const interrupt = listenForInterrupt((signal) => remark(context, `${signal}: stopping what was started here, with checkpoints; once more to exit at once`));
  const processes = studioProcesses(jobs);
  const failed = new AbortController();
  // Runs can be looked at without any images: they are fetched meanwhile.
  let loading: Promise<PageData> | undefined = loadForPage(name, trainSize, context, interrupt.signal);
  loading.catch((error: unknown) => {
    if (interrupt.signal.aborted) return;
    // A wrong name stays wrong; a download may succeed at the next try.
    if (error instanceof ConfigError) failed.abort(error);
    else remark(context, `${(error as Error).message}; tried again when the page is loaded again`);
  });
  const dataset = async (): Promise<PageData> => {
    const now = loading ?? loadForPage(name, trainSize, context, interrupt.signal);
    loading = undefined;
    return now;
  };
  try {
    if (options.site !== undefined) {
      const { dataset: served, fingerprint } = await dataset();
      writeSite(options.site, { dataset: served, fingerprint, page: PAGE });
      return print(context, `${options.site}: the page and ${served.train.count} training images; any web server can serve this folder`);
    }
    const starter = options.readOnly || folders.every(isRunFolder) ? null : starterIn(folders, jobs, name, processes, context);
    const runs = { folders, starter, code: provenance() };
    const server = await startStudioServer({ dataset, runs, port, host: options.host, page: PAGE });
    const runsPage = `${server.url}runs.html${starter ? `#token=${starter.token}` : ""}`;
    if (options.json) print(context, JSON.stringify({ type: "listening", url: server.url, runs: runsPage }));
    else {
      print(context, `open ${server.url} in a browser; Ctrl-C ends the server`);
      print(context, `runs of ${folders.join(", ")}: ${runsPage}`);
    }
    const end = AbortSignal.any([interrupt.signal, failed.signal]);
    await new Promise<void>((resolve) => {
      if (end.aborted) resolve();
      end.addEventListener("abort", () => resolve(), { once: true });
    });
    await server.close();
    failed.signal.throwIfAborted();
  } finally {
    processes.close();
    interrupt.release();
  }
}

/** A data set, and what stands for its content. */
interface PageData {
  readonly dataset: ResidentDataset;
  readonly fingerprint: string;
}

/** The data set as a page can hold it: all of it in its memory. */
async function loadForPage(name: string, trainSize: Settings["trainSize"], context: Context, signal: AbortSignal): Promise<PageData> {
  const { dataset, fingerprint } = await loadDataset(name, context.streams.stderr, signal);
  const inMemory = (source: ImageSource) => residentSplit(source, dataset.shape, MAX_SPLIT_BYTES);
  const train = await inMemory(typeof trainSize !== "number" ? dataset.train : takeFirst(dataset.train, trainSize));
  return { dataset: { ...dataset, train, test: await inMemory(dataset.test) }, fingerprint };
}

/** Starts runs in the first of the folders that is no run itself, on known data sets and the page's own. */
function starterIn(folders: readonly string[], jobs: number, dataset: string, { perform, resume }: StudioProcesses, context: Context): RunStarter {
  const known = [...Object.keys(datasets), ...(isDatasetName(dataset) ? [] : [dataset])];
  return {
    token: randomBytes(24).toString("base64url"),
    runs: folders.find((folder) => !isRunFolder(folder)) as string,
    datasets: known,
    jobs,
    perform,
    resume,
    async plan(written) {
      const sourceOf = (name: string): string => `--${externalName(name)}`;
      const lists = Object.entries({ dataset, ...written }).map(([name, text]) => {
        if (!settingNames().includes(name)) throw new ConfigError(`${name} (="${text}") is not a setting; leave it out`);
        // Paths of other folders are for whoever sits at this machine.
        if (name === "dataset" && !known.includes(text)) throw new ConfigError(`--dataset (="${text}") must be one of ${known.join(", ")}; choose one`);
        if (name === "phases" && text.includes("data=")) throw new ConfigError(`--phases (="${text}") must name no data here; leave data= out`);
        return [name, readValues(name, text)] as const;
      });
      const runs = lists.reduce((product, [, values]) => product * values.length, 1);
      if (runs > MOST_RUNS) throw new ConfigError(`the settings stand for ${runs} runs, must be at most ${MOST_RUNS}; leave some out, or use gradalign sweep`);
      const several = lists.filter(([, values]) => values.length > 1).map(([name]) => externalName(name));
      const title = ["from the studio", ...(several.length > 0 ? [`by ${several.join(", ")}`] : [])].join(", ");
      return planOfCombinations(title, { combinations: combinations(Object.fromEntries(lists)), sourceOf }, context.streams.stderr);
    },
  };
}
